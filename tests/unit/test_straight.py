"""The straight way: the same record as the long way, for what is plain, and nothing else."""

import json
import secrets
from functools import cache
from random import Random
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notices import later, notice
from records import FIRST
from support import (
    IMEI,
    NOW,
    RECEIVED_AT,
    ROUTER,
    Document,
    clean_documents,
    complete_document,
    encode,
    event,
    make_rules,
    message,
    minimal_document,
    spoiled_documents,
    standard_rules,
    text_of,
    without,
)

from collector.consent.standing import State
from collector.fields.clean import Cleaner
from collector.formats import plain
from collector.listing import Listing
from collector.model import Accepted, ConsentRefused, Dropped, DropReason, Message, Record, Region, Removal
from collector.pipeline import Rules, process, the_long_way


def straight(sent: Message, rules: Rules | None = None) -> Record | None:
    """What the straight way says; None if the message has to go the long way."""
    way = (rules or standard_rules()).straight
    assert way is not None
    return way.record(sent)


@cache
def rules_by_structs() -> Rules:
    """The standard rules, without the compiled reading."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "IS_COMPILED", False)
        return msgspec.structs.replace(standard_rules())


def same_both_ways(sent: Message, rules: Rules | None = None) -> None:
    """What went straight would have become the same on the long way."""
    record = straight(sent, rules)
    if record is not None:
        outcome = the_long_way(sent, rules or standard_rules())
        assert isinstance(outcome, Accepted)
        for name in Record.__struct_fields__:
            assert getattr(outcome.record, name) == getattr(record, name), name


@pytest.mark.parametrize(
    "document",
    [
        minimal_document(),
        complete_document(),
        minimal_document(policy_version="2020-03-14"),
        minimal_document(router={"serial": ROUTER, "imei": IMEI, "mac": "02:00:5E:00:53:01"}),
        minimal_document(events=[event(), event("wifi_driver_error", wifi_driver_error_code=-110)]),
        minimal_document(wifi={"wifi_station_count": 2, "wifi_station_rssi_dbm_min": -80}),
        minimal_document(time="2026-11-21T17:59:59.999+01:00"),
        minimal_document(network={"plmn": "26201"}, events=[event(disconnect_snapshot={"network": {"plmn": "26202"}})]),
    ],
)
def test_a_clean_report_goes_straight(document: Document) -> None:
    """Else the way would be no use; and it becomes what it would have become."""
    assert straight(message(document)) is not None
    same_both_ways(message(document))


def test_a_report_on_the_topic_of_acts_is_none() -> None:
    """What its topic says it is decides; a router may publish to both, so access rules of a broker do not help."""
    strayed = message(complete_document(), topic=f"ueip/v1/{ROUTER}/consent")

    assert straight(strayed) is None
    assert ConsentRefused(DropReason.MALFORMED) == process(strayed, standard_rules())


@pytest.mark.parametrize("spaces", [None, 2], ids=["compact", "indented"])
@given(clean_documents())
@settings(max_examples=200)
def test_both_ways_make_the_same_record(spaces: int | None, document: Document) -> None:
    """Of every clean document, however it is written."""
    same_both_ways(message(json.dumps(document, indent=spaces)))


@given(spoiled_documents())
@settings(max_examples=300)
def test_nothing_goes_straight_that_would_become_something_else(document: Any) -> None:
    """Of documents with anything anywhere."""
    same_both_ways(message(encode(document)))


@pytest.mark.parametrize("spaces", [None, 2], ids=["compact", "indented"])
@given(clean_documents(), st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_both_readings_make_the_same_record(spaces: int | None, document: Document, random: Random) -> None:
    """Of every clean document, in any order."""
    names = list(document)
    random.shuffle(names)
    sent = message(json.dumps({name: document[name] for name in names}, indent=spaces))

    assert straight(sent) == straight(sent, rules_by_structs())


@given(spoiled_documents())
@settings(max_examples=300)
def test_what_is_compiled_takes_nothing_more_but_for_unknown_keys(document: Any) -> None:
    """Of documents with anything anywhere."""
    found, without_it = straight(message(encode(document))), straight(message(encode(document)), rules_by_structs())

    assert found == without_it or (without_it is None and found is not None and found.stripped)


UNKNOWN: Final = st.sampled_from(
    ["sms", "foo", "content", "number", "password", "ssid", "x" * 600, "Größe", "newKey", ""]
)
"""Names that no group knows: some are refused, one only beside others."""
ANYTHING: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(UNKNOWN | st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(clean_documents(), st.data())
@settings(max_examples=400)
def test_with_something_left_out_both_ways_make_the_same_record(document: Document, data: st.DataObject) -> None:
    """Unknown keys at the top, in groups, in events, and anything as a value; what was left out is counted the same."""
    places: list[Document] = [document, *document.get("events", [])]
    places += [value for value in document.values() if isinstance(value, dict)]
    for _ in range(data.draw(st.integers(1, 4))):
        data.draw(st.sampled_from(places)).setdefault(data.draw(UNKNOWN), data.draw(ANYTHING))
    groups = [value for value in document.values() if isinstance(value, dict) and value]
    spoilt: bool = data.draw(st.booleans())
    if groups and spoilt:
        group = data.draw(st.sampled_from(groups))
        group[data.draw(st.sampled_from(sorted(group)))] = data.draw(ANYTHING)
    escaped = data.draw(st.booleans())

    same_both_ways(message(json.dumps(document, ensure_ascii=escaped, indent=data.draw(st.sampled_from([None, 1])))))


@given(st.binary(max_size=12) | st.text('{}[]",:0123456789.eE+-truefalsn \t\\', max_size=12).map(str.encode))
@settings(max_examples=1000)
def test_whatever_is_passed_over_makes_no_record_that_would_not_be(said: bytes) -> None:
    """It is found by its brackets and quotes alone, but has to be JSON all the same."""
    clean = encode(minimal_document())

    same_both_ways(message(clean[:-1] + b',"new":%b}' % said))
    same_both_ways(message(b'{"new":%b,' % said + clean[1:]))
    for field in (b'"router":{"software_version"', b'"power":{"battery_percent"', b'"wifi":{"new":1,"wifi_enabled"'):
        same_both_ways(message(b"{%b:%b}," % (field, said) + clean[1:]))
        same_both_ways(message(b'{%b:%b,"y":%b},' % (field, said, said) + clean[1:]))


@pytest.mark.skipif(not plain.IS_COMPILED, reason="the compiled part is not here")
@pytest.mark.parametrize(
    ("document", "counted"),
    [
        (minimal_document(sms=[{"number": "+491550000001", "content": "a text"}]), {Removal.LOCAL_ONLY: 1}),
        (minimal_document(new={"deep": [1, {"imsi_list": "000"}]}, other=1.5), {Removal.UNKNOWN: 2}),
        (minimal_document(new={"sms": 1}, password=""), {Removal.UNKNOWN: 1}),
        (minimal_document(router={"serial": ROUTER, "new": "\u00fc"}, wifi={"new": None}), {Removal.UNKNOWN: 2}),
        (minimal_document(new=1, events=[event()]), {Removal.UNKNOWN: 1}),
        (
            minimal_document(router={"serial": ROUTER, "software_version": "a b", "new": 1}),
            {Removal.UNKNOWN: 1, Removal.INVALID: 1},
        ),
        (minimal_document(power={"battery_percent": 101}), {Removal.INVALID: 1}),
        (
            minimal_document(key="a", encryption="b"),
            {Removal.LOCAL_ONLY: 1, Removal.UNKNOWN: 1},
        ),  # one tells of the other
        (minimal_document(power={"battery_percent": [{}]}), {Removal.INVALID: 1}),
        (minimal_document(power={"battery_percent": 101}, new="x" * 5000), {Removal.INVALID: 1, Removal.UNKNOWN: 1}),
    ],
)
def test_what_has_to_be_left_out_does_not_slow_a_report_down(document: Document, counted: dict[Removal, int]) -> None:
    """New firmware says more than the catalogue knows, in each report of a fleet; and all is counted as ever."""
    sent = message(json.dumps(document, ensure_ascii=False))
    same_both_ways(sent)
    record = straight(sent)

    assert record is not None
    assert counted.items() <= dict(record.stripped).items()


@pytest.mark.parametrize("levels", range(1, 40))
def test_what_is_left_out_nests_no_deeper_than_anything_may(levels: int) -> None:
    """At the top and in a group."""
    nested = "[" * levels + "]" * levels
    for written in (f'"new":{nested}', f'"power":{{"new":{nested}}}', f'"power":{{"battery_percent":{nested}}}'):
        same_both_ways(message(encode(minimal_document())[:-1] + f",{written}}}".encode()))


@pytest.mark.parametrize(
    "written",
    [
        '"new":1,"new":2',
        '"new":{"a":1,"a":2}',
        '"uEIP":false',
        '"ueip_flag":"no","UEIP":0',
        '"new":01',
        '"new":tru',
        '"new":[1,]',
        '"new":{"a"}',
        '"new":[}',
        '"new":"\\u0041"',
        '"n\\u0065w":1',
        '"new":,"x":1',
        '"new":NaN',
        '"new":' + "[" * 40 + "]" * 40,
        '"events":[{"event":"cpu_overheat","time":"2026-11-21T08:00:00Z","new":1}]',
        '"events":[{"event":"cpu_overheat","time":"2026-11-21T08:00:00Z","cpu_temperature_celsius":"hot"}]',
        '"power":{"battery_percent":"full","battery_percent":1}',
        '"power":{"battery_percent":1,"battery_percent":"full"}',
        '"power":{"battery_percent":1.0e1}',
        '"power":{"battery_percent":"full"},"new":' + "1" * 5000,
        '"new":' + "1" * 5000 + ',"other":[' + "[]," * 40 + "[]]",
        '"power":null',
        ",".join(f'"new{n}":1' for n in range(80)),
    ],
)
def test_an_unknown_key_that_may_mean_more_goes_the_long_way(written: str) -> None:
    """Twice, not JSON, escaped, too deep, very many, in an event; or another spelling of the flag."""
    sent = message(encode(minimal_document())[:-1] + f",{written}}}".encode())

    assert straight(sent) is None


@pytest.mark.parametrize("last", ['"uEIP":true', '"wifi":{"new":{"a":1,"a":2}}', '"wifi":{"ssid_2g":"ü"}'])
def test_nothing_is_looked_into_before_it_is_known_that_the_report_goes_straight(
    last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are looked for in all that an unknown key holds: of 60,000 bytes, that would be done twice."""
    looked: list[str] = []
    monkeypatch.setattr(Cleaner, "refuse", lambda *asked: looked.append(asked[1]))
    sent = message(encode(minimal_document())[:-1] + f',"new":{{"deep":[]}},{last}}}'.encode())

    assert straight(sent) is None
    assert not looked


