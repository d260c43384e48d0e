"""Invented messages of the formats of the home, and the whole records that reading them says they become.

`home/NN-name.json` holds source, times and messages; `home/NN-name.records.json` what is stored of them in the end, the
oldest first: envelope, lookup index, what was removed, body. Written by hand from the rules, as the golden records of
our own format; `refs.py` beside those works out pseudonyms. Unlike the records of captured samples they need nothing
that is not in this repository.
"""

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support import make_rules, milliseconds, settings_of

from collector.model import Accepted, Action, Channel, ConsentEvent, Dropped, Message, Record, Region
from collector.pipeline import process
from collector.rules import consent_rules
from collector.stores.memory import MemoryStore

FOLDER = Path(__file__).parent / "home"
REGISTERED: dict[str, Any] = {"consent": {"mode": "registered"}}
CASES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
NAMES = [name for name in CASES if not name.endswith(".records")]


def secret(region: Region) -> bytes:
    """The key that `refs.py` uses."""
    return sha256(f"golden {region.value}".encode()).digest()


def when(text: str) -> int:
    """Milliseconds of a time."""
    return milliseconds(datetime.fromisoformat(text))


def text_of(moment: int) -> str:
    """The same as people read it."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def payload_of(sent: dict[str, Any]) -> bytes:
    """The bytes of a message: a document, or a text."""
    return sent["text"].encode() if "text" in sent else json.dumps(sent["payload"], ensure_ascii=False).encode()


@pytest.mark.parametrize("name", NAMES)
async def test_messages_become_these_records(name: str) -> None:
    """Through all steps and a store: what is derived between samples and gathered from parts included."""
    case = CASES[name]
    region = Region(case["region"])
    rules = make_rules(keys={r: [secret(r)] for r in Region}, sources=[case["source"]], **REGISTERED)
    store = MemoryStore(region, consent_rules(settings_of(**REGISTERED)))
    await store.commit([join(rules.pseudonyms[region].identity(case["router"]), when(case["joined_at"]), region)])
    kept: list[Record] = []
    dropped = []
    for sent in case["messages"]:
        message = Message(sent["topic"], payload_of(sent), retained=False, received_at=when(sent["received_at"]))
        outcome = process(message, rules)
        if isinstance(outcome, Dropped):
            dropped.append(outcome.reason.value)
        else:
            assert isinstance(outcome, Accepted)
            kept.append(outcome.record)
            assert 1 == (await store.commit([outcome.record])).stored

    ref = rules.pseudonyms[region].ref("router", case["router"])
    found = [shown(stored, kept) async for stored in store.records(ref)]
    assert CASES[f"{name}.records"] == {"dropped": dropped, "records": found[::-1]}


def join(identity: Any, at: int, region: Region) -> ConsentEvent:
    """The owner joins."""
    policy = consent_rules(settings_of()).policies.first
    return ConsentEvent(
        action=Action.JOIN, channel=Channel.WEBUI, identity=identity, received_at=at, policy_version=policy.version,
        policy_digest=policy.texts["en"], language="en", adult_or_guardian="adult", storage_regions=(region.value,),
    )  # fmt: skip


def shown(stored: Any, kept: list[Record]) -> dict[str, Any]:
    """A stored record as people read it, and by what its router is found."""
    lookup = {entry for record in kept if record.record_id == stored.record_id for entry in record.lookup}
    return {
        "record_id": stored.record_id.hex(),
        "device_ref": stored.device_ref.hex(),
        "key_id": stored.key_id,
        "consent_seq": stored.consent_seq,
        "event_time": text_of(stored.event_time),
        "received_at": text_of(stored.received_at),
        "policy_version": stored.policy_version,
        "source_adapter": stored.source_adapter,
        "lookup": sorted([kind, ref.hex()] for kind, ref in lookup),
        "stripped": stored.stripped,
        "body": json.loads(stored.body),
    }


def test_every_message_has_its_records_and_every_format_of_the_home_a_message() -> None:
    """Pairs."""
    assert {f"{name}.records" for name in NAMES} == CASES.keys() - set(NAMES)
    assert {"goform", "ubus", "collectd"} == {CASES[name]["source"]["format"] for name in NAMES}
