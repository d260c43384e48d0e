"""The ward: what is planted in a router does not depend on how often it reports."""

from datetime import UTC, datetime, timedelta
from random import Random

import orjson
import pytest

from collector.simulator.ailments import AILMENTS, Ailment, Span, restarting
from collector.simulator.life import Life
from collector.simulator.ward import Delivery, Ward

START = datetime(2026, 11, 9, tzinfo=UTC)
RATE = 0.35
"""An hour."""
INTERVALS = [timedelta(minutes=5), timedelta(minutes=20), timedelta(hours=1)]
HOUR = timedelta(hours=1)


def events_of(sent: list[Delivery], kind: str) -> list[tuple[datetime, datetime]]:
    """When each event was, and when the report of it was made."""
    documents = [orjson.loads(one.payload) for one in sent]
    return [
        (datetime.fromisoformat(event["time"]), datetime.fromisoformat(document["time"]))
        for document in documents
        for event in document.get("events", [])
        if event["event"] == kind
    ]


def told(step: timedelta) -> int:
    """How many restarts some routers tell of in a week and a half, with the same fault and the same lives."""
    ailment = Ailment("restarts_power", show=restarting("power_loss", rate=RATE), from_the_start=True)
    ward = Ward(healthy=0, each=6, seed=8401, start=START, ailments=(ailment,))
    return sum(len(events_of(sent, "unexpected_reboot")) for _, sent in ward.days(10, step))


@pytest.mark.parametrize("step", INTERVALS, ids=str)
def test_a_fault_comes_as_often_however_often_is_reported(step: timedelta) -> None:
    """Fewer reports tell of more each; nights off and drawers are no time."""
    most = 6 * 10 * 24 * RATE

    assert 0.7 * most < told(step) < 1.2 * most


@pytest.mark.parametrize("step", INTERVALS, ids=str)
def test_an_event_lies_between_the_report_before_and_its_own(step: timedelta) -> None:
    """No report tells of what the one before could have told."""
    [ailment] = [one for one in AILMENTS if one.name == "attach_refused"]
    ward = Ward(healthy=0, each=2, seed=8402, start=START, ailments=(ailment,))
    found = [
        (reported - at, patient.life.clock_error)
        for patient, sent in ward.days(4, step)
        for at, reported in events_of(sent, "wan_unexpected_disconnect")
    ]

    assert len(found) > 50
    assert all(-timedelta(seconds=1) <= late - error <= step + timedelta(seconds=1) for late, error in found)


@pytest.mark.parametrize("step", INTERVALS, ids=str)
def test_a_mishap_of_a_healthy_router_is_told_once_however_often_is_reported(step: timedelta) -> None:
    """But for one that lies in a time when it was off."""
    life = Life.draw(Random(1), battery=False, start=START)
    moments = [START + timedelta(minutes=minutes) for minutes in (7, 64, 119, 200)]
    life.mishaps = [(at, {"event": "unexpected_reboot", "reboot_reason": "power_loss"}) for at in moments]
    reports: list[dict[str, object]] = [{} for _ in range(int(3 * HOUR / step))]
    for number, report in enumerate(reports):
        life.disturb(report, START + number * step, START + (number + 1) * step)
    late: dict[str, object] = {}
    life.disturb(late, START + 4 * HOUR, START + 5 * HOUR)
    events = [event for report in reports for event in report.get("events", [])]  # type: ignore[attr-defined]

    assert len(events) == 3
    assert "events" not in late


def test_a_restart_that_is_told_is_seen_in_the_uptime() -> None:
    """Counted from the last one."""
    [patient] = Ward(healthy=1, each=0, seed=8403, start=START).patients
    report: dict[str, object] = {"router": {"uptime_seconds": 10**6}}
    show = restarting("watchdog", rate=50)
    show(patient.router, report, Span(START, START + HOUR), Random(2))
    group = report["router"]

    assert isinstance(group, dict)
    assert 0 <= group["uptime_seconds"] < 3600
    assert patient.router.booted + timedelta(seconds=group["uptime_seconds"] + 1) > START + HOUR
