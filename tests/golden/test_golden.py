"""Whole messages and the whole records they become, written by hand from the rules.

`NN-name.json` holds topic, time of receipt and payload; `NN-name.record.json` the record: envelope, lookup index,
what was removed, body. `refs.py` beside them works out pseudonyms.
"""

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from support import Document, encode, kept, make_rules, milliseconds, removals

from collector.model import Record, Region

FOLDER = Path(__file__).parent
PAIRS = sorted(path for path in FOLDER.glob("[0-9][0-9]-*.json") if not path.name.endswith(".record.json"))


def secret(name: str) -> bytes:
    """The keys that `refs.py` uses."""
    return sha256(f"golden {name}".encode()).digest()


def shown(record: Record) -> Document:
    """A record as people read it: times as RFC 3339, pseudonyms as hex."""
    times = ("event_time", "measured_at", "oldest", "received_at")
    return {
        "record_id": record.record_id.hex(),
        "older_ids": [older.hex() for older in record.older_ids],
        "identity": {
            "device_ref": record.identity.device_ref.hex(),
            "key_id": record.identity.key_id,
            "older": [older.hex() for older in record.identity.older],
        },
        "region": record.region.value,
        **{name: _text(getattr(record, name)) for name in times},
        "policy_version": record.policy_version,
        "source_adapter": record.source_adapter,
        "lookup": sorted([kind, ref.hex()] for kind, ref in record.lookup),
        "stripped": removals(record),
        "body": json.loads(record.body),
    }


def _text(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.stem)
def test_a_message_becomes_this_record(path: Path) -> None:
    """Every member of the envelope, every field of the body, and nothing else."""
    sent = json.loads(path.read_text("utf-8"))
    expected = json.loads(path.with_suffix(".record.json").read_text("utf-8"))
    ages = ["", "old "] if expected["identity"]["older"] else [""]
    keys = {region: [secret(f"{age}{region.value}") for age in ages] for region in Region}

    record = kept(
        encode(sent["payload"]),
        make_rules(keys=keys),
        topic=sent["topic"],
        received_at=milliseconds(datetime.fromisoformat(sent["received_at"])),
    )

    assert expected == shown(record)


def test_every_member_of_a_record_is_shown() -> None:
    """A member that is added to the record has to be added to the golden records."""
    made = kept()

    assert set(Record.__struct_fields__) - {"counters", "parts", "interval", "floating"} == set(shown(made))
    # What only formats of others have, or messages whose clock cannot be trusted.
    assert (None, (), None, None) == (made.counters, made.parts, made.interval, made.floating)


def test_every_message_has_its_record() -> None:
    """Pairs, eight of them, in every region."""
    regions = {json.loads(path.with_suffix(".record.json").read_text("utf-8"))["region"] for path in PAIRS}

    assert 8 == len(PAIRS)
    assert {region.value for region in Region} == regions
    assert 2 * len(PAIRS) == len(list(FOLDER.glob("*.json")))