@pytest.mark.skipif(not plain.IS_COMPILED, reason="the compiled part is not here")
@pytest.mark.parametrize("spaces", [None, 2], ids=["compact", "indented"])
@pytest.mark.parametrize("document", [minimal_document(), complete_document()], ids=["minimal", "complete"])
def test_what_a_router_sends_by_the_million_is_read_in_one_pass(spaces: int | None, document: Document) -> None:
    """Else the compiled reading would be no use."""
    way = standard_rules().straight
    assert way is not None
    in_one_pass, by_structs = way._readings
    payload = json.dumps(document, indent=spaces).encode()
    found, expected = in_one_pass.read(payload), by_structs.read(payload)

    assert found is not None
    assert expected is not None
    assert found.said == expected.said
    assert (found.flagged, found.time, [*found.events]) == (expected.flagged, expected.time, [*expected.events])


@given(clean_documents(), st.data())
@settings(max_examples=200)
def test_a_key_that_stands_twice_never_goes_straight(document: Document, data: st.DataObject) -> None:
    """At the top and in every group: the decoder takes the last without a word."""
    places = ["", *(name for name, value in document.items() if isinstance(value, dict) and value)]
    place = data.draw(st.sampled_from(places))
    inside = document[place] if place else document
    key = data.draw(st.sampled_from(sorted(inside)))
    pair = f"{json.dumps(key)}:{json.dumps(inside[key])}"
    text = json.dumps(document, separators=(",", ":"))
    twice = text.replace(f'"{place}":{{', f'"{place}":{{{pair},', 1) if place else f"{{{pair},{text[1:]}"

    assert straight(message(twice)) is None


