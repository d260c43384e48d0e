"""`process`: one outcome for every message, in the order in which messages are refused."""

import json
import logging
import secrets
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import (
    IMEI,
    NOW,
    POLICY,
    RECEIVED_AT,
    ROUTER,
    Document,
    body_of,
    catalogue,
    clean_documents,
    complete_document,
    decide,
    encode,
    event,
    json_values,
    kept,
    make_rules,
    message,
    milliseconds,
    minimal_document,
    reason_in,
    reason_of,
    removed_of,
    spoiled_documents,
    standard_rules,
    text_of,
    without,
)

import collector.model
from collector.fields.clean import Tally
from collector.formats.report import rfc3339
from collector.model import (
    Accepted,
    Action,
    Channel,
    ConsentEvent,
    Dropped,
    DropReason,
    Message,
    Record,
    Region,
    Report,
    Sealed,
)
from collector.pipeline import Rules, judge, process

MINUTE = 60_000
HOUR = 60 * MINUTE


# ------------------------------------------------------------------------------------------------------- the flag


def test_plain_true_opens_the_gate() -> None:
    """The control: what all tests of refusals change one thing of is accepted."""
    outcome = decide(minimal_document(ueip=True))

    assert isinstance(outcome, Accepted)


@pytest.mark.parametrize(
    "value",
    [
        *(None, 0, "0", "true", "True", "1", 1, 1.0, 2, -1, "yes", "on", "", " ", "true ", "false"),
        *([], [True], {}, {"value": True}, [False], 0.0),
    ],
    ids=repr,
)
def test_nothing_but_json_true_is_a_yes(value: Any) -> None:
    """What is true to a programming language, or to a person, is not the flag (D1)."""
    outcome = decide(minimal_document(ueip=value))

    assert "flag_invalid" == reason_in(outcome)
    assert isinstance(outcome, Dropped)
    assert () == outcome.exits


def test_a_missing_flag_is_no_yes() -> None:
    """Silence is refusal."""
    outcome = decide(without(minimal_document(), "ueip"))

    assert "flag_absent" == reason_in(outcome)
    assert isinstance(outcome, Dropped)
    assert () == outcome.exits


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"router": {"ueip": True}},
        {"settings": {"ueip": True}},
        {"consent": {"ueip": True}},
        {"flags": [True, {"ueip": True}]},
        {"events": [event(ueip=True)]},
        {"ueip.ueip": True},
        {"user_properties": {"ueip": "true"}},
    ],
    ids=str,
)
def test_a_flag_found_elsewhere_is_ignored(elsewhere: Document) -> None:
    """The flag has one place: one level down it is not the flag."""
    document = without(minimal_document(**elsewhere), "ueip")

    assert "flag_absent" == reason_of(document)


@pytest.mark.parametrize(
    "name",
    [
        *("ueip_opt_in", "ueipEnabled", "ueip-enabled", "ueip_flag", "userExperienceImprovement"),
        *("user_experience_improvement_program", "tr069_user_improv_flag"),
        *(
            "UEIP_OPT_IN",
            "UEIP",
            "Ueip",
            "uEIP",
            "ueip ",
            " ueip",
            "ueip\u200b",
            "\ufeffueip",
            "u\u00adeip",
            "\uff55\uff45\uff49\uff50",
        ),
        *("ueip\u0000", "ueip\u2060", "ueip\t"),
        *("tr069_user_improv_notify_flag", "privacy_read_flag", "dm_user_grant_flag", "dm_user_grant_notify_flag"),
        *("HAS_USER_IMPROVEMENT", "HAS_GDPR", "auto_update", "UpgMode", "tr069_PeriodicInformEnable"),
        "cbns_server_enable",
    ],
    ids=ascii,
)
def test_other_spellings_and_look_alikes_are_not_the_flag(name: str) -> None:
    """Only `ueip`, letter for letter, is the flag of this format (1.7.2)."""
    for value in (True, 1, "1"):
        document = {**without(minimal_document(), "ueip"), name: value}

        assert "flag_absent" == reason_of(document)


