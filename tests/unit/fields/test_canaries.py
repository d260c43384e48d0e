"""Canaries: a value planted in anything that must not be stored is found nowhere in what comes out.

The names come from the catalogue, so one that is added is covered unasked.
"""

import base64
import json
import logging
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import (
    Document,
    body_of,
    catalogue,
    clean_documents,
    complete_document,
    decide,
    encode,
    event,
    everything_in,
    json_values,
    kept,
    known_names,
    minimal_document,
    reason_in,
    removals,
)

from collector.fields.names import normalise
from collector.model import Accepted

CANARY = "canary-7f3a91"
Plant = Callable[[str, Any], Document]


def spelled(path: str) -> str:
    """A path as a router sends it."""
    return path.replace("{i}", "1").replace(".*", ".Anything")


def refused_names() -> dict[str, str]:
    """Every refused name, path and envelope, and how it is counted; the first family that claims a name has it."""
    found: dict[str, str] = {}
    claimed: dict[str, str] = {}
    for family in catalogue().refused:
        for name in (*family.names, *family.envelopes, *map(spelled, family.paths)):
            found[name] = claimed.setdefault(normalise(name), family.treatment)
    return found


NAMES = refused_names()
BARE = sorted({name for family in catalogue().refused for name in family.bare})


def packed(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


PLACES: dict[str, Plant] = {
    "at the top": lambda name, value: minimal_document(**{name: value}),
    "in a group": lambda name, value: minimal_document(wifi={name: value, "wifi_enabled": True}),
    "in an event": lambda name, value: minimal_document(events=[event(**{name: value})]),
    "in a snapshot": lambda name, value: minimal_document(events=[event(disconnect_snapshot={name: value})]),
    "in a snapshot's group": lambda name, value: minimal_document(
        events=[event(disconnect_snapshot={"signal": {name: value}})]
    ),
}
"""Where a key may stand in a report: each is counted as what it is."""

DEEPER: dict[str, Plant] = {
    "in an unknown object": lambda name, value: minimal_document(x={"y": {name: value}}),
    "in an array": lambda name, value: minimal_document(x=[[1, {name: value}], {"y": [{name: value}]}]),
    "as JSON in a string": lambda name, value: minimal_document(x=json.dumps({name: value})),
    "as base64": lambda name, value: minimal_document(x=packed({name: value})),
    "as base64 in a group": lambda name, value: minimal_document(signal={"x": packed([{name: value}])}),
}
"""Where a key may be hidden: it is found there too, though nothing of it would be kept anyway."""

EVERYWHERE = PLACES | DEEPER

VALUES: list[Any] = [
    CANARY,
    [CANARY],
    {CANARY: 1},
    {"content": CANARY, "number": [CANARY]},
    [{"name": CANARY}],
    packed(CANARY),
    json.dumps({"x": CANARY}),
    CANARY.encode("utf-16-be").hex(),
]
"""The canary plain, as a key, deep inside, in base64, as JSON in a string and in hex UCS-2 (1.7.8)."""

TRACES = [
    CANARY,
    base64.b64encode(CANARY.encode()).decode()[:12],
    base64.b64encode(f'"{CANARY}"'.encode()).decode()[2:12],
    CANARY.encode("utf-16-be").hex(),
    CANARY.encode().hex(),
]
"""What would be left of it if any of it came through."""


def traces_in(outcome: Any) -> Iterator[str]:
    """What of a canary is found in an outcome, its record and all their reprs."""
    assert isinstance(outcome, Accepted), reason_in(outcome)
    record = outcome.record
    shown = [record.body, everything_in(record), repr(record).encode(), repr(outcome).encode(), str(outcome).encode()]
    for trace in TRACES:
        if any(trace.lower().encode() in part.lower() for part in shown):
            yield trace


def test_traces_of_a_canary_are_seen() -> None:
    """The control: a canary in a field that is kept is found."""
    assert [CANARY] == list(traces_in(decide(minimal_document(router={"software_version": CANARY}))))


def test_the_catalogue_refuses_enough_names_to_be_worth_a_search() -> None:
    """So that an empty list does not pass for a clean result."""
    assert len(NAMES) > 900
    assert len(BARE) > 30


# ----------------------------------------------------------------------------------------------------- refused names


@pytest.mark.parametrize("place", PLACES)
def test_a_refused_name_is_counted_and_its_value_is_found_nowhere(place: str) -> None:
    """Each refused name, plainly at a place where keys may stand: one removal of its kind, and no trace."""
    leaks, miscounted = [], []
    for name, treatment in NAMES.items():
        outcome = decide(PLACES[place](name, CANARY))
        leaks += [name for _ in traces_in(outcome)]
        assert isinstance(outcome, Accepted)
        miscounted += [name] if removals(outcome.record) != {treatment: 1} else []

    assert [] == leaks
    assert [] == miscounted


@pytest.mark.parametrize("place", DEEPER)
def test_a_refused_name_that_is_hidden_is_found_and_its_value_is_not(place: str) -> None:
    """In unknown objects, arrays, JSON in strings and base64: counted as what it is, and no trace."""
    leaks, missed = [], []
    for name, treatment in NAMES.items():
        outcome = decide(DEEPER[place](name, CANARY))
        leaks += [name for _ in traces_in(outcome)]
        assert isinstance(outcome, Accepted)
        missed += [name] if treatment not in removals(outcome.record) else []

    assert [] == leaks
    assert [] == missed


@pytest.mark.parametrize("place", EVERYWHERE)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: json.dumps(value)[:30])
def test_no_form_of_a_value_gets_through(place: str, value: Any) -> None:
    """One name of each family and every bare name, with the canary in every form."""
    plant = EVERYWHERE[place]
    names = [next(iter((*family.names, *map(spelled, family.paths)))) for family in catalogue().refused]
    leaks = [name for name in (*names, *BARE) if list(traces_in(decide(plant(name, value))))]

    assert [] == leaks