@pytest.mark.parametrize(
    "document",
    [
        minimal_document(ueip=False),
        without(minimal_document(), "ueip"),
        minimal_document(ueip=1),
        minimal_document(schema_version=2),
        without(minimal_document(), "message_id"),
        without(minimal_document(), "time"),
        without(minimal_document(), "country"),
        minimal_document(country="XX"),
        minimal_document(country="DE", network={"plmn": "46000"}),
        minimal_document(events=[event(disconnect_snapshot={"network": {"plmn": "46000"}})]),
        minimal_document(router={"serial": "OTHER"}),
        minimal_document(time="1970-01-01T00:00:00Z"),
        minimal_document(time=text_of(NOW.replace(year=2027))),
        minimal_document(message_id="not allowed"),
        minimal_document(message_id="line\n"),
        minimal_document(policy_version="no such form"),
        minimal_document(router={"serial": "not allowed"}),
        minimal_document(network={"plmn": "not allowed"}),
        minimal_document(router=[]),
    ],
)
def test_what_is_not_plain_goes_the_long_way(document: Document) -> None:
    """Refusals are the long way's, and so is whatever leaves something out that decides on a report."""
    assert straight(message(document)) is None


def test_a_router_that_has_left_does_not_go_straight() -> None:
    """Who left is asked with each message, whatever is remembered of the router."""
    rules = make_rules()
    assert straight(message(minimal_document()), rules) is not None

    known_as = rules.pseudonyms[Region.GERMANY].identity(ROUTER).device_ref
    rules.closed[Region.GERMANY].learn({known_as: State.EXITED})

    assert straight(message(minimal_document()), rules) is None
    outcome = process(message(minimal_document()), rules)
    assert isinstance(outcome, Dropped)
    assert outcome.reason is DropReason.WITHDRAWN


