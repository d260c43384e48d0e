"""What a router is compared with, and which groups are never shown."""

from base64 import b64encode
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace
from patients import NOW, Body, event, every, found, history, hours, steady, stored, with_events

from collector.diagnosis.history import DAY, HOUR, History
from collector.diagnosis.judging import checked_rules
from collector.diagnosis.likeness import GROUPS, Likeness, compare, on_cell, sentence
from collector.diagnosis.nouns import Finding
from collector.stores import StoredRecord

MINE = Likeness("MC888", "V1", "26201", "lte")
CELL = "0123456789abcdef0123456789abcdef"
LOST = "wan_unexpected_disconnect"


def restless(times: int) -> History:
    events = [event(LOST, NOW - (n + 1) * HOUR, disconnect_cause="no_signal", cell_ref=CELL) for n in range(times)]
    return history(with_events(*events))


def compared(peers: Sequence[tuple[Likeness, History]]) -> Finding:
    own = restless(12)
    return compare(found(own)["disconnects_frequent"], own, peers, MINE, checked_rules())


def test_a_finding_is_compared_with_routers_of_each_kind_of_likeness() -> None:
    """Same model and software, same model with other software, same operator and technology."""
    same = [(MINE._replace(operator="26202"), restless(0))] * 12
    other = [(MINE._replace(software="V2", operator="26203"), restless(6))] * 10
    near = [(MINE._replace(model="MF297D"), restless(14))] * 11

    found = compared([*same, *other, *near]).compared

    assert [
        ("same model and software", 12),
        ("same model, other software", 10),
        ("same operator and technology", 11),
    ] == [(c.group, c.routers) for c in found]
    assert [0, 0, 11] == [c.as_much for c in found]
    assert "12 routers have a median of 0, 0 of them as much or more" in sentence(found[0])


def test_a_group_of_nine_is_not_shown() -> None:
    """Ten are (O25)."""
    assert () == compared([(MINE, restless(0))] * 9).compared
    assert 2 == len(compared([(MINE, restless(0))] * 10).compared)


def test_an_unlisted_model_makes_nothing_alike() -> None:
    """`other` stands for any."""
    assert Likeness.of(lambda _group, name: {"model_name": "other"}.get(name)).model is None


def test_a_finding_without_a_measure_is_compared_by_how_many_have_it() -> None:
    """As a weak password."""
    weak: Body = {"wifi": {"wifi_password_strength_2g": "low"}}
    own = history(steady(weak))
    peers = [(MINE, history(steady(weak)))] * 4 + [
        (MINE, history(steady({"wifi": {"wifi_password_strength_2g": "high"}})))
    ] * 8

    [first, *_] = compare(found(own)["wifi_password_weak"], own, peers, MINE, checked_rules()).compared

    assert "same model and software: 4 of 12 routers have it too" == sentence(first)


def test_a_finding_that_needs_longer_than_was_read_of_others_is_not_compared() -> None:
    """Nobody's two days show five days of old software."""
    old: Body = {"router": {"software_version": "V1"}, "settings": {"available_software_version": "V2"}}
    finding = found(history(steady(old)))["software_old"]
    own = History([], since=NOW - 2 * DAY, now=NOW)

    assert () == compare(finding, own, [(MINE, own)] * 20, MINE, checked_rules()).compared


def test_a_silence_longer_than_what_was_read_of_others_is_not_compared() -> None:
    """Those that fell silent with it are not among them: "none of 20 has it" would speak against the outage it is."""
    finding = found(history(steady({"router": {"uptime_seconds": 1}}, until=NOW - 3 * DAY)))["data_stopped"]
    own = History([], since=NOW - 2 * DAY, now=NOW)
    peers = [(MINE, history(steady({"router": {"uptime_seconds": 1}}, since=NOW - 2 * DAY)))] * 20

    assert () == compare(finding, own, peers, MINE, checked_rules()).compared


def test_a_router_whose_software_is_not_known_has_no_other_software() -> None:
    """It may be the same."""
    unknown = MINE._replace(software=None)

    assert [] == [name for name, same in GROUPS.items() if "software" in name and same(unknown, MINE)]
    assert [] == [name for name, same in GROUPS.items() if "software" in name and same(MINE, unknown)]


def test_disconnects_that_a_router_only_counts_are_compared_by_its_count() -> None:
    """Formats that tell states, not events."""

    def counting(most: int) -> History:
        days = every(since=NOW - 2 * DAY)
        return history((at, {"network": {"wan_disconnects_day": at % DAY * most // DAY}}) for at in days)

    own = counting(24)
    peers = [(MINE, counting(2))] * 12

    [first, *_] = compare(found(own)["disconnects_frequent"], own, peers, MINE, checked_rules()).compared

    assert (12, 0) == (first.routers, first.as_much)
    assert first.own > 20
    assert first.median < 3


def lost(router: str, at: int, cell: str = CELL) -> StoredRecord:
    from collector.derive import text_of  # noqa: PLC0415 - beside its only use

    return stored(1, at, {"events": [{"event": LOST, "time": text_of(at), "cell_ref": cell}]}, router=router)


def test_a_cell_is_told_by_how_many_of_its_routers_lost_the_network_since() -> None:
    """Those seen on it before, and not since, are the others."""
    finding = replace(found(restless(12))["disconnects_frequent"], cell=CELL)
    since = [lost(f"r{n}", finding.since + HOUR) for n in range(9)]
    before = [lost(f"q{n}", finding.since - DAY) for n in range(3)]

    told = on_cell(finding, [*since, *before]).on_cell

    assert told is not None
    assert (12, 9, finding.since) == (told.routers, told.affected, told.since)


def test_a_cell_of_nine_routers_is_not_shown() -> None:
    """However bad it is (O25)."""
    finding = replace(found(restless(12))["disconnects_frequent"], cell=CELL)

    assert on_cell(finding, [lost(f"r{n}", finding.since + HOUR) for n in range(9)]).on_cell is None


def test_the_cell_of_a_finding_is_the_one_most_of_its_events_name() -> None:
    """Routers change cells."""
    events = [event(LOST, hours(100 + n), cell_ref=CELL if n % 3 else "f" * 32) for n in range(9)]

    assert CELL == found(history(with_events(*events)))["disconnects_frequent"].cell


def test_nothing_of_another_router_is_in_a_comparison() -> None:
    """No pseudonym of its own, no record of it: numbers only."""
    finding = replace(found(restless(12))["disconnects_frequent"], cell=CELL)
    records = [lost(f"r{n}", finding.since + HOUR) for n in range(12)]

    told = msgspec.json.encode(on_cell(finding, records)).decode()

    for record in records:
        for ref in (record.device_ref, record.record_id):
            assert ref.hex() not in told
            assert b64encode(ref).decode() not in told