@pytest.mark.parametrize("place", EVERYWHERE)
def test_a_canary_in_a_key_is_found_nowhere(place: str) -> None:
    """Keys can be personal data: `{"contacts": {"Alice": ...}}` (F4)."""
    plant = EVERYWHERE[place]
    keys = [
        CANARY,
        f"contacts.{CANARY}",
        f"{CANARY}.password",
        f"sms_{CANARY}",
        f"Device.Hosts.Host.1.{CANARY}",
        f"{CANARY}\u200b",
    ]
    leaks = [
        key for key in keys if list(traces_in(decide(plant(key, 1)))) or list(traces_in(decide(plant(key, {key: key}))))
    ]

    assert [] == leaks


def test_a_canary_in_a_group_that_is_none_is_found_nowhere() -> None:
    """Where an object is expected and something else is sent."""
    for name in known_names():
        if name not in {"schema_version", "message_id", "country", "policy_version", "network", "plmn"}:
            for value in (CANARY, [CANARY], {CANARY: CANARY}):
                outcome = decide(minimal_document(uptime_at_event_seconds=0, uptime_at_send_seconds=0) | {name: value})
                assert reason_in(outcome) in {"accepted", "flag_invalid"}, name
                if isinstance(outcome, Accepted):
                    assert [] == list(traces_in(outcome)), name


# ------------------------------------------------------------------------------------------------- fields and inputs


def test_a_canary_in_a_field_or_input_that_keeps_no_free_text_is_found_nowhere() -> None:
    """Every field and input of the catalogue but versions and codes, which may hold such a word."""
    leaks = []
    for entry in (*catalogue().field, *catalogue().input):
        if entry.type in {"ver64", "code32"} or entry.name in {"plmn", "serial", "imei"}:
            continue
        for value in (CANARY, f"{CANARY}.example", [CANARY], {CANARY: CANARY}):
            content: Document = {"wifi_station_count": 9, entry.name: value}
            on_event = minimal_document(events=[{**event(), **content}])
            document = on_event if entry.group == "event" else minimal_document(**{entry.group: content})
            leaks += [entry.name for _ in traces_in(decide(document))]

    assert [] == leaks