@pytest.mark.parametrize("ahead", [-1, 0, 1])
def test_a_version_that_ends_at_receipt_does_not_go_straight(ahead: int) -> None:
    """To the millisecond, by receipt (K24)."""
    rules = make_rules()
    ended = notice(later(at=RECEIVED_AT + ahead))
    rules = msgspec.structs.replace(rules, gate=msgspec.structs.replace(rules.gate, policies=ended))
    sent = message(minimal_document(policy_version=FIRST.version))

    assert (ahead > 0) is (straight(sent, rules) is not None)
    same_both_ways(sent, rules)


def test_a_retained_report_does_not_go_straight() -> None:
    """Nobody knows how long the broker had it."""
    assert straight(message(minimal_document(), retained=True)) is None


@pytest.mark.parametrize("router", ["x" * 66, "x" * 60_000])
def test_nothing_is_remembered_of_a_topic_that_is_too_long(router: str) -> None:
    """Else whoever may publish on any topic fills the memory: 65,536 of 64 KiB each."""
    rules = make_rules()
    assert rules.straight is not None

    assert straight(message(minimal_document(), topic=f"ueip/v1/{router}/report"), rules) is None
    assert rules.straight.remembered == 0


def test_a_router_is_remembered_once_whatever_its_reports_say() -> None:
    """With and without a serving network, an event of another, a MAC address: it is the same router."""
    rules, mac = make_rules(), {"serial": ROUTER, "imei": IMEI, "mac": "02:00:5E:10:00:01"}
    documents = [
        minimal_document(router={"serial": ROUTER, "imei": IMEI}),
        minimal_document(router={"serial": ROUTER, "imei": IMEI}, network={"plmn": "26201"}),
        minimal_document(router={"serial": ROUTER, "imei": IMEI}, network={"plmn": "20801"}),
        minimal_document(router=mac, network={"plmn": "26201"}),
        minimal_document(
            router={"serial": ROUTER, "imei": IMEI},
            events=[event(disconnect_snapshot={"network": {"plmn": "20801"}})],
        ),
    ]
    for document in documents:
        assert straight(message(document), rules) is not None
        same_both_ways(message(document), rules)

    assert rules.straight is not None
    assert rules.straight.remembered == 1


