"""Consent events of the wire format v1: a join needs everything in order, an exit needs only to be one."""

import secrets
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from notices import DIGEST
from support import (
    NOW,
    RECEIVED_AT,
    ROUTER,
    Document,
    encode,
    json_values,
    make_rules,
    message,
    milliseconds,
    reason_in,
    standard_rules,
    text_of,
    without,
)

from collector.listing import Listing
from collector.model import Action, Channel, ConsentChange, ConsentEvent, ConsentRefused, Outcome, Region
from collector.pipeline import Rules, process
from collector.registry import Registry

TOPIC = f"ueip/v1/{ROUTER}/consent"


def act(action: str, **more: Any) -> Document:
    """An act of the owner with nothing left out that a join needs."""
    return {
        "schema_version": 1,
        "event_id": "e-1",
        "action": action,
        "time": text_of(NOW),
        "country": "DE",
        **more,
    }


def outcome_of(payload: Document | bytes | str, rules: Rules | None = None, *, retained: bool = False) -> Outcome:
    return process(message(payload, topic=TOPIC, retained=retained), rules or standard_rules())


def events_of(payload: Document | bytes | str, rules: Rules | None = None) -> dict[Region, ConsentEvent]:
    found = outcome_of(payload, rules)
    assert isinstance(found, ConsentChange), reason_in(found)
    return dict(found.events)


def refusal_of(payload: Document | bytes | str, rules: Rules | None = None) -> str:
    found = outcome_of(payload, rules)
    assert isinstance(found, ConsentRefused), reason_in(found)
    return found.reason.value


def listing(router: str, country: str, *, required: bool = False) -> Rules:
    """Rules with a registry of this one router."""
    rules = standard_rules()
    registry = Registry(rules.pseudonyms, required=required)
    for region, pseudonyms in rules.pseudonyms.items():
        listed = {pseudonyms.identity(router).device_ref: country}
        registry.learn(region, Listing().changed(listed if region is rules.regions.home(country) else {}))
    return replace(rules, registry=registry)


# ------------------------------------------------------------------------------------------------------------ joins


def test_a_join_goes_to_the_ledger_of_its_country() -> None:
    """And to no other; it names what was agreed to, and when by the router's clock."""
    rules = standard_rules()
    more = {"channel": "app", "policy_version": "2020-03-14", "policy_digest": DIGEST, "language": "en"}
    found = events_of(act("join", **more, storage_regions=["germany"], adult_or_guardian="guardian"), rules)

    (region,) = found
    join = found[region]
    assert Region.GERMANY is region
    assert (Action.JOIN, Channel.APP, RECEIVED_AT) == (join.action, join.channel, join.received_at)
    assert rules.pseudonyms[region].identity(ROUTER) == join.identity
    assert milliseconds(NOW) == 1000 * ((join.client_time or 0) // 1000)
    assert ("2020-03-14", DIGEST, "en") == (join.policy_version, join.policy_digest, join.language)
    assert (("germany",), "guardian") == (join.storage_regions, join.adult_or_guardian)
    assert not join.only_if_joined


def test_the_registry_has_the_word_on_whose_ledger_a_join_goes_to() -> None:
    """As on the region of a report (D17): a German router is in no ledger of China for what it says of itself."""
    assert {Region.GERMANY} == events_of(act("join"), listing(ROUTER, "DE")).keys()
    assert {Region.GERMANY} == events_of(without(act("join"), "country"), listing(ROUTER, "DE")).keys()
    assert "region_conflict" == refusal_of(act("join", country="CN"), listing(ROUTER, "DE"))
    assert {Region.GERMANY} == events_of(act("join"), listing("another", "CN")).keys()
    assert "region_unknown" == refusal_of(act("join"), listing("another", "DE", required=True))


def test_a_registry_keeps_nobody_in() -> None:
    """An exit is honoured, whatever it or the registry says of the country (K35)."""
    for rules in (listing(ROUTER, "CN"), listing("another", "DE", required=True)):
        assert set(Region) == events_of(act("exit"), rules).keys()


def test_a_join_that_names_no_storage_region_names_none() -> None:
    """It goes to its country's ledger, which knows what that means; whether it was named is part of the evidence."""
    for country, region in (("CN", Region.CHINA), ("US", Region.HONG_KONG)):
        assert () == events_of(act("join", country=country))[region].storage_regions


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("region_unknown", {"country": None}),
        ("region_unknown", {"country": "EU"}),
        ("region_unknown", {"country": "de"}),
        ("region_unmapped", {"country": "MC"}),
        ("clock_invalid", {"time": None}),
        ("malformed", {"time": "2026-11-21T17:00:00"}),
        ("malformed", {"time": "now"}),
        ("malformed", {"time": 5}),
        ("malformed", {"country": 276}),
        ("malformed", {"event_id": ""}),
        ("malformed", {"event_id": "a b"}),
        ("malformed", {"event_id": "e-1\n"}),
        ("malformed", {"event_id": 7}),
        ("malformed", {"event_id": "x" * 65}),
        ("malformed", {"action": "JOIN"}),
        ("malformed", {"action": "void"}),
        ("malformed", {"action": None}),
        ("malformed", {"channel": "rights_desk"}),
        ("malformed", {"channel": "telemetry_flag"}),
        ("malformed", {"policy_version": "a b"}),
        ("malformed", {"policy_version": 2020}),
        ("malformed", {"policy_digest": "AB" * 32}),
        ("malformed", {"policy_digest": "ab" * 31}),
        ("malformed", {"language": "German, please"}),
        ("malformed", {"storage_regions": ["mars"]}),
        ("malformed", {"storage_regions": "germany"}),
        ("malformed", {"storage_regions": ["germany"] * 4}),
        ("malformed", {"adult_or_guardian": "child"}),
        ("schema_version", {"schema_version": 2}),
        ("schema_version", {"schema_version": "1"}),
        ("schema_version", {"schema_version": True}),
        ("schema_version", {"schema_version": None}),
    ],
    ids=str,
)
def test_a_join_that_is_not_in_order_is_refused(reason: str, changes: Document) -> None:
    """A yes has to be plain in every part."""
    document = {**act("join"), **changes}

    assert reason == refusal_of({name: value for name, value in document.items() if value is not None})
    assert refusal_of(document) in {reason, "malformed"}