@pytest.mark.parametrize(
    "name",
    [
        *("ueip_opt_in", "ueipEnabled", "ueip-enabled", "ueip_flag", "userExperienceImprovement"),
        *("user_experience_improvement_program", "tr069_user_improv_flag"),
        *(
            "UEIP",
            "uEIP",
            "UeIp",
            "Ueip_Opt_In",
            "USEREXPERIENCEIMPROVEMENT",
            "ueip\u200b",
            "\uff55\uff45\uff49\uff50",
            "ueip\u2067",
            "ueip\u180e",
            "\ufe0fueip",
        ),
    ],
    ids=ascii,
)
def test_two_spellings_that_disagree_are_no_yes(name: str) -> None:
    """A message that says yes and no says nothing that can be relied on."""
    for value in (False, 0, "0", None, "no", 1.0, 1.5, [True]):
        assert "flag_invalid" == reason_of(minimal_document(**{name: value}))
    for value in (True, 1, "1"):
        assert "accepted" == reason_of(minimal_document(**{name: value}))


@pytest.mark.parametrize("name", catalogue().names.flag_lookalikes)
def test_a_look_alike_says_nothing_against_the_flag_either(name: str) -> None:
    """Another programme's switch is not heard in either direction."""
    assert "accepted" == reason_of(minimal_document(**{name: False}))


def test_user_properties_have_no_way_in() -> None:
    """What `process` is given has no place for properties, but for the one a source takes the sender from (F9)."""
    assert ("topic", "payload", "retained", "received_at", "replayed", "sender") == Message.__struct_fields__


def test_an_explicit_false_is_an_exit_in_every_region_served_here() -> None:
    """The owner may have moved since joining; whoever never joined leaves no trace (D2, K21)."""
    rules = make_rules()

    outcome = decide(minimal_document(ueip=False, country="CN"), rules)

    assert isinstance(outcome, Dropped)
    assert DropReason.FLAG_FALSE == outcome.reason
    assert set(Region) == {region for region, _ in outcome.exits}
    for region, left in outcome.exits:
        assert rules.pseudonyms[region].identity(ROUTER) == left.identity
        assert (Action.EXIT, Channel.TELEMETRY_FLAG) == (left.action, left.channel)
        assert RECEIVED_AT == left.received_at
        assert left.only_if_joined


def test_an_exit_concerns_only_regions_served_here() -> None:
    """A collector has the keys of its own regions and speaks for no others."""
    rules = make_rules([Region.GERMANY])

    outcome = decide(minimal_document(ueip=False, country="CN"), rules)

    assert isinstance(outcome, Dropped)
    assert [Region.GERMANY] == [region for region, _ in outcome.exits]


def exit_of(rules: Rules, document: Document, router: str = ROUTER) -> ConsentEvent:
    """The exit that a refusing report is for Germany's ledger."""
    outcome = decide(document, rules, router=router)
    assert isinstance(outcome, Dropped)
    return dict(outcome.exits)[Region.GERMANY]


def test_a_refusing_report_that_comes_again_is_the_same_exit() -> None:
    """So that it does not undo a join that came after it (K09); over a rotation of the key too (K32)."""
    old, new = secrets.token_bytes(32), secrets.token_bytes(32)
    before = make_rules([Region.GERMANY], keys={Region.GERMANY: [old]})
    after = make_rules([Region.GERMANY], keys={Region.GERMANY: [new, old]})
    refusing = minimal_document(ueip=False)
    first, again, rotated = (exit_of(rules, refusing) for rules in (before, before, after))

    assert first.event_ref == again.event_ref is not None
    assert ((), (first.event_ref,)) == (first.older_event_refs, rotated.older_event_refs)


def test_another_refusing_report_is_another_exit() -> None:
    """Of another id, of another time or of another router; without an id and a time nobody can tell."""
    keys = {Region.GERMANY: [secrets.token_bytes(32), secrets.token_bytes(32)]}
    rules, refusing = make_rules([Region.GERMANY], keys=keys), minimal_document(ueip=False)
    others = [refusing, {**refusing, "message_id": "m-2"}, {**refusing, "time": text_of(NOW)}]
    refs = [*(exit_of(rules, each).event_ref for each in others), exit_of(rules, refusing, "another").event_ref]

    assert 4 == len({*refs})
    assert None not in refs
    for lacking in ("message_id", "time"):
        unknown = exit_of(rules, without(refusing, lacking))
        assert (None, ()) == (unknown.event_ref, unknown.older_event_refs)