def test_a_router_that_moves_is_another_in_the_other_region() -> None:
    """A pseudonym of one region says nothing in another, and what is remembered of a router is of one."""
    rules = make_rules()
    here, there = (message(minimal_document(country=country)) for country in ("DE", "HK"))
    found = [straight(sent, rules) for sent in (here, there, here)]
    for sent in (here, there):
        same_both_ways(sent, rules)

    assert [Region.GERMANY, Region.HONG_KONG, Region.GERMANY] == [record and record.region for record in found]
    assert 2 == len({record and record.identity.device_ref for record in found})


def test_two_keys_make_the_same_ids_on_both_ways() -> None:
    """Over a rotation a message counts once."""
    keys = {region: [secrets.token_bytes(32), secrets.token_bytes(32)] for region in Region}
    rules = make_rules(keys=keys)

    assert straight(message(minimal_document()), rules) is not None
    same_both_ways(message(minimal_document()), rules)


def listing(rules: Rules, region: Region, country: str, *, key: int = 0) -> Listing:
    """A list with the router alone, by the pseudonym of one of the region's keys."""
    return Listing().changed({rules.pseudonyms[region].all_refs("router", ROUTER)[key]: country})


def test_what_the_registry_says_is_asked_for_each_message() -> None:
    """Its list may change while the collector runs."""
    rules = make_rules(regions={"registry": "known"})
    assert rules.registry is not None
    for region in Region:
        rules.registry.learn(region, Listing())
    sent, found = message(minimal_document()), []
    for country in ("DE", "FR", "DE"):
        found.append(straight(sent, rules))
        same_both_ways(sent, rules)
        rules.registry.learn(Region.GERMANY, listing(rules, Region.GERMANY, country))
    refused = process(sent, make_rules(regions={"registry": "required"}))

    assert [True, True, False] == [record is not None for record in found]
    assert straight(sent, rules) is not None
    assert Dropped(DropReason.REGION_UNKNOWN) == refused


_LISTS: Final = st.dictionaries(
    st.sampled_from(Region), st.tuples(st.sampled_from(["DE", "FR", "HK", "CN", "??"]), st.integers(0, 1)), max_size=3
)


@given(clean_documents(), st.sampled_from(["known", "required"]), _LISTS)
@settings(max_examples=200)
def test_both_ways_go_by_the_registry(document: Document, kind: str, lists: dict[Region, tuple[str, int]]) -> None:
    """Whatever it says, in whichever region, and by an older key too."""
    rules = registered(kind)
    assert rules.registry is not None
    for region in Region:
        country, key = lists.get(region, ("", 0))
        rules.registry.learn(region, listing(rules, region, country, key=key) if country else Listing())

    same_both_ways(message(encode(document)), rules)


@cache
def registered(kind: str) -> Rules:
    """Rules with a registry, and two keys a region."""
    keys = {region: [secrets.token_bytes(32), secrets.token_bytes(32)] for region in Region}
    return make_rules(keys=keys, regions={"registry": kind})
