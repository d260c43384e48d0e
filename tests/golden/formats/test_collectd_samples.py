"""What collectd sent, captured, gathered into the record that reading the bytes says it is."""

import json
import os
from pathlib import Path
from typing import Any, Final

import pytest
from support import make_rules, settings_of

from collector.model import Accepted, Dropped, DropReason, Message, Region
from collector.pipeline import process
from collector.rules import consent_rules
from collector.stores.memory import MemoryStore

ROOT: Final = Path(__file__).resolve().parents[3]
SAMPLES: Final = Path(os.environ.get("UEIP_SAMPLES", ROOT.parent / "shared" / "samples"))
SOURCE: Final = {
    "name": "lab",
    "topic": "collectd/+/#",
    "format": "collectd",
    "router_level": 2,
    "country": "DE",
}
RECEIVED_AT: Final = 1_795_281_370_000
"""Just after the last of them."""


def captured() -> list[Message]:
    """The captured messages in their order."""
    index = SAMPLES / "index.json"
    if not index.is_file():
        pytest.skip("the captured samples are not here; set UEIP_SAMPLES to their folder")
    [listed] = json.loads(index.read_text("utf-8")).values()
    mine = [entry for entry in listed if entry["file"].startswith("captured/collectd-rates/")]
    return [
        Message(entry["topic"], (SAMPLES / entry["file"]).read_bytes(), retained=False, received_at=RECEIVED_AT)
        for entry in mine
    ]


async def test_the_values_of_one_minute_are_one_record() -> None:
    """Uptime 1844 s; three stations on one radio and two on the other. Nothing else of it is collected."""
    sections: dict[str, Any] = {"consent": {"mode": "registered"}, "sources": [SOURCE]}
    rules, store = make_rules(**sections), MemoryStore(Region.GERMANY, consent_rules(settings_of()))
    outcomes = [process(message, rules) for message in captured()]
    kept = [outcome.record for outcome in outcomes if isinstance(outcome, Accepted)]
    assert len(kept) == 3
    assert {DropReason.NOTHING_SAID} == {outcome.reason for outcome in outcomes if isinstance(outcome, Dropped)}

    committed = await store.commit(kept)

    [record] = [found async for found in store.records(kept[0].identity.device_ref)]
    assert committed.stored == 3
    assert json.loads(record.body) == {"router": {"uptime_seconds": 1844}, "wifi": {"wifi_station_count": 5}}