@pytest.mark.parametrize(
    "document",
    [
        {"ueip": False},
        {"ueip": False, "schema_version": 99, "message_id": 5, "country": "nowhere", "time": "never"},
        {**complete_document(), "ueip": False},
        {**complete_document(), "ueip": False, "sms": "x", "policy_version": "1999"},
    ],
    ids=["bare", "all wrong", "complete", "with refused"],
)
def test_an_exit_is_heard_whatever_else_the_message_says(document: Document) -> None:
    """A message need not be in order to say no."""
    outcome = decide(document)

    assert isinstance(outcome, Dropped)
    assert (DropReason.FLAG_FALSE, 3) == (outcome.reason, len(outcome.exits))


# ------------------------------------------------------------------------------------------- the order of refusals


def test_an_unflagged_message_is_dropped_whole_whatever_it_carries() -> None:
    """Nobody looks further into a message of somebody who did not join (F11)."""
    document = without({**complete_document(), "sms": [{"content": "x"}], "country": "??"}, "ueip")

    outcome = decide(document)

    assert isinstance(outcome, Dropped)
    assert (DropReason.FLAG_ABSENT, ()) == (outcome.reason, outcome.exits)


def test_a_flagged_message_with_refused_fields_is_stripped_and_kept() -> None:
    """The other half of F11: a router's defect costs the field, not the record."""
    assert {"local_only": 1} == removed_of(minimal_document(sms=[{"content": "x"}]))


FAULTS: dict[str, Document] = {
    "identity_mismatch": {"router": {"serial": "OTHER"}},
    "flag_invalid": {"ueip": "yes"},
    "schema_version": {"schema_version": 2},
    "message_id": {"message_id": "no spaces"},
    "region_unknown": {"country": "EU"},
    "policy_outdated": {"policy_version": "1999-01-01"},
    "clock_invalid": {"time": None},
}
"""Reasons in the order in which they are looked for, each with what brings it about."""


@pytest.mark.parametrize("reason", FAULTS)
def test_the_first_of_several_faults_is_the_reason(reason: str) -> None:
    """A message with this fault and every later one is dropped for this one."""
    document = minimal_document()
    for later in [*FAULTS][[*FAULTS].index(reason) :]:
        document.update(FAULTS[later])

    assert reason == reason_of(document)


def test_another_routers_false_is_no_exit() -> None:
    """Only a router itself can leave by its flag (K35)."""
    outcome = decide(minimal_document(ueip=False, router={"serial": "OTHER"}))

    assert isinstance(outcome, Dropped)
    assert (DropReason.IDENTITY_MISMATCH, ()) == (outcome.reason, outcome.exits)


def test_a_retained_message_is_refused_before_it_is_read() -> None:
    """Retained telemetry must not exist (K10), be it good, bad or too large."""
    for payload in (encode(minimal_document()), b"{", b" " * 70_000):
        assert "retained" == reason_of(payload, retained=True)


def test_a_large_message_is_refused_before_it_is_read() -> None:
    """The limit is 64 KiB to the byte, and the rest is not looked at."""
    document = encode(minimal_document())
    room = 65_536 - len(document)

    assert "accepted" == reason_of(document + b" " * room)
    assert "oversize" == reason_of(document + b" " * (room + 1))
    assert "oversize" == reason_of(b"\xff" * 10_000_000)


@pytest.mark.parametrize(
    "topic",
    [
        *("", "/", "ueip", "ueip/v1", "ueip/v1/a", "ueip/v1//report", "ueip/v1/a/report/", "/ueip/v1/a/report"),
        *("ueip/v2/a/report", "UEIP/v1/a/report", "ueip/v1/a/Report", "ueip/v1/a/status", "ueip/v1/a/report/x"),
        *("ueip/v1/a b/report", "ueip/v1/a\n/report", "ueip/v1/+/report", "ueip/v1/#", "ueip/v1/\u00e4/report"),
        *(f"ueip/v1/{'a' * 65}/report", "$SYS/broker/version", "ueip/v1/a\u0000/report", "ueip/v1/a%20/report"),
    ],
    ids=ascii,
)
def test_a_topic_of_another_form_is_refused_first(topic: str) -> None:
    """What is not ours is not read, not even to see that it is retained."""
    assert "unknown_topic" == reason_in(process(Message(topic, b"", True, RECEIVED_AT), standard_rules()))


