"""Answers of ZTE's local interface, as public projects keep them: the record that reading each says it is."""

import json
import os
from pathlib import Path
from typing import Any, Final

import pytest
from support import ROUTER, make_rules

from collector.model import Accepted, Dropped, DropReason, Message, Removal
from collector.pipeline import process

ROOT: Final = Path(__file__).resolve().parents[3]
SAMPLES: Final = Path(os.environ.get("UEIP_SAMPLES", ROOT.parent / "shared" / "samples")) / "fixtures" / "zte-goform"
SOURCE: Final = {
    "name": "homes",
    "topic": "zte/+",
    "format": "goform",
    "router_level": 2,
    "country": "CN",
    "arrival_time": True,
}
RECEIVED_AT: Final = 1_795_281_370_000


def decided(name: str) -> Accepted | Dropped:
    """What becomes of a sample; consent is in the ledger, for none of them says a flag."""
    sample = SAMPLES / f"{name}.json"
    if not sample.is_file():
        pytest.skip("the captured samples are not here; set UEIP_SAMPLES to their folder")
    rules = make_rules(consent={"mode": "registered"}, sources=[SOURCE])
    message = Message(f"zte/{ROUTER}", sample.read_bytes(), retained=False, received_at=RECEIVED_AT)
    outcome = process(message, rules)
    assert isinstance(outcome, Accepted | Dropped)
    return outcome


def test_a_u25s_tells_of_itself() -> None:
    """A hotspot on standalone 5G: four bars at -68 dBm, 82 % and not charging, a month of 8 and 4 KiB, kept in MiB.

    Of battery_value and battery_pers nobody knows what they count; sms_data_total is of messages; the others are of the
    plan, of the session's bytes, or in Chinese.
    """
    outcome = decided("u25s-read_ok")

    assert isinstance(outcome, Accepted)
    assert json.loads(outcome.record.body) == {
        "router": {"software_version": "TEST_FIRMWARE"},
        "network": {"rat": "nr_sa", "wan_connection_state": "connected", "wan_uptime_seconds": 3600},
        "signal": {"rsrp_dbm": -68, "signal_bars": 4},
        "power": {"battery_percent": 82, "battery_charging": False},
        "usage": {
            "wan_rx_bytes_month": 1_048_576,
            "wan_tx_bytes_month": 1_048_576,
            "uplink_bytes_per_second": 1250,
            "downlink_bytes_per_second": 3400,
            "data_alert_percent": 80,
        },
    }
    assert Removal.INVALID not in dict(outcome.record.stripped)
    assert dict(outcome.record.stripped)[Removal.LOCAL_ONLY] >= 1


def test_a_u30_tells_of_itself() -> None:
    """Blank values are none; 5G is standalone 5G; charging at 51 %; Wi-Fi is off."""
    outcome = decided("u30-status")

    assert isinstance(outcome, Accepted)
    assert json.loads(outcome.record.body) == {
        "router": {"software_version": "U30ProV1.0.0B23", "hardware_version": "U30ProHW1.0"},
        "network": {"rat": "nr_sa", "wan_connection_state": "connected"},
        "signal": {"signal_bars": 5},
        "wifi": {"wifi_enabled": False},
        "power": {"battery_percent": 51, "battery_charging": True},
        "usage": {"uplink_bytes_per_second": 13_745, "downlink_bytes_per_second": 27_153},
    }
    removed = dict(outcome.record.stripped)
    assert Removal.INVALID not in removed
    # connectionMode, autoConnectWhenRoaming, network_net_select_mode, network_current_network_mode
    assert removed[Removal.LOCAL_ONLY] == 4


def test_a_u25s_with_hardly_a_field() -> None:
    """Without a battery, and nothing is made up."""
    outcome = decided("u25s-read_missing_fields")

    assert isinstance(outcome, Accepted)
    assert json.loads(outcome.record.body) == {"network": {"rat": "nr_sa"}}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("u25s-read_malformed", DropReason.MALFORMED),
        ("u25s-read_session_expired", DropReason.NOTHING_SAID),
        ("mf79u-no-referer-blank", DropReason.NOTHING_SAID),
        ("g805-keys-as-one-key", DropReason.NOTHING_SAID),
        ("sms_data_total", DropReason.NOTHING_SAID),
        ("sms_capacity_info", DropReason.NOTHING_SAID),
    ],
)
def test_what_says_nothing_that_may_be_kept_becomes_no_record(name: str, reason: DropReason) -> None:
    """Sessions that ended, messages of people, and an answer that is no JSON."""
    outcome = decided(name)

    assert isinstance(outcome, Dropped)
    assert outcome.reason is reason


def test_every_sample_is_looked_at() -> None:
    """Nine, of which each has its test."""
    if not SAMPLES.is_dir():
        pytest.skip("the captured samples are not here; set UEIP_SAMPLES to their folder")
    source: Any = Path(__file__).read_text("utf-8")

    assert [] == [path.name for path in SAMPLES.iterdir() if f'"{path.stem}"' not in source]
