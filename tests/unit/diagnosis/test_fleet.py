"""The survey of a fleet: it finds what is planted and when it began, and stays quiet where nothing is."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

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


@pytest.mark.parametrize("seed", [9101, 9102])
def test_a_healthy_fleet_of_5000_routers_over_30_days_raises_no_alarm(seed: int) -> None:
    """With its bad routers, evenings, storms, sectors that go out, updates, nights off."""
    assert [] == alarms(Population(routers=5000, days=30, seed=seed))


@pytest.mark.parametrize("seed", [9201, 9202])
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
    before = [one.rate for one in found.course if one.at + DAY < start and one.rate is not None]
    after = [one.rate for one in found.course if one.at > start and one.rate is not None]
    assert median(before) < 0.5
    assert median(after) > 1.0
    assert median(one.rate_others for one in found.course if one.rate_others is not None) < 0.5
    assert [DAY] * (len(found.course) - 1) == [b.at - a.at for a, b in pairwise(found.course)]


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


def fleet(
    model: str,
    software: str,
    counts: list[int],
    *,
    fault: str = "disconnects",
    operator: str = "26201",
    hours: float = 240.0,
) -> list[Watched]:
    """Routers seen for ten days, each with so many faults."""
    stay = Stay(software, BEGIN, BEGIN + round(hours * HOUR), hours)
    return [
        Watched(model, operator, [stay], [Happened(BEGIN + n * HOUR % (stay.until - BEGIN), fault, software)
                                          for n in range(count)])
        for count in counts
    ]  # fmt: skip


USUAL = [3, 2, 4, 3] * 10


def test_an_operator_that_loses_its_routers_stands_out() -> None:
    """Among the operators of one model."""
    [found] = survey([*fleet("A", "V1", USUAL), *fleet("A", "V1", [30] * 40, operator="26202")])

    assert (Kind.OPERATOR, "26202", "A", "disconnects") == (found.kind, found.name, found.model, found.fault)
    assert (40, 40, 40, 40) == (found.routers, found.affected, found.others, found.others_affected)


def test_a_model_that_loses_the_network_stands_out() -> None:
    """Among all models, whatever software there is of it."""
    [found] = survey([*fleet("A", "V1", USUAL), *fleet("B", "V1", [30] * 20), *fleet("B", "V2", [30] * 20)])

    assert (Kind.MODEL, "B", "disconnects") == (found.kind, found.name, found.fault)


def test_a_version_is_blamed_though_no_other_has_the_fault_at_all() -> None:
    """A dozen routers that all have it are enough, and nothing of a model or an operator is said beside it."""
    new = [
        *fleet("A", "V1", [0] * 32, hours=2),
        *fleet("A", "V2", [2, 3, 1] * 4, hours=2),
        *fleet("B", "V1", [0] * 90, hours=2),
    ]
    [found] = survey(new)

    assert (Kind.SOFTWARE, "V2") == (found.kind, found.name)
    assert (12, 12, 32, 0) == (found.routers, found.affected, found.others, found.others_affected)
    assert found.low > 1.5


@pytest.mark.parametrize("names", [("V1", "V2"), ("26201", "26202")])
def test_nothing_of_a_group_of_nine_is_in_the_difference_of_two_answers(names: tuple[str, str]) -> None:
    """Both large groups stand out, each against all others: what differs between these is the other large one (O25)."""
    by_software = names[0] == "V1"

    def of(name: str, count: int, routers: int, hours: float) -> list[Watched]:
        software, operator = (name, "26201") if by_software else ("V1", name)
        return fleet("A", software, [count] * routers, operator=operator, hours=hours)

    large = [*of(names[0], 4, 40, 2), *of(names[1], 4, 40, 2)]
    nine = of("V3", 0, 9, 240)

    assert [] == survey([*large, *nine])
    assert set(names) == {found.name for found in survey([*large, *nine, *of("V4", 0, 1, 240)])}


@pytest.mark.parametrize(("early", "shown"), [(9, False), (10, True)])
def test_a_day_on_which_fewer_than_ten_were_seen_has_no_rate(early: int, shown: bool) -> None:
    """Of the first few that took a version, nothing is told apart (O25)."""
    late = Stay("V2", BEGIN + 5 * DAY, BEGIN + 10 * DAY, 120.0)
    first = Stay("V2", BEGIN, BEGIN + 10 * DAY, 240.0)
    faults = [Happened(BEGIN + 6 * DAY + n * HOUR, "disconnects", "V2") for n in range(20)]
    new = [Watched("A", "26201", [first if n < early else late], faults) for n in range(40)]
    [found] = survey([*fleet("A", "V1", USUAL), *new])

    assert [shown] * 5 == [one.rate is not None for one in found.course[:5]]
    assert all(one.rate is not None and one.rate_others is not None for one in found.course[5:10])


def test_a_router_is_counted_once_however_often_it_was_updated() -> None:
    """Five routers on two other versions are five, and too few to be compared with."""
    new = fleet("A", "V3", [9] * 40)
    first, second = Stay("V1", BEGIN, BEGIN + 5 * DAY, 120.0), Stay("V2", BEGIN + 5 * DAY, BEGIN + 10 * DAY, 120.0)

    def updated(number: int) -> list[Watched]:
        return [Watched("A", "26201", [first, second], [Happened(BEGIN, "disconnects", "V1")])] * number

    [found] = survey([*new, *updated(20)])

    assert [] == survey([*new, *updated(9)])
    assert (40, 20, 20) == (found.routers, found.others, found.others_affected)


def test_one_router_makes_no_alarm_whatever_it_does() -> None:
    """A thousand disconnects of one say something about that one."""
    assert [] == survey([*fleet("A", "V1", USUAL), *fleet("A", "V2", [200, *USUAL[1:]])])
    assert survey([*fleet("A", "V1", USUAL), *fleet("A", "V2", [30] * 40)])


def test_a_group_of_nine_is_not_asked_about() -> None:
    """Nor is it what others are compared with (O25)."""
    assert [] == survey([*fleet("A", "V1", USUAL), *fleet("A", "V2", [200] * 9)])
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


def test_a_disconnect_that_somebody_wanted_is_not_counted() -> None:
    """As one router's own diagnosis does not."""
    causes = ("user_disconnect", "idle_disconnect", "no_signal")
    told = [event("wan_unexpected_disconnect", hours(n + 1), disconnect_cause=cause) for n, cause in enumerate(causes)]

    assert [hours(3)] == [one.at for one in counted(with_events(*told, body=named())).happened]


@pytest.mark.parametrize("router", [{}, {"model_name": "other", "software_version": "V1"}, {"model_name": "MC888"}])
def test_a_router_of_unknown_model_or_software_is_left_out(router: dict[str, object]) -> None:
    """There is nothing it is like."""
    assert watched([stored(1, SINCE, {"router": router})]) is None