@pytest.mark.parametrize("router", ["a", "A.b_c-9", "9" * 64])
def test_every_router_name_of_the_form_allowed_is_taken(router: str) -> None:
    """1 to 64 characters of letters, digits, dot, underscore and hyphen."""
    assert "accepted" == reason_of(router=router)


# ----------------------------------------------------------------------------------------------------- who it is


@pytest.mark.parametrize(
    ("router", "named"),
    [
        (ROUTER, {}),
        (ROUTER, {"serial": ROUTER}),
        (ROUTER, {"serial": ROUTER, "imei": IMEI}),
        (IMEI, {"imei": IMEI}),
        (IMEI, {"imei": IMEI, "serial": "ANOTHER"}),
        (IMEI, {"imei": "4901542032375101"}),
        ("4901542032375199", {"imei": IMEI}),
        ("490154203237519", {"imei": "490154203237519"}),
    ],
    ids=str,
)
def test_a_payload_that_names_the_topics_router_is_taken(router: str, named: Document) -> None:
    """One of serial and IMEI equals the topic's router; IMEI and IMEISV of a router are the same."""
    assert "accepted" == reason_of(minimal_document(router=named), router=router)


@pytest.mark.parametrize(
    ("router", "named"),
    [
        (ROUTER, {"serial": "OTHER"}),
        (ROUTER, {"serial": ROUTER.lower()}),
        (ROUTER, {"imei": IMEI}),
        (ROUTER, {"serial": "OTHER", "imei": IMEI}),
        (IMEI, {"serial": "OTHER"}),
        (IMEI, {"imei": "356938035643809"}),
        ("490154203237519", {"imei": IMEI}),
        ("356938035643809", {"imei": "490154203237519"}),
    ],
    ids=str,
)
def test_a_payload_that_names_another_router_is_refused(router: str, named: Document) -> None:
    """The broker ties the topic to the router's credentials; the payload may not say otherwise (K34)."""
    assert "identity_mismatch" == reason_of(minimal_document(router=named), router=router)


@pytest.mark.parametrize(
    "value",
    ["a", "A.b:c_d-9", "0", "x" * 64],
)
def test_message_ids_of_the_form_allowed_are_taken(value: str) -> None:
    """1 to 64 characters of letters, digits, dot, underscore, colon and hyphen."""
    assert "accepted" == reason_of(minimal_document(message_id=value))


@pytest.mark.parametrize(
    "value", ["", "x" * 65, "a b", "a/b", "a\n", "\u00e4", 5, None, True, ["a"], {"a": 1}], ids=repr
)
def test_message_ids_of_another_form_are_refused(value: Any) -> None:
    """Without an id a redelivery could not be told from a new message (G9)."""
    assert "message_id" == reason_of(minimal_document(message_id=value))
    assert "message_id" == reason_of(without(minimal_document(), "message_id"))


@pytest.mark.parametrize("value", [0, 2, -1, "1", 1.0, True, None, [1], 2**40, 10**30], ids=repr)
def test_schema_versions_that_are_not_1_are_refused(value: Any) -> None:
    """The collector reads the format it knows and guesses at no other."""
    assert "schema_version" == reason_of(minimal_document(schema_version=value))
    assert "schema_version" == reason_of(without(minimal_document(), "schema_version"))


def test_record_ids_are_those_of_router_and_message_id() -> None:
    """A redelivery has the same record id, another message or another router has not (D20)."""
    rules = standard_rules()
    ids = [
        kept(minimal_document(message_id=name), rules, router=router).record_id
        for router, name in [("a", "1"), ("a", "1"), ("a", "2"), ("b", "1"), ("a1", "1"), ("a", "11")]
    ]

    assert ids[0] == ids[1]
    assert 5 == len(set(ids))


# ----------------------------------------------------------------------------------------------- policy versions


def test_a_record_says_which_version_its_router_declared() -> None:
    """Or that it declared none: which one its owner agreed to is the ledger's to say."""
    assert kept(minimal_document()).policy_version is None
    assert "2020-03-14" == kept(minimal_document(policy_version="2020-03-14")).policy_version