@pytest.mark.parametrize("who", ["adult", "guardian"])
def test_a_join_keeps_who_attested_to_be_old_enough(who: str) -> None:
    """Either may."""
    assert who == events_of(act("join", adult_or_guardian=who))[Region.GERMANY].adult_or_guardian


@pytest.mark.parametrize("name", ["schema_version", "event_id", "action", "time", "country"])
def test_a_join_needs_each_of_its_parts(name: str) -> None:
    """None has a default."""
    assert isinstance(outcome_of(without(act("join"), name)), ConsentRefused)


def test_a_join_for_a_region_not_served_here_is_refused() -> None:
    """Its ledger is elsewhere."""
    rules = make_rules([Region.CHINA])

    assert "region_not_here" == refusal_of(act("join"), rules)


def test_a_join_to_a_text_that_is_not_ours_is_refused() -> None:
    """A version that is not accepted was never shown (G5)."""
    assert "policy_outdated" == refusal_of(act("join", policy_version="2099-01-01"))
    assert {Region.GERMANY} == events_of(act("join", policy_version="2020-03-14")).keys()


# ------------------------------------------------------------------------------------------------------------ exits


def test_an_exit_goes_to_every_ledger_and_counts_where_the_router_joined() -> None:
    """In the region of its country always, elsewhere if the router is known as joined there."""
    found = events_of(act("exit"))

    assert set(Region) == found.keys()
    assert {Region.GERMANY} == {region for region, left in found.items() if not left.only_if_joined}
    assert {Action.EXIT} == {left.action for left in found.values()}
    assert len(Region) == len({left.identity.device_ref for left in found.values()})


@pytest.mark.parametrize(
    "changes",
    [
        {"time": None},
        {"time": "no time at all"},
        {"time": "2026-11-21T17:00:00"},
        {"time": 5},
        {"time": "9999-12-31T23:59:59-14:00"},
        {"country": None},
        {"country": "EU"},
        {"country": "Germany"},
        {"country": 276},
        {"policy_version": "a b"},
        {"policy_version": 2020},
        {"policy_digest": "none"},
        {"language": "German, please"},
        {"storage_regions": ["mars"]},
        {"storage_regions": "germany"},
        {"storage_regions": ["germany"] * 4},
        {"adult_or_guardian": "child"},
        {"x": 1},
    ],
    ids=str,
)
def test_an_exit_is_heard_whatever_else_is_wrong(changes: Document) -> None:
    """When in doubt the exit is honoured (K35)."""
    document = {name: value for name, value in act("exit", **changes).items() if value is not None}

    assert set(Region) == events_of(document).keys()


def test_an_exit_keeps_what_is_right_about_it_and_nothing_that_was_shown() -> None:
    """A valid part stays beside a wrong one; of a text it is no evidence, and words of the router's own do no harm."""
    kept_parts = events_of(act("exit", channel="app", language="not a language"))
    shown = {
        "policy_version": "2099-01-01",
        "policy_digest": "ab" * 32,
        "language": "tlh",
        "adult_or_guardian": "adult",
    }
    made_up = events_of(act("exit", **shown, storage_regions=["china"]))

    assert {Channel.APP} == {left.channel for left in kept_parts.values()}
    assert set(Region) == made_up.keys()
    for left in made_up.values():
        assert (None, None, None, None) == tuple(getattr(left, name) for name in shown)
        assert () == left.storage_regions