IDENTIFIERS = {
    "router": {"serial": "ZTE1024300012", "imei": "490154203237518", "mac": "d8:0a:e6:01:02:03"},
    "sim": {"imsi": "262011234567890", "iccid": "8949020000012345678"},
    "network": {"wan_ipv4": "93.184.216.34", "wan_ipv6": "2a02:3030:61::1", "lan_ipv4": "192.168.77.1/24"},
    "wifi": {"ssid_2g": "Familie Huber", "ssid_5g": "Haus am See"},
    "settings": {"lan_domain": "huber.example"},
}


def test_no_identifier_is_found_in_a_record() -> None:
    """Serial, IMEI, MAC, IMSI, ICCID, addresses, names, cell: not in the record, in no notation."""
    document = minimal_document(**IDENTIFIERS, events=[event(cell_id=27_447_297)])
    document["network"] = {**IDENTIFIERS["network"], "plmn": "26201"}
    shown = everything_in(kept(document, router="ZTE1024300012")).lower()
    values = [value for group in IDENTIFIERS.values() for value in group.values()]
    plain = [value.lower() for value in (*values, "27447297", "192.168.77", "d80ae6010203", "49015420323751", "huber")]

    assert [] == [value for value in plain if value.encode() in shown]


# --------------------------------------------------------------------------------------------- 500 random keys (O14)


def names_in(node: Any) -> set[str]:
    """Every key in a tree."""
    if isinstance(node, dict):
        return set(node) | {name for value in node.values() for name in names_in(value)}
    return {name for value in node for name in names_in(value)} if isinstance(node, list) else set()


ALLOWED = {entry.name for entry in catalogue().field if entry.place == "body"} | {
    *("router", "sim", "network", "signal", "wifi", "power", "usage", "session", "settings", "events", "event", "time")
}
"""The keys that 1.6 allows in a body."""


def objects_in(node: Any) -> list[Document]:
    """Every object of a document that is read key by key."""
    if isinstance(node, list):
        return [found for value in node for found in objects_in(value)]
    return [node, *(found for value in node.values() for found in objects_in(value))] if isinstance(node, dict) else []


@pytest.mark.parametrize("seed", range(8))
def test_500_random_keys_anywhere_change_nothing_in_the_body(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """The stored keys are those of the catalogue, the body that of the message without them, the log empty (O14)."""
    caplog.set_level(logging.DEBUG)
    dice = random.Random(seed)
    document = complete_document()
    objects = objects_in(document)
    junk = [None, True, 1, -1.5, CANARY, [CANARY], {"sms": CANARY}, {CANARY: CANARY}, "", [], {}]
    known = set(known_names()) | {"ueip"}
    for number in range(500):
        kind = dice.choice([f"key{number}", f"{CANARY}-{number}", dice.choice(list(NAMES)), chr(0x4E00 + number)])
        target = dice.choice(objects)
        if kind not in known and kind not in target:
            target[kind] = dice.choice(junk)

    record = kept(encode(document))

    assert kept(complete_document()).body == record.body
    assert names_in(json.loads(record.body)) <= ALLOWED
    assert sum(removals(record).values()) >= 300
    assert [] == list(traces_in(decide(encode(document))))
    assert [] == caplog.records


@given(
    clean_documents(),
    st.dictionaries(st.text(max_size=10), json_values(4), max_size=8),
    st.randoms(use_true_random=False),
)
@settings(max_examples=100)
def test_unknown_keys_change_nothing_in_the_body(document: Document, extra: Document, dice: random.Random) -> None:
    """As above, for any clean message and any extra keys."""
    expected = kept(document).body
    known = set(known_names())
    for name, value in extra.items():
        if name not in known and not normalise(name).startswith("ueip"):
            dice.choice(objects_in(document)).setdefault(name, value)

    outcome = decide(encode(document))
    if isinstance(outcome, Accepted):  # not so if a value is NaN or half of a character, which is no strict JSON
        assert expected == outcome.record.body
    else:
        assert "malformed" == reason_in(outcome)


def test_a_body_holds_nothing_but_canonical_fields() -> None:
    """Complete list 1.6, of the complete message: all of it that can be stored is, under these names only."""
    found = names_in(body_of(complete_document()))

    assert ALLOWED == found