@pytest.mark.parametrize(
    "value",
    [
        "2020-03-15",
        "2019-01-01",
        "9999",
        "",
        " ",
        f" {POLICY}",
        f"{POLICY}\n",
        "x" * 33,
        None,
        20200314,
        True,
        [POLICY],
    ],
    ids=repr,
)
def test_a_policy_version_that_is_present_must_be_accepted(value: Any) -> None:
    """What cannot be read is not one of the accepted versions, so it is no consent to them (G5, K25)."""
    assert "policy_outdated" == reason_of(minimal_document(policy_version=value))


# ------------------------------------------------------------------------------------------------------- the clock


@pytest.mark.parametrize(
    ("ahead", "reason"),
    [
        (timedelta(0), "accepted"),
        (timedelta(minutes=5), "accepted"),
        (timedelta(minutes=5, seconds=1), "future"),
        (timedelta(days=3650), "future"),
        (-timedelta(hours=168), "accepted"),
        (-timedelta(hours=168, seconds=1), "too_old"),
        (-timedelta(days=365), "too_old"),
    ],
    ids=str,
)
def test_a_message_is_taken_within_a_window_around_its_receipt(ahead: timedelta, reason: str) -> None:
    """Not more than 5 minutes ahead, not older than 168 hours (G7, D8)."""
    assert reason == reason_of(minimal_document(time=text_of(NOW + ahead)))


def test_the_window_is_a_setting() -> None:
    """Operators may be stricter."""
    rules = make_rules(limits={"max_age_hours": 1, "max_ahead_seconds": 0})

    assert "accepted" == reason_of(minimal_document(time=text_of(NOW - timedelta(hours=1))), rules)
    assert "too_old" == reason_of(minimal_document(time=text_of(NOW - timedelta(hours=1, seconds=1))), rules)
    assert "future" == reason_of(minimal_document(time=text_of(NOW + timedelta(seconds=1))), rules)


@pytest.mark.parametrize(
    "value",
    [
        "1970-01-01T00:00:09Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T00:00:00-14:00",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:59+14:00",
        "2026-11-21T17:00:00",
        "2026-11-21",
        "17:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "yesterday",
        "",
        1_795_280_400,
        None,
        True,
        {},
    ],
    ids=repr,
)
def test_a_clock_that_is_not_set_is_replaced_by_the_age_that_uptimes_give(value: Any) -> None:
    """A time outside the window, or none, is refused; with both uptimes the age counts instead (K08)."""
    without_uptimes = minimal_document(time=value)
    with_uptimes = {**without_uptimes, "uptime_at_event_seconds": 1000, "uptime_at_send_seconds": 4600}

    assert reason_of(without_uptimes) in {"clock_invalid", "too_old", "future"}
    assert RECEIVED_AT - HOUR == kept(with_uptimes).measured_at
    assert kept(with_uptimes).floating is not None, "delivered again it would have another time"


