"""The states, and what is remembered of the closed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from records import START, router

from collector.consent.standing import ClosedRouters, Standing, State, states_of
from collector.model import DropReason


def ref(name: str) -> bytes:
    """A router's pseudonym."""
    return router(name).device_ref


def knows(closed: ClosedRouters, name: str) -> bool:
    """Whether a router is remembered."""
    return closed.get(ref(name)) is not None


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.EXITED, DropReason.WITHDRAWN),
        (State.CLOSED, DropReason.WITHDRAWN),
        (State.RESTRICTED, DropReason.RESTRICTED),
        (State.EXITED_RESTRICTED, DropReason.WITHDRAWN),
        (State.VOID, DropReason.VOID),
        (State.OUTDATED, DropReason.POLICY_OUTDATED),
    ],
)
def test_every_closed_state_has_its_reason(state: State, reason: DropReason) -> None:
    """Operators see why, not only that."""
    assert reason is state.refusal


def test_a_closed_router_is_remembered_until_it_joins() -> None:
    """With what closed it."""
    closed = ClosedRouters()
    closed.learn({ref("a"): State.EXITED, ref("b"): State.VOID})
    before = (knows(closed, "a"), knows(closed, "b"), knows(closed, "c"))
    closed.learn({ref("a"): State.JOINED})

    assert (True, True, False) == before
    assert (False, True) == (knows(closed, "a"), knows(closed, "b"))
    assert State.VOID is closed.get(ref("b"))


def test_of_several_standings_the_last_counts() -> None:
    """In the order of the ledger."""
    joined = Standing(ref("a"), "k", State.JOINED, 2, "c", 1, START, "2020-03-14", ("germany",))
    exited = replace(joined, state=State.EXITED)

    assert {ref("a"): State.JOINED} == states_of([exited, joined])
    assert {ref("a"): State.EXITED} == states_of([joined, exited])


def test_while_a_join_waits_what_is_remembered_refuses_nothing() -> None:
    """Of several until the last of them is settled; then the router is as closed as the ledger left it."""
    closed = ClosedRouters()
    closed.learn({ref("a"): State.EXITED, ref("b"): State.EXITED})
    found = []
    for settle in (closed.join_waits, closed.join_waits, closed.join_settled, closed.join_settled):
        settle(ref("a"))
        found.append(knows(closed, "a"))

    assert [False, False, False, True] == found
    assert knows(closed, "b")


def test_beyond_its_bound_the_oldest_are_forgotten() -> None:
    """Memory stays bounded; the ledger still refuses them at the commit (K15)."""
    closed = ClosedRouters(most=3)
    closed.learn({ref(name): State.EXITED for name in "abc"})
    closed.learn({ref("a"): State.VOID, ref("d"): State.EXITED})

    assert [True, False, True, True] == [knows(closed, name) for name in "abcd"]


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(State)), max_size=40), st.integers(1, 5))
def test_it_never_remembers_more_than_it_may_nor_anybody_who_joined(learnt: list[tuple[str, State]], most: int) -> None:
    """Forgetting is safe, remembering wrongly is not."""
    closed = ClosedRouters(most=most)
    for name, state in learnt:
        closed.learn({ref(name): state})
        assert len(closed._closed) <= most
    for name, state in dict(learnt).items():
        found = closed.get(ref(name))
        assert found is None or (found is state and state is not State.JOINED)
