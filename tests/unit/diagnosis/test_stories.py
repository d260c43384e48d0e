"""Routers worth looking up have the fault that they are introduced with, whenever the demo is begun."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from patients import collected
from support import milliseconds

from collector.diagnosis.history import DAY, History
from collector.diagnosis.judging import checked_rules, diagnose
from collector.diagnosis.nouns import Finding, Severity
from collector.simulator import Fleet
from collector.simulator.ward import Delivery

BEGUN = datetime(2026, 11, 21, 15, 7, tzinfo=UTC)
STEP = timedelta(minutes=5)
STARTS = 30


def told(began: datetime) -> list[list[Finding]]:
    """What is found of each of them after the two hours of history that `ueip up` lets them tell."""
    start = began - timedelta(hours=2)
    fleet = Fleet(size=5, seed=1, start=start, owners_act_from=began)
    sent = defaultdict(list)
    for moment in [*(start + number * STEP for number in range(24)), began]:
        for one in fleet.round(moment):
            serial = one.topic.split("/")[2]
            sent[serial].append(Delivery(serial, one.topic, one.payload, moment + timedelta(seconds=2)))
    now = milliseconds(began + timedelta(minutes=1))
    histories = (
        History(collected(sent[router.serial])[::-1], since=now - 7 * DAY, now=now) for router in fleet.highlights()
    )
    return [diagnose(history, checked_rules()) for history in histories]


def begun() -> Iterator[list[list[Finding]]]:
    for number in range(STARTS):
        yield told(BEGUN + number * timedelta(minutes=37))


def test_the_first_finding_is_the_storys() -> None:
    """What chance adds is not told before it, and the healthy one has nothing that would call for somebody."""
    for healthy, bad_firmware, *_, poor_coverage in begun():
        worst = {finding.rule for finding in healthy if finding.severity in {Severity.CRITICAL, Severity.MAJOR}}

        assert set() == worst
        assert bad_firmware[0].rule in {"restarts_watchdog", "restarts_crash", "wifi_driver_errors"}
        assert "wifi_driver_errors" in {finding.rule for finding in bad_firmware}
        assert "addresses_overlap" not in {finding.rule for finding in poor_coverage}