def test_a_clock_that_is_off_is_remembered_with_the_record() -> None:
    """So that a delivery in which it is believed is known to be the same; a message whose time counts has but one."""
    uptimes = {"uptime_at_event_seconds": 1000, "uptime_at_send_seconds": 4600}
    ahead = RECEIVED_AT + 24 * HOUR

    assert None is kept().floating
    assert None is kept(minimal_document(**uptimes)).floating
    assert (ahead // MINUTE * MINUTE,) == kept(minimal_document(time=rfc3339(ahead), **uptimes)).floating
    assert () == kept({k: v for k, v in minimal_document(**uptimes).items() if k != "time"}).floating


def test_a_part_of_a_sample_may_be_stored_under_any_time() -> None:
    """Of the messages that make one record each has a time, and whichever comes first dates it."""
    source = {"name": "lab", "topic": "lab/+/#", "format": "collectd", "router_level": 2, "country": "DE"}
    rules = make_rules(consent={"mode": "registered"}, sources=[source])
    first, second = (
        kept(f"{RECEIVED_AT // 1000 + ahead}:5\0", rules, topic=f"lab/{ROUTER}/{name}")
        for ahead, name in ((-20, "uptime/uptime"), (-10, "iwinfo-phy0-ap0/stations"))
    )

    assert first.record_id == second.record_id
    assert () == first.floating == second.floating


def test_a_router_without_a_clock_may_leave_out_the_time() -> None:
    """Age by uptime is enough, no age and no time is not."""
    document = without(minimal_document(), "time")

    assert "clock_invalid" == reason_of(document)
    assert "accepted" == reason_of({**document, "uptime_at_event_seconds": 0, "uptime_at_send_seconds": 0})


@pytest.mark.parametrize(
    ("at_event", "at_send", "reason"),
    [
        (0, 604_800, "accepted"),
        (0, 604_801, "too_old"),
        (10, 9, "clock_invalid"),
        (-1, 10, "clock_invalid"),
        (None, 10, "clock_invalid"),
        (10, None, "clock_invalid"),
        ("10", 10, "clock_invalid"),
        (10.0, 10, "clock_invalid"),
        (True, 10, "clock_invalid"),
        (0, 2**32 + 1, "clock_invalid"),
        (2**32, 2**32, "accepted"),
    ],
)
def test_an_age_counts_if_it_is_one(at_event: Any, at_send: Any, reason: str) -> None:
    """Uptimes are whole seconds, and a message is not sent before it was measured."""
    uptimes = {"uptime_at_event_seconds": at_event, "uptime_at_send_seconds": at_send}

    assert reason == reason_of({**without(minimal_document(), "time"), **uptimes})


def test_a_set_clock_is_believed_over_uptimes() -> None:
    """Uptimes are for routers whose clock is not usable."""
    document = minimal_document(uptime_at_event_seconds=0, uptime_at_send_seconds=3600)

    assert RECEIVED_AT - 30_000 == kept(document).measured_at


@pytest.mark.parametrize("value", ["2026-11-21T18:59:59+02:00", "2026-11-21T11:29:59.250-05:30"])
def test_offsets_are_understood(value: str) -> None:
    """The same moment, wherever its clock stands; stored to the minute, kept to the millisecond for the gate."""
    record = kept(minimal_document(time=value))

    assert milliseconds(datetime(2026, 11, 21, 16, 59, tzinfo=UTC)) == record.event_time
    assert datetime.fromisoformat(value) == datetime.fromtimestamp(record.measured_at / 1000, UTC)


@given(st.datetimes(timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))))
@settings(max_examples=200)
def test_no_time_of_the_calendar_breaks_a_step(when: datetime) -> None:
    """Any year, any offset: an outcome of the clock, never a failure."""
    text = when.isoformat()

    reasons = {
        reason_of(minimal_document(time=text)),
        reason_of(minimal_document(session={"acs_session_start_time": text, "acs_session_end_time": text})),
        reason_of(minimal_document(events=[event(time=text)])),
    }

    assert reasons <= {"accepted", "too_old", "future"}


# ------------------------------------------------------------------------------------------------------ the events


def at(ahead: timedelta) -> Document:
    """An event so long after the receipt of the message."""
    return event(time=text_of(NOW + ahead))


def test_events_outside_the_window_are_removed_and_counted() -> None:
    """Each event is judged by its own time; the message stays (G7)."""
    document = minimal_document(
        events=[
            at(timedelta(minutes=5)),
            at(timedelta(minutes=5, seconds=1)),
            at(-timedelta(hours=168)),
            at(-timedelta(hours=168, seconds=1)),
            event(time="1970-01-01T00:00:00Z"),
            event(time="9999-12-31T23:59:59Z"),
        ]
    )

    record = kept(document)

    expected = [text_of(NOW + timedelta(minutes=5)), text_of(NOW - timedelta(hours=168))]
    assert expected == [found["time"] for found in json.loads(record.body)["events"]]
    assert {"invalid": 4} == removed_of(document)


def test_events_without_a_usable_time_or_kind_are_removed_and_counted() -> None:
    """Kind and time are what makes an event one."""
    bad: list[Any] = [
        without(event(), "time"),
        without(event(), "event"),
        event("no_such_event"),
        event(time="2026-11-21T16:00:00"),
        event(time=5),
        "event",
        None,
        [],
    ]
    record = kept(minimal_document(events=[*bad, event()]))

    assert 1 == len(json.loads(record.body)["events"])
    assert dict(record.stripped).keys() == {"invalid"}


def test_late_events_and_invalid_values_are_counted_together() -> None:
    """One count of what was invalid, however it was found."""
    document = minimal_document(signal={"rsrp_dbm": 0}, events=[at(timedelta(days=1))])

    assert {"invalid": 2} == removed_of(document)