@pytest.mark.parametrize("name", ["time", "country"])
def test_an_exit_needs_neither_time_nor_country(name: str) -> None:
    """The router and the act are enough."""
    found = events_of(without(act("exit"), name))

    assert set(Region) == found.keys()


@pytest.mark.parametrize("changes", [{"event_id": "a b"}, {"schema_version": 2}, {"channel": "system"}], ids=str)
def test_an_exit_has_to_be_one(changes: Document) -> None:
    """A valid channel and an id of its own: what it takes to tell an act from noise (K35)."""
    assert isinstance(outcome_of(act("exit", **changes)), ConsentRefused)


# ---------------------------------------------------------------------------------------------------------- any act


def test_an_act_is_known_by_its_id() -> None:
    """A repetition is the same act, so is a retained copy; another id, router or region is another."""
    rules = standard_rules()
    refs = [
        events_of(document, rules)[Region.GERMANY].event_ref
        for document in (act("exit"), act("exit", time=None), act("exit", event_id="e-2"))
    ]
    retained = outcome_of(act("exit"), rules, retained=True)

    assert refs[0] == refs[1] != refs[2]
    assert isinstance(retained, ConsentChange)
    assert len(Region) == len({left.event_ref for _, left in retained.events})


@pytest.mark.parametrize("action", ["join", "exit"])
def test_an_act_that_comes_again_after_a_rotation_of_the_key_is_the_same(action: str) -> None:
    """It does not undo what came after it (K32)."""
    old, new = secrets.token_bytes(32), secrets.token_bytes(32)
    rules = [make_rules([Region.GERMANY], keys={Region.GERMANY: keys}) for keys in ([old], [new, old])]
    first, again = (events_of(act(action), each)[Region.GERMANY] for each in rules)

    assert first.event_ref in again.older_event_refs


@pytest.mark.parametrize("action", ["join", "exit"])
@pytest.mark.parametrize(
    ("said", "channel"), [({"channel": "app"}, "app"), ({"channel": "webui"}, "webui"), ({}, "webui")], ids=str
)
def test_the_owner_acts_in_the_app_or_on_the_routers_page(action: str, said: Document, channel: str) -> None:
    """On the page where the act does not say it."""
    assert {channel} == {event.channel for event in events_of(act(action, **said)).values()}


@pytest.mark.parametrize("action", ["join", "exit"])
@pytest.mark.parametrize("kept", [True, False])
def test_an_act_that_the_broker_had_kept_is_known_as_one(action: str, kept: bool) -> None:
    """Nobody knows for how long: the ledger takes a join of that kind with doubt, and none that comes live."""
    found = process(replace(message(act(action), topic=TOPIC), replayed=kept), standard_rules())

    assert isinstance(found, ConsentChange)
    assert {kept} == {event.replayed for _, event in found.events}


def test_an_exit_under_the_id_of_a_join_is_another_act() -> None:
    """A router whose ids begin again leaves all the same (K35); a join under the id of an exit opens nothing."""
    rules = standard_rules()
    join, left = (events_of(act(action), rules)[Region.GERMANY] for action in ("join", "exit"))

    assert left.event_ref not in (None, join.event_ref)
    assert join.event_ref not in left.older_event_refs
    assert left.event_ref in join.older_event_refs


@pytest.mark.parametrize(
    ("reason", "payload"),
    [
        ("malformed", b""),
        ("malformed", b"\xff"),
        ("malformed", "[]"),
        ("malformed", '{"action":"exit","action":"exit"}'),
        ("malformed", '{"schema_version":1,"action":"exit","event_id":"e","x":NaN}'),
        ("malformed", '{"a":' * 5000),
        ("schema_version", "{}"),
        ("schema_version", b"{}" + b" " * 65_534),
        ("oversize", b"{}" + b" " * 65_535),
    ],
)
def test_what_is_no_consent_event_is_refused(reason: str, payload: bytes | str) -> None:
    """As strict as reports are (G1)."""
    assert reason == refusal_of(payload)


def test_keys_nobody_asked_for_are_left_where_they_are() -> None:
    """A consent event holds what the model of it holds, whatever else was sent."""
    (join,) = events_of(act("join", name="canary", phone="canary", router={"serial": "canary"})).values()

    assert "canary" not in repr([getattr(join, name) for name in join.__struct_fields__])


@given(json_values())
@settings(max_examples=150)
def test_anything_on_the_consent_topic_has_one_outcome(document: Any) -> None:
    """A change or a refusal, never a failure."""
    for payload in (
        encode(document),
        encode({**act("exit"), "time": document}),
        encode({**act("join"), "x": document}),
    ):
        outcome = outcome_of(payload)

        assert isinstance(outcome, ConsentChange | ConsentRefused)
        assert "internal_error" != reason_in(outcome)
