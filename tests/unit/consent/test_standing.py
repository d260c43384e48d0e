"""The states, and what is remembered of the closed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import START, router

from collector.consent.standing import ClosedRouters, Standing, State
from collector.model import DropReason


def standing(name: str, state: State = State.EXITED, seq: int = 1) -> Standing:
    """What the ledger says of a router."""
    return Standing(
        device_ref=router(name).device_ref,
        key_id="key-1",
        state=state,
        seq=seq,
        consent_id="c" * 32,
        generation=1,
        effective_at=START,
        policy_version="2020-03-14",
        storage_regions=("germany",),
    )


def knows(closed: ClosedRouters, name: str) -> bool:
    """Whether a router is remembered."""
    return closed.get(router(name).device_ref) is not None


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
    closed.learn([standing("a"), standing("b", State.VOID)])
    before = (knows(closed, "a"), knows(closed, "b"), knows(closed, "c"))
    closed.learn([standing("a", State.JOINED, seq=2)])

    assert (True, True, False) == before
    assert (False, True) == (knows(closed, "a"), knows(closed, "b"))
    assert standing("b", State.VOID) == closed.get(router("b").device_ref)


def test_of_several_the_last_counts() -> None:
    """In the order of the ledger."""
    closed = ClosedRouters()
    closed.learn([standing("a"), standing("a", State.JOINED), standing("b", State.JOINED), standing("b")])

    assert (False, True) == (knows(closed, "a"), knows(closed, "b"))


def test_while_a_join_waits_what_is_remembered_refuses_nothing() -> None:
    """Of several until the last of them is settled; then the router is as closed as the ledger left it."""
    closed = ClosedRouters()
    closed.learn([standing("a"), standing("b")])
    found = []
    for settle in (closed.join_waits, closed.join_waits, closed.join_settled, closed.join_settled):
        settle(router("a").device_ref)
        found.append(knows(closed, "a"))

    assert [False, False, False, True] == found
    assert knows(closed, "b")


def test_beyond_its_bound_the_oldest_are_forgotten() -> None:
    """Memory stays bounded; the ledger still refuses them at the commit (K15)."""
    closed = ClosedRouters(most=3)
    closed.learn(standing(name) for name in "abc")
    closed.learn([standing("a", seq=2), standing("d")])

    assert [True, False, True, True] == [knows(closed, name) for name in "abcd"]


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(State)), max_size=40), st.integers(1, 5))
def test_it_never_remembers_more_than_it_may_nor_anybody_who_joined(learnt: list[tuple[str, State]], most: int) -> None:
    """Forgetting is safe, remembering wrongly is not."""
    closed = ClosedRouters(most=most)
    for name, state in learnt:
        closed.learn([standing(name, state)])
        assert len(closed._closed) <= most
    for name, state in dict(learnt).items():
        found = closed.get(router(name).device_ref)
        assert found is None or (found.state is state and state is not State.JOINED)