def test_a_message_may_list_32_events() -> None:
    """What is beyond them is removed and counted."""
    record = kept(minimal_document(events=[event()] * 35))

    assert 32 == len(json.loads(record.body)["events"])
    assert {"invalid": 3} == removed_of(minimal_document(events=[event()] * 35))


def test_the_oldest_time_a_record_speaks_of_is_noted() -> None:
    """The ledger compares it with the join: data from before it is dropped (K06)."""
    early, late = at(-timedelta(hours=3)), at(timedelta(minutes=2))

    assert RECEIVED_AT - 3 * HOUR == kept(minimal_document(events=[late, early])).oldest
    assert RECEIVED_AT - 30_000 == kept(minimal_document(events=[late])).oldest
    assert RECEIVED_AT - 30_000 == kept(minimal_document(events=[at(-timedelta(days=30))])).oldest


def test_events_are_kept_to_the_second() -> None:
    """Fault events to the second, in UTC (catalogue 1.6)."""
    (found,) = body_of(minimal_document(events=[event(time="2026-11-21T18:03:04.987+02:00")]))["events"]

    assert "2026-11-21T16:03:04Z" == found["time"]


# ------------------------------------------------------------------------------------------------------ the region


@pytest.mark.parametrize(("country", "region"), [("DE", "germany"), ("CN", "china"), ("HK", "hong_kong")])
def test_the_country_says_which_region_a_record_is_of(country: str, region: str) -> None:
    """Region, pseudonyms and key are those of the same region."""
    rules = standard_rules()

    record = kept(minimal_document(country=country), rules)

    assert region == record.region
    assert rules.pseudonyms[Region(region)].identity(ROUTER) == record.identity


def test_a_region_that_is_not_served_here_is_refused() -> None:
    """There is no other place for its records (D18, R28)."""
    rules = make_rules([Region.GERMANY, Region.HONG_KONG])

    assert "region_not_here" == reason_of(minimal_document(country="CN"), rules)
    assert "accepted" == reason_of(minimal_document(country="US"), rules)


@pytest.mark.parametrize(
    "value", ["", "de", "DEU", "Germany", "UK", 276, None, ["DE"], True, "D\u200bE", "x" * 65], ids=repr
)
def test_a_country_that_cannot_be_read_is_refused(value: Any) -> None:
    """No default, no guess, no alias (R13)."""
    assert "region_unknown" == reason_of(minimal_document(country=value))
    assert "region_unknown" == reason_of(without(minimal_document(), "country"))


@pytest.mark.parametrize("value", [26201, "2620", "2620a", "", None, "٢٦٢٠١", ["26201"]], ids=ascii)
def test_a_serving_network_that_cannot_be_read_is_refused(value: Any) -> None:
    """It may be one of another region; in an event's snapshot too (R15)."""
    snapshot = {"network": {"plmn": value}}

    assert "region_unknown" == reason_of(minimal_document(network={"plmn": value}))
    assert "region_unknown" == reason_of(minimal_document(events=[event(disconnect_snapshot=snapshot)]))
    assert "region_unknown" == reason_of(minimal_document(network=[{"plmn": "46001"}]))


def test_every_network_a_message_names_may_refuse() -> None:
    """What was measured in another region's network was generated there (K23)."""
    snapshot = event(disconnect_snapshot={"network": {"plmn": "46001"}})

    assert "region_conflict" == reason_of(minimal_document(network={"plmn": "46001"}))
    assert "region_conflict" == reason_of(minimal_document(network={"plmn": "26201"}, events=[event(), snapshot]))
    assert "accepted" == reason_of(minimal_document(network={"plmn": "26201"}, events=[event()]))


# ------------------------------------------------------------------------------------------------------- the nouns


def test_reprs_of_nouns_hold_no_values() -> None:
    """No traceback, log line or failing test can carry what a router sent."""
    document = minimal_document(ueip=False, router={"serial": ROUTER})
    record = kept(complete_document())
    decoded = standard_rules().reports.decode(message(complete_document()), ROUTER)
    nouns = [message(), record, record.identity, decide(), decide(document), decoded, standard_rules()]

    assert isinstance(decoded, Report)
    for noun in nouns:
        assert f"<{type(noun).__name__}>" == repr(noun) == str(noun) == f"{noun}"
        assert f"[<{type(noun).__name__}>]" == repr([noun])


