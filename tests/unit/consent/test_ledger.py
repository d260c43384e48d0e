"""The ledger's entries, their chain, and what becomes of an act."""

from hashlib import sha256

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import LATER, LEFT, entry, first_fault, standing
from records import HOUR, SECOND, START, act, join, leave, ref

from collector.consent.acts import STATE_AFTER, state_after
from collector.consent.ledger import GENESIS, Head, LedgerEntry, Result, result_of
from collector.consent.standing import Standing, State
from collector.model import Action

# Hashes


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


def test_a_chain_begins_at_nothing() -> None:
    """An entry that claims a predecessor which is not there is a fault."""
    first = entry(leave())

    assert GENESIS == first.prev_hash
    assert first_fault([]) is None
    assert first_fault([first]) is None
    assert 1 == first_fault([first], before=Head(seq=0, hash="f" * 64))
    assert 2 == first_fault([entry(leave(), None, Head(seq=1, hash=first.hash))])


# What becomes of an act

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


def test_every_act_leads_somewhere() -> None:
    """An act without a state leaves the gate as it is: an erasure, and a hold and its end, which lie over it."""
    assert {Action.ERASE, Action.HOLD, Action.RELEASE} == set(Action) - set(STATE_AFTER)
    assert {Action.JOIN, Action.UNRESTRICT} == {a for a, state in STATE_AFTER.items() if state is State.JOINED}
