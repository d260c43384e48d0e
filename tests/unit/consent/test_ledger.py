"""The ledger's entries, their chain, and what becomes of an act."""

from hashlib import sha256

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import HOUR, START, act, join, leave, record, ref, router

from collector.consent.ledger import (
    GENESIS,
    STATE_AFTER,
    Head,
    LedgerEntry,
    Result,
    entry_of,
    first_fault,
    join_by_flag,
    result_of,
)
from collector.consent.standing import Standing, State
from collector.model import PURPOSE, Action, Channel, ConsentEvent, Region

LATER = START + HOUR


def standing(state: State = State.JOINED, *, at: int = START) -> Standing:
    """What the ledger says of router a."""
    return Standing(
        device_ref=router("a").device_ref,
        key_id="key-1",
        state=state,
        seq=7,
        consent_id="c" * 32,
        generation=1,
        effective_at=at,
        policy_version="2019-01-01",
        storage_regions=("germany", "hong_kong"),
    )


def entry(event: ConsentEvent, before: Standing | None = None, head: Head | None = None) -> LedgerEntry:
    """The entry an act makes in Germany's ledger."""
    return entry_of(event, before, head or Head(), region=Region.GERMANY, policy="2020-03-14")


# What an entry says


def test_a_join_by_flag_says_where_it_comes_from() -> None:
    """The channel, the times, and the region whose record opened it; nobody showed a text."""
    made = join_by_flag(record(oldest=START - HOUR), Head(seq=4, hash="ab"))

    assert (5, "ab") == (made.seq, made.prev_hash)
    assert (Action.JOIN, Channel.TELEMETRY_FLAG) == (made.action, made.channel)
    assert (START - HOUR, START // 60_000 * 60_000, START) == (made.effective_at, made.client_time, made.received_at)
    assert (router("a").device_ref.hex(), "key-1", 1) == (made.device_ref, made.key_id, made.generation)
    assert (("germany",), "2020-03-14", "broker") == (made.storage_regions, made.policy_version, made.actor_auth)
    assert (None, None, None, None) == (made.policy_digest, made.language, made.adult_or_guardian, made.event_ref)


def test_a_join_event_keeps_the_evidence() -> None:
    """What was shown, in which language, by whom and when (4.3)."""
    event = msgspec.structs.replace(
        join(at=LATER, client_time=LATER - 5, event_ref=ref("act"), storage_regions=("germany",)),
        policy_version="2021-01-01",
        policy_digest="d" * 64,
        language="de-AT",
        adult_or_guardian="guardian",
    )
    made = entry(event)

    assert ("2021-01-01", "d" * 64, "de-AT", "guardian") == (
        made.policy_version,
        made.policy_digest,
        made.language,
        made.adult_or_guardian,
    )
    assert (LATER, LATER - 5, LATER) == (made.effective_at, made.client_time, made.received_at)
    assert (ref("act").hex(), ("germany",)) == (made.event_ref, made.storage_regions)
    assert (("ueip", (PURPOSE,)), ()) == ((made.policy_id, made.purposes), made.transfer_destinations)


def test_an_exit_takes_effect_at_its_receipt() -> None:
    """Whatever time the router claims (003 IV.4: immediately); it belongs to the consent it ends."""
    made = entry(msgspec.structs.replace(leave(at=LATER), client_time=START), standing())

    assert LATER == made.effective_at
    assert ("c" * 32, "2019-01-01", ("germany", "hong_kong")) == (
        made.consent_id,
        made.policy_version,
        made.storage_regions,
    )


def test_an_act_that_names_no_region_concerns_the_ledger_it_is_in() -> None:
    """And the policy in force, when none is named either."""
    made = entry(leave())

    assert (("germany",), "2020-03-14") == (made.storage_regions, made.policy_version)


def test_an_act_under_a_new_key_stays_with_the_pseudonym_the_ledger_knows() -> None:
    """So that the records of the old key follow it (K32)."""
    made = entry(leave(identity=router("a", key="key-2", older=["key-1"])), standing())

    assert (router("a").device_ref.hex(), "key-1") == (made.device_ref, made.key_id)


@pytest.mark.parametrize("channel", list(Channel))
def test_an_entry_says_how_the_actor_was_known(channel: Channel) -> None:
    """Operators act by the desk and the system; everybody else was let in by the broker."""
    made = entry(msgspec.structs.replace(leave(), channel=channel))
    operators = {Channel.RIGHTS_DESK, Channel.SYSTEM}

    assert made.actor_auth == ("operator" if channel in operators else "broker")


@pytest.mark.parametrize("action", list(Action))
def test_an_entry_says_what_holds_from_now_on(action: Action) -> None:
    """Its standing is that of the router (4.4)."""
    made = entry(act(action, at=LATER), standing(State.RESTRICTED), Head(seq=11, hash="ab"))
    now = made.standing()

    assert STATE_AFTER[action] is now.state
    assert (12, made.consent_id, LATER) == (now.seq, now.consent_id, now.effective_at)
    assert (router("a").device_ref, "key-1") == (now.device_ref, now.key_id)


def test_every_act_leads_somewhere() -> None:
    """An act without a state would leave the gate as it is."""
    assert set(Action) == set(STATE_AFTER)
    assert {Action.JOIN, Action.UNRESTRICT} == {a for a, state in STATE_AFTER.items() if state is State.JOINED}


# Ids and hashes


def test_the_hash_is_of_all_the_rest() -> None:
    """SHA-256 over the members as JSON with sorted keys: anybody can check it without our code."""
    made = entry(join(event_ref=ref("act")))
    members = msgspec.to_builtins(made)
    members.pop("hash")

    assert sha256(orjson.dumps(members, option=orjson.OPT_SORT_KEYS)).hexdigest() == made.hash
    assert set(LedgerEntry.__struct_fields__) == {*members, "hash"}


members = st.sampled_from([name for name in LedgerEntry.__struct_fields__ if name != "hash"])


@given(members)
def test_no_member_can_be_changed_unseen(name: str) -> None:
    """Each of them is in the hash."""
    made = entry(join(event_ref=ref("act"), client_time=START))
    value = getattr(made, name)
    other = {int: 99, str: "99", tuple: ("99",), type(None): "99"}.get(type(value), Action.VOID)
    changed = msgspec.structs.replace(made, **{name: other})

    assert made.hash != changed.computed_hash()
    assert first_fault([made]) is None
    assert first_fault([changed]) is not None


def test_a_consent_has_one_id_from_join_to_exit() -> None:
    """Every join begins another; the same entries give the same ids, so that a replay can be compared."""
    first = join_by_flag(record(), Head())
    left = entry(leave(at=LATER), first.standing(), Head(seq=first.seq, hash=first.hash))
    again = entry(join(at=LATER + 1), left.standing(), Head(seq=left.seq, hash=left.hash))

    assert first.consent_id == left.consent_id
    assert again.consent_id != first.consent_id
    assert 32 == len(again.consent_id)
    assert first == join_by_flag(record(), Head())


def test_two_routers_that_join_alike_have_two_consents() -> None:
    """Same millisecond, same text, same head even."""
    ids = {join_by_flag(record(name), Head()).consent_id for name in ("a", "b", "c")}

    assert 3 == len(ids)


def test_a_chain_begins_at_nothing() -> None:
    """An entry that claims a predecessor which is not there is a fault."""
    first = entry(leave())

    assert GENESIS == first.prev_hash
    assert first_fault([]) is None
    assert first_fault([first]) is None
    assert 1 == first_fault([first], before=Head(seq=0, hash="f" * 64))
    assert 2 == first_fault([entry(leave(), None, Head(seq=1, hash=first.hash))])


# What becomes of an act

LEFT = (State.EXITED, State.VOID, State.CLOSED)
CLOSED = (*LEFT, State.RESTRICTED, State.OUTDATED)


@pytest.mark.parametrize("state", [None, *State])
@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("only_if_joined", [False, True])
def test_what_becomes_of_an_act_in_each_state(action: Action, state: State | None, *, only_if_joined: bool) -> None:
    """An exit counts unless there is nothing it could close; a restriction or its end opens nothing that was left."""
    event = act(action, at=LATER, only_if_joined=only_if_joined)
    conditional = only_if_joined or action in {Action.RESTRICT, Action.UNRESTRICT}
    nothing_to_do = action is not Action.JOIN and conditional and (state is None or state in LEFT)
    result = result_of(event, None if state is None else standing(state), ())

    assert (Result.WITHOUT_EFFECT if nothing_to_do else Result.RECORDED) is result


@pytest.mark.parametrize("state", [None, *State])
@pytest.mark.parametrize("action", list(Action))
def test_an_act_that_was_seen_changes_nothing(action: Action, state: State | None) -> None:
    """Whatever it is and whatever holds."""
    event = act(action, at=LATER, event_ref=ref("act"))

    assert Result.REPEATED is result_of(event, None if state is None else standing(state), {ref("act")})
    assert Result.REPEATED is not result_of(event, None if state is None else standing(state), {ref("other")})


@pytest.mark.parametrize("state", CLOSED)
@pytest.mark.parametrize(
    ("received", "said", "result"),
    [
        (LATER + 1, None, Result.RECORDED),
        (LATER + 1, LATER + 1, Result.RECORDED),
        (LATER + 1, LATER + HOUR, Result.RECORDED),
        (LATER, None, Result.STALE),
        (LATER, LATER + 1, Result.STALE),
        (LATER - 1, LATER + 1, Result.STALE),
        (LATER + 1, LATER, Result.STALE),
        (LATER + 1, START, Result.STALE),
        (LATER + 1, 0, Result.STALE),
        (LATER + 1, -1, Result.STALE),
    ],
)
def test_only_a_join_newer_than_what_closed_the_gate_opens_it(
    state: State, received: int, said: int | None, result: Result
) -> None:
    """By receipt and by its own time; a clock that was never set is no newer time, not even at 1970 sharp (K08)."""
    event = join(at=received, client_time=said)

    assert result is result_of(event, standing(state, at=LATER), ())


@pytest.mark.parametrize("before", [None, standing(State.JOINED, at=LATER)])
def test_a_join_where_no_gate_was_closed_is_never_stale(before: Standing | None) -> None:
    """There is nothing it could undo."""
    assert Result.RECORDED is result_of(join(at=START, client_time=0), before, ())