def test_every_noun_of_the_model_is_sealed() -> None:
    """A noun added later has no telling repr either."""
    found = [kind for kind in vars(collector.model).values() if isinstance(kind, type)]
    nouns = [kind for kind in found if issubclass(kind, msgspec.Struct)]

    assert 11 <= len(nouns)
    for noun in nouns:
        assert issubclass(noun, Sealed)
        assert Sealed.__repr__ is noun.__repr__
        assert noun.__struct_config__.frozen


def test_every_drop_reason_has_a_meaning() -> None:
    """One sentence for people, each its own."""
    meanings = {reason.meaning for reason in DropReason}

    assert len(DropReason) == len(meanings)
    assert all(meaning.endswith(".") for meaning in meanings)


def test_a_failure_of_ours_drops_the_message_and_tells_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    """Bad input never stops the process, nor does a bug it finds; the log says where, not what."""
    broken = msgspec.structs.replace(standard_rules(), pseudonyms=None)
    with caplog.at_level(logging.DEBUG):
        outcome = process(message(minimal_document(message_id="canary-7f3a")), broken)

    assert "internal_error" == reason_in(outcome)
    assert "canary" not in str([vars(line) for line in caplog.records])


# ------------------------------------------------------------------------------------------------------ properties


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_any_bytes_have_one_outcome(payload: bytes) -> None:
    """Bytes that are no report are dropped, and not as a bug of ours."""
    outcome = decide(payload)

    assert isinstance(outcome, Dropped)
    assert DropReason.INTERNAL_ERROR is not outcome.reason


@given(json_values())
@settings(max_examples=300)
def test_any_json_has_one_outcome(document: Any) -> None:
    """Whatever a document is made of, it is one drop."""
    outcome = decide(encode(document))

    assert isinstance(outcome, Dropped)
    assert DropReason.INTERNAL_ERROR is not outcome.reason


@given(spoiled_documents())
@settings(max_examples=300)
def test_a_report_with_anything_anywhere_has_one_outcome(document: Any) -> None:
    """A report whose values are of any type is kept without them or dropped, never a failure."""
    outcome = decide(encode(document))

    assert isinstance(outcome, Accepted | Dropped)
    assert "internal_error" != reason_in(outcome)


@given(st.text(max_size=80), st.sampled_from(["ueip/v1/r/report", "ueip/v1/r/consent"]), st.booleans())
@settings(max_examples=150)
def test_any_topic_has_one_outcome(text: str, topic: str, retained: bool) -> None:
    """Topics are as little trusted as payloads."""
    for made in (text, topic, topic.replace("r", text)):
        outcome = process(Message(made, b"{}", retained, RECEIVED_AT), standard_rules())

        assert "internal_error" != reason_in(outcome)


def slowly(document: Document) -> Record:
    """The record of a document that is read key by key."""
    rules, sent = standard_rules(), message(document)
    report = rules.reports.decode_slowly(sent, ROUTER, Tally())
    assert isinstance(report, Report)
    outcome = judge(report, sent, rules)
    assert isinstance(outcome, Accepted), reason_in(outcome)
    return outcome.record


@given(clean_documents())
@settings(max_examples=200)
def test_both_ways_of_reading_give_the_same_record(document: Document) -> None:
    """The closed schema and the reader that goes key by key agree on every clean document."""
    fast, slow = kept(document), slowly(document)

    for name in Record.__struct_fields__:
        assert getattr(fast, name) == getattr(slow, name), name


def test_both_ways_of_reading_give_the_same_record_of_the_complete_report() -> None:
    """As above, for every field at once."""
    document = complete_document()

    assert kept(document).body == slowly(document).body
    assert {} == removed_of(document)


@given(clean_documents())
@settings(max_examples=100)
def test_spelling_does_not_matter_to_the_record(document: Document) -> None:
    """Blanks, escapes and the order of keys are the writer's business."""
    turned = json.dumps(dict(reversed(document.items())), indent=2, ensure_ascii=True)

    assert kept(document).body == kept(turned).body


def test_building_a_record_twice_gives_the_same_one() -> None:
    """`process` has no memory: a redelivery makes the record it made before."""
    document = complete_document()

    assert kept(document) == kept(document)
