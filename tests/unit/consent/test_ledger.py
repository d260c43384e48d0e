"""The ledger's entries, their chain, and what becomes of an act."""

from hashlib import sha256

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from notices import digest_of, later, notice
from records import HOUR, SECOND, START, act, join, leave, record, ref, router

from collector.consent.acts import STATE_AFTER, state_after
from collector.consent.ledger import (
    GENESIS,
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
NOTICE = notice(later("2021-01-01", "minor", at=START - HOUR))


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
        policy_version="2020-03-14",
        storage_regions=("germany", "hong_kong"),
    )


def entry(event: ConsentEvent, before: Standing | None = None, head: Head | None = None) -> LedgerEntry:
    """The entry an act makes in Germany's ledger."""
    return entry_of(event, before, head or Head(), region=Region.GERMANY, policies=NOTICE)


# What an entry says


def test_a_join_by_flag_says_where_it_comes_from() -> None:
    """The channel, the times, and the region whose record opened it; nobody showed a text."""
    made = join_by_flag(record(oldest=START - HOUR), Head(seq=4, hash="ab"), NOTICE)

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
        policy_digest=later("2021-01-01").texts["de"],
        language="de",
        adult_or_guardian="guardian",
    )
    made = entry(event)

    assert ("2021-01-01", later("2021-01-01").texts["de"], "de", "guardian") == (
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
    assert ("c" * 32, "2020-03-14", ("germany", "hong_kong")) == (
        made.consent_id,
        made.policy_version,
        made.storage_regions,
    )


def test_an_act_that_names_no_region_concerns_the_ledger_it_is_in() -> None:
    """And the version in force, for there is no consent whose version it could be."""
    made = entry(leave())

    assert (("germany",), "2021-01-01") == (made.storage_regions, made.policy_version)


def test_an_exit_counts_though_no_version_is_in_force_yet() -> None:
    """By a clock that is years behind: an exit is honoured, whatever it is filed under (K35)."""
    made = entry(leave(at=0))

    assert (State.EXITED, NOTICE.first.version, 0) == (made.state, made.policy_version, made.effective_at)


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


@pytest.mark.parametrize("action", list(STATE_AFTER))
def test_an_entry_says_what_holds_from_now_on(action: Action) -> None:
    """Its standing is that of the router (4.4)."""
    made = entry(act(action, at=LATER), standing(), Head(seq=11, hash="ab"))
    now = made.standing()

    assert STATE_AFTER[action] is now.state is made.state
    # A join goes on with a consent that holds; everything else takes effect now.
    assert (12, made.consent_id) == (now.seq, now.consent_id)
    assert (START if action is Action.JOIN else LATER) == now.effective_at
    assert (router("a").device_ref, "key-1") == (now.device_ref, now.key_id)


def test_every_act_leads_somewhere() -> None:
    """An act without a state leaves the gate as it is: an erasure, and a hold and its end, which lie over it."""
    assert {Action.ERASE, Action.HOLD, Action.RELEASE} == set(Action) - set(STATE_AFTER)
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
    others = {int: 99, bool: not value, str: "99", tuple: ("99",), type(None): "99", State: State.VOID}
    other = others.get(type(value), Action.VOID)
    changed = msgspec.structs.replace(made, **{name: other})

    assert made.hash != changed.computed_hash()
    assert first_fault([made]) is None
    assert first_fault([changed]) is not None


def test_a_consent_has_one_id_from_join_to_exit() -> None:
    """Every join begins another; the same entries give the same ids, so that a replay can be compared."""
    first = join_by_flag(record(), Head(), NOTICE)
    left = entry(leave(at=LATER), first.standing(), Head(seq=first.seq, hash=first.hash))
    again = entry(join(at=LATER + SECOND), left.standing(), Head(seq=left.seq, hash=left.hash))

    assert first.consent_id == left.consent_id
    assert again.consent_id != first.consent_id
    assert 32 == len(again.consent_id)
    assert first == join_by_flag(record(), Head(), NOTICE)


def test_two_routers_that_join_alike_have_two_consents() -> None:
    """Same millisecond, same text, same head even."""
    ids = {join_by_flag(record(name), Head(), NOTICE).consent_id for name in ("a", "b", "c")}

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

LEFT = (State.EXITED, State.EXITED_RESTRICTED, State.VOID, State.CLOSED)
RESTRICTED = (State.RESTRICTED, State.EXITED_RESTRICTED)


FROM: dict[Action, set[State | None]] = {
    Action.JOIN: {None, *State} - {*RESTRICTED},
    Action.RESTRICT: {*State} - {State.VOID, State.CLOSED, State.EXITED_RESTRICTED},
    Action.UNRESTRICT: {*RESTRICTED},
    Action.ERASE: {*State},
    Action.HOLD: {*State},
    Action.RELEASE: set(),
}
"""The states in which an act does something; an exit does in all of them."""


@pytest.mark.parametrize("state", [None, *State])
@pytest.mark.parametrize("action", list(Action))
def test_what_becomes_of_an_act_in_each_state(action: Action, state: State | None) -> None:
    """A restriction or its end opens nothing that was left, no join ends a restriction, and nobody unknown is held."""
    event = msgspec.structs.replace(act(action, at=LATER), reference="CASE-1")
    does_something = state in FROM.get(action, {None, *State})
    result = result_of(event, None if state is None else standing(state), ())

    assert (Result.RECORDED if does_something else Result.WITHOUT_EFFECT) is result


@pytest.mark.parametrize("state", [None, *State])
@pytest.mark.parametrize("action", [Action.EXIT, Action.UNBIND, Action.CANCEL, Action.VOID])
def test_an_exit_that_depends_needs_something_to_end(action: Action, state: State | None) -> None:
    """So that a refusal by somebody who never joined leaves no trace; what asks more of a join is still recorded."""
    event = act(action, at=LATER, only_if_joined=True)
    ends = state is not None and (state not in LEFT or state_after(action, state) is not state)
    result = result_of(event, None if state is None else standing(state), ())

    assert (Result.RECORDED if ends else Result.WITHOUT_EFFECT) is result


@pytest.mark.parametrize("state", [None, *State])
@pytest.mark.parametrize("action", list(Action))
def test_an_act_that_was_seen_changes_nothing(action: Action, state: State | None) -> None:
    """Whatever it is and whatever holds."""
    event = act(action, at=LATER, event_ref=ref("act"))

    assert Result.REPEATED is result_of(event, None if state is None else standing(state), {ref("act")})
    assert Result.REPEATED is not result_of(event, None if state is None else standing(state), {ref("other")})


@pytest.mark.parametrize("state", [State.EXITED, State.VOID, State.CLOSED, State.OUTDATED])
@pytest.mark.parametrize(
    ("received", "said", "result"),
    [
        (LATER + SECOND, None, Result.RECORDED),
        (LATER + SECOND, LATER + SECOND, Result.RECORDED),
        (LATER + SECOND, LATER + HOUR, Result.RECORDED),
        (LATER + SECOND - 1, None, Result.STALE),
        (LATER + SECOND - 1, LATER + HOUR, Result.STALE),
        (LATER + HOUR, LATER + SECOND - 1, Result.STALE),
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
    """By a second, by receipt and by its own time; a clock that was never set is no newer time, not even at 1970 sharp.

    (K08, K18)
    """
    event = join(at=received, client_time=said)

    assert result is result_of(event, standing(state, at=LATER), ())


@pytest.mark.parametrize(("said", "result"), [(-1, Result.STALE), (0, Result.RECORDED)])
def test_a_replayed_join_is_newer_by_as_much_as_a_clock_may_be_ahead(said: int, result: Result) -> None:
    """Nobody knows when it came to the broker: five minutes and the second of a tie, to the millisecond (G7, K18)."""
    newest = LATER + SECOND + 300_000
    event = msgspec.structs.replace(join(at=LATER + HOUR, client_time=newest + said), replayed=True)

    assert result is result_of(event, standing(State.EXITED, at=LATER), ())


@pytest.mark.parametrize("before", [None, standing(State.JOINED, at=LATER)])
def test_a_join_where_no_gate_was_closed_is_never_stale(before: Standing | None) -> None:
    """There is nothing it could undo."""
    assert Result.RECORDED is result_of(join(at=START, client_time=0), before, ())


# What begins anew, and what only goes on


@pytest.mark.parametrize("action", sorted({*STATE_AFTER} - {Action.RESTRICT, Action.UNRESTRICT}))
@pytest.mark.parametrize("before", list(LEFT))
def test_of_two_ends_the_one_that_asks_more_of_a_join_stays(before: State, action: Action) -> None:
    """An exit after `void` must not make joining easier; unbinding after an exit makes it harder."""
    rank = {State.EXITED: 0, State.EXITED_RESTRICTED: 1, State.CLOSED: 2, State.VOID: 3}
    after = state_after(action, before)
    own = STATE_AFTER[action]

    assert (max(before, own, key=rank.__getitem__) if own in rank else own) is after
    assert entry(act(action, at=LATER + HOUR), standing(before)).state is after


@pytest.mark.parametrize(("before", "generation"), [(State.VOID, 2), (State.CLOSED, 2), (State.EXITED, 1), (None, 1)])
def test_a_generation_ends_with_what_ends_the_consent_itself(before: State | None, generation: int) -> None:
    """Unbound, cancelled or void: the next join is somebody else's, or somebody's first (K26)."""
    made = entry(join(at=LATER), None if before is None else standing(before))

    assert generation == made.generation == made.standing().generation
    assert LATER == made.effective_at


def test_generations_go_on_rising() -> None:
    """One at a time, at the join, and with nothing else."""
    holds, generations = None, []
    for number, action in enumerate([Action.JOIN, Action.UNBIND, Action.EXIT, Action.JOIN, Action.CANCEL, Action.JOIN]):
        holds = entry(act(action, at=START + number * HOUR), holds, Head(seq=number, hash="")).standing()
        generations.append(holds.generation)

    assert [1, 1, 1, 2, 2, 3] == generations


def test_a_join_goes_on_with_a_consent_that_holds_and_begins_anew_after_one_that_is_over() -> None:
    """What was measured between the end of the old consent and the new one was measured without (G7)."""
    policies = notice(later("v2", at=LATER))
    joins = msgspec.structs.replace(join(), policy_version="v2", policy_digest=digest_of("v2", "en"))
    times = (LATER - 1, LATER)
    made = [
        entry_of(
            msgspec.structs.replace(joins, received_at=at),
            standing(),
            Head(),
            region=Region.GERMANY,
            policies=policies,
        )
        for at in times
    ]

    assert [START, LATER] == [found.effective_at for found in made]
    assert ["v2", "v2"] == [found.policy_version for found in made]


def test_only_a_join_carries_what_was_shown() -> None:
    """In any other act it would be words of somebody's choice (F8)."""
    shown = {"policy_version": "v9", "policy_digest": "f" * 64, "language": "tlh", "adult_or_guardian": "adult"}
    for action in set(Action) - {Action.JOIN}:
        event = msgspec.structs.replace(act(action, at=LATER, storage_regions=("atlantis",)), **shown)
        made = entry(event, standing())

        assert ("2020-03-14", None, None, None) == tuple(getattr(made, name) for name in shown)
        assert ("germany", "hong_kong") == made.storage_regions


@pytest.mark.parametrize("missing", ["policy_version", "policy_digest", "language", "adult_or_guardian"])
def test_a_consent_is_attested_if_its_join_brought_everything(missing: str) -> None:
    """And stays so over a restriction and its end; a join by flag attests nothing."""
    whole, bare = entry(join()), entry(msgspec.structs.replace(join(), **{missing: None}))
    for made, attested in ((whole, True), (bare, False), (join_by_flag(record(), Head(), NOTICE), False)):
        held = entry(act(Action.RESTRICT, at=LATER), made.standing())
        ended = entry(act(Action.UNRESTRICT, at=LATER), held.standing())

        assert [attested] * 3 == [found.standing().attested for found in (made, held, ended)]
