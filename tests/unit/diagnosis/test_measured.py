"""The rules measured on routers whose faults are known: what they find of what was planted, and what they find in vain.

The seeds here were never looked at while the thresholds were chosen; docs/decisions/0021-diagnosis.md says which were,
and what a larger run measured.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytest
from patients import collected, found
from support import make_rules, milliseconds

from collector.diagnosis.history import DAY, History
from collector.diagnosis.judging import CODE
from collector.diagnosis.nouns import Finding
from collector.pipeline import Rules
from collector.simulator.ailments import AILMENTS, Ailment
from collector.simulator.ward import Patient, Ward

START = datetime(2026, 11, 9, tzinfo=UTC)
DAYS = 7
STEP = timedelta(minutes=20)
EACH = 20
"""Routers with each fault."""
HOURLY = timedelta(hours=1)
HEALTHY_SEEDS = range(9001, 9007)
HEALTHY = 24
"""Healthy routers of each seed: together over a thousand router-days."""


@lru_cache(1)
def rules() -> Rules:
    return make_rules()


def examined(ward: Ward, step: timedelta = STEP) -> list[tuple[Patient, dict[str, Finding]]]:
    """Every patient, and what is found in its week."""
    now = milliseconds(START + timedelta(days=DAYS))
    return [
        (patient, found(History(collected(sent, rules()), since=now - DAYS * DAY, now=now)))
        for patient, sent in ward.days(DAYS, step)
    ]


def test_there_is_a_planted_fault_for_every_rule() -> None:
    """No rule goes unmeasured."""
    assert {ailment.name for ailment in AILMENTS} == set(CODE)


@pytest.mark.parametrize("ailment", AILMENTS, ids=lambda ailment: ailment.name)
def test_a_planted_fault_is_found(ailment: Ailment) -> None:
    """In at least 95 of 100 routers that have it, and for most of them with its beginning within a day and a half."""
    patients = examined(Ward(healthy=0, each=EACH, seed=8001, start=START, ailments=(ailment,)))
    late = [
        abs(findings[ailment.name].since - milliseconds(patient.onset)) / DAY
        for patient, findings in patients
        if ailment.name in findings
    ]

    assert len(late) >= 0.95 * len(patients), f"found in {len(late)} of {len(patients)}"
    assert sorted(late)[len(late) // 2] < 1.5


@pytest.mark.parametrize("ailment", AILMENTS, ids=lambda ailment: ailment.name)
def test_a_fault_of_a_router_that_reports_every_hour_is_found(ailment: Ailment) -> None:
    """As often as of others: what is judged by samples waits for them, and events come with their times."""
    patients = examined(Ward(healthy=0, each=EACH, seed=8311, start=START, ailments=(ailment,)), HOURLY)
    seen = sum(ailment.name in findings for _, findings in patients)

    assert seen >= 0.95 * len(patients), f"found in {seen} of {len(patients)}"


def test_healthy_routers_that_report_every_five_minutes_are_left_alone() -> None:
    """More samples are no more faults."""
    findings = [
        finding
        for _, found_in in examined(Ward(healthy=12, each=0, seed=8102, start=START), timedelta(minutes=5))
        for finding in found_in
    ]

    assert [] == findings


@pytest.mark.parametrize("step", [STEP, HOURLY], ids=["20 minutes", "1 hour"])
def test_healthy_routers_are_left_alone(step: timedelta) -> None:
    """At most one finding in a thousand healthy router-days, of all rules together."""
    findings: list[str] = []
    for seed in HEALTHY_SEEDS:
        for _, healthy in examined(Ward(healthy=HEALTHY, each=0, seed=seed, start=START), step):
            findings += healthy
    router_days = len(HEALTHY_SEEDS) * HEALTHY * DAYS

    assert router_days >= 1000
    assert len(findings) <= router_days / 1000, findings
