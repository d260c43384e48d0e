"""The survey of a fleet: it finds what is planted and when it began, and stays quiet where nothing is."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patients import SINCE, Body, collected, event, hours, steady, stored, with_events
from populations import BEGIN, Planted, Population
from records import HOUR, MINUTE
from support import make_rules, milliseconds

from collector.diagnosis.chance import holm
from collector.diagnosis.fleet import SIGNIFICANCE, Alarm, survey
from collector.diagnosis.groups import Kind
from collector.diagnosis.history import DAY
from collector.diagnosis.watching import HOURS_WITH_ERRORS, Happened, Stay, Watched, watched
from collector.simulator.ailments import BAD_UPDATE
from collector.simulator.products import BAD_FIRMWARE, MC888
from collector.simulator.ward import Ward

BAD = {"restarts by the watchdog": 2.0, HOURS_WITH_ERRORS: 8.0}
"""What the bad firmware of the demo does, a day."""


def alarms(population: Population) -> list[Alarm]:
    return survey(population.fleet())


@pytest.mark.parametrize("seed", [9101, 9102, 9103])
def test_a_healthy_fleet_of_5000_routers_over_30_days_raises_no_alarm(seed: int) -> None:
    """With its bad routers, evenings, storms, sectors that go out, updates, nights off."""
    assert [] == alarms(Population(routers=5000, days=30, seed=seed))


@pytest.mark.parametrize("seed", [9201, 9202, 9203])
def test_a_bad_version_is_found_with_its_start_when_it_is_rolled_out(seed: int) -> None:
    """Within hours of the first routers that took it; nothing else is blamed."""
    start = BEGIN + 10 * DAY + 5 * HOUR
    found = alarms(Population(1000, 30, seed, planted=[Planted("MC888", "B06", BAD)], rollout={"B06": start}))

    assert {(Kind.SOFTWARE, "MC888", "B06")} == {(alarm.kind, alarm.model, alarm.name) for alarm in found}
    assert set(BAD) == {alarm.fault for alarm in found}
    assert all(alarm.began is not None and -HOUR < alarm.began - start < 12 * HOUR for alarm in found)


@pytest.mark.parametrize("seed", [9301, 9302])
def test_a_fault_that_woke_up_in_a_version_is_found_with_its_hour(seed: int) -> None:
    """The version was there long before."""
    start = BEGIN + 12 * DAY + 7 * HOUR
    planted = Planted("MC888", "B08", {"disconnects": 1.0}, since=start)
    [found] = alarms(Population(2000, 30, seed, planted=[planted]))

    assert ("B08", "disconnects") == (found.name, found.fault)
    assert found.began is not None
    assert abs(found.began - start) < 6 * HOUR
    assert found.low < found.ratio < found.high


def test_a_rare_fault_that_became_five_times_as_frequent_is_found() -> None:
    """One in a hundred days to one in twenty, from the beginning on."""
    planted = Planted("MC888", "B08", {"restarts by the watchdog": 0.05})
    [found] = alarms(Population(2000, 30, 9401, planted=[planted]))

    assert ("B08", None) == (found.name, found.began)
    assert 1.5 < found.low < 6 < found.high


def test_a_cell_that_went_out_is_found_with_its_hour() -> None:
    """And no model, operator or version is blamed for it."""
    start = BEGIN + 9 * DAY + 11 * HOUR
    [found] = alarms(Population(2000, 30, 9501, cell_outage=(3, start)))

    assert (Kind.CELL, "", start) == (found.kind, found.name, found.began)
    assert 10 <= found.affected <= found.routers


def test_the_simulator_s_bad_firmware_is_found_in_whole_reports_with_its_start() -> None:
    """As routers take it, one after another, over most of a day."""
    start = datetime(2026, 11, 9, tzinfo=UTC)
    ward = Ward(healthy=45, each=45, seed=9701, start=start, ailments=(BAD_UPDATE,), models=(MC888,))
    rules = make_rules()
    routers = [watched(collected(sent, rules)) for _, sent in ward.days(4, timedelta(minutes=30))]
    first = min(milliseconds(patient.onset) for patient in ward.patients if patient.planted)

    found = survey([router for router in routers if router is not None])

    assert {(Kind.SOFTWARE, "MC888", BAD_FIRMWARE.version)} == {(a.kind, a.model, a.name) for a in found}
    assert {HOURS_WITH_ERRORS, "restarts by the watchdog", "restarts by crashes"} == {a.fault for a in found}
    assert all(
        a.began is not None and -HOUR < a.began - first < 6 * HOUR for a in found if a.fault == HOURS_WITH_ERRORS
    )


def fleet(model: str, software: str, counts: list[int], *, fault: str = "disconnects") -> list[Watched]:
    """Routers seen for ten days, each with so many faults."""
    stay = Stay(software, BEGIN, BEGIN + 10 * DAY, 240.0)
    return [
        Watched(model, "26201", [stay], [Happened(BEGIN + n * HOUR, fault, software) for n in range(count)])
        for count in counts
    ]


def test_one_router_makes_no_alarm_whatever_it_does() -> None:
    """A thousand disconnects of one say something about that one."""
    usual = [3, 2, 4, 3] * 10

    assert [] == survey([*fleet("A", "V1", usual), *fleet("A", "V2", [200, *usual[1:]])])
    assert survey([*fleet("A", "V1", usual), *fleet("A", "V2", [30] * 40)])


def test_a_group_of_nine_is_not_asked_about() -> None:
    """Nor is it what others are compared with (O25)."""
    usual = [3, 2, 4, 3] * 10

    assert [] == survey([*fleet("A", "V1", usual), *fleet("A", "V2", [200] * 9)])
    assert [] == survey([*fleet("A", "V1", [0] * 9), *fleet("A", "V2", [200] * 40)])


def test_a_bad_day_of_all_is_nobody_s_software() -> None:
    """A version that was there on that day only has its faults, and is not to blame."""
    storm = [Happened(BEGIN + 9 * DAY + n * MINUTE, "disconnects", "", None) for n in range(20)]
    old = [
        Watched("A", "1", [Stay("V1", BEGIN, BEGIN + 10 * DAY, 240.0)], [h._replace(software="V1") for h in storm])
        for _ in range(40)
    ]
    new = [
        Watched(
            "A", "1", [Stay("V2", BEGIN + 9 * DAY, BEGIN + 10 * DAY, 24.0)], [h._replace(software="V2") for h in storm]
        )
        for _ in range(40)
    ]

    assert [] == survey([*old, *new])


def test_nothing_is_said_of_an_empty_fleet() -> None:
    """Nor of one router."""
    assert [] == survey([])
    assert [] == survey(fleet("A", "V1", [50]))


@given(st.lists(st.floats(0, 1), max_size=30))
def test_correction_makes_no_answer_surer_and_keeps_their_order(chances: list[float]) -> None:
    """Holm 1979."""
    corrected = holm(chances)

    assert all(raw <= made <= 1 for raw, made in zip(chances, corrected, strict=True))
    assert sorted(corrected) == [corrected[n] for n in sorted(range(len(chances)), key=chances.__getitem__)]


def test_the_surest_comes_first() -> None:
    """And none is less sure than the survey promises."""
    planted = Planted("MC888", "B08", BAD)
    chances = [alarm.chance for alarm in alarms(Population(1000, 20, 9601, planted=[planted]))]

    assert chances == sorted(chances)
    assert chances
    assert max(chances) < SIGNIFICANCE


# ----------------------------------------------------------------------------------------------------- what is counted


def named(software: str = "V1", **more: dict[str, object]) -> Body:
    return {"router": {"model_name": "MC888", "software_version": software}, "network": {"plmn": "26201"}, **more}


def counted(bodies: list[tuple[int, Body]]) -> Watched:
    found = watched([stored(number, at, body) for number, (at, body) in enumerate(bodies)])
    assert found is not None
    return found


def test_hours_without_records_are_not_counted() -> None:
    """No data is not the same as no fault."""
    router = counted(
        [*steady(named(), until=SINCE + 10 * HOUR), *steady(named(), since=SINCE + 90 * HOUR, until=SINCE + 100 * HOUR)]
    )
    [stay] = router.stays

    assert 19 < stay.hours < 20.5


def test_a_router_that_was_updated_counts_for_both_versions() -> None:
    """Each for its time, with its faults."""
    bodies = with_events(event("unexpected_reboot", hours(100), reboot_reason="watchdog"), body=named("V2"))
    bodies = [(at, named("V1") if at < hours(40) else body) for at, body in bodies]
    router = counted(bodies)

    assert ["V1", "V2"] == [stay.software for stay in router.stays]
    assert [("restarts by the watchdog", "V2")] == [(one.fault, one.software) for one in router.happened]


def test_driver_errors_count_by_the_hours_that_have_them() -> None:
    """Not by their number: a driver that fails does so a hundred times in one go."""
    bodies = [
        (SINCE + n * 15 * MINUTE, named(wifi={"wifi_driver_errors_total": 0 if n < 8 else 100 if n < 20 else 101}))
        for n in range(40)
    ]

    assert [HOURS_WITH_ERRORS] == [one.fault for one in counted(bodies).happened]


def test_an_event_told_twice_counts_once_for_the_fleet() -> None:
    """Routers repeat what was not acknowledged."""
    once = event("wan_unexpected_disconnect", hours(10), cell_ref="f" * 32)
    [happened] = counted(with_events(once, once, body=named())).happened

    assert (hours(10), "disconnects", "f" * 32) == (happened.at, happened.fault, happened.cell)


def test_restarts_that_somebody_wanted_are_not_counted() -> None:
    """However many."""
    wanted = [event("unexpected_reboot", hours(n), reboot_reason="firmware_update") for n in range(1, 9)]

    assert [] == counted(with_events(*wanted, body=named())).happened


@pytest.mark.parametrize("router", [{}, {"model_name": "other", "software_version": "V1"}, {"model_name": "MC888"}])
def test_a_router_of_unknown_model_or_software_is_left_out(router: dict[str, object]) -> None:
    """There is nothing it is like."""
    assert watched([stored(1, SINCE, {"router": router})]) is None
