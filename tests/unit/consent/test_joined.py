"""The routers known as joined: what the ledger said, no more and no less."""

from hypothesis import given
from hypothesis import strategies as st

from collector.consent.joined import JoinedRouters
from collector.consent.standing import State
from collector.model import Identity

REFS = st.sampled_from([bytes([0, 0]) + bytes([n]) * 14 for n in range(6)]) | st.binary(min_size=16, max_size=16)


@given(st.lists(st.tuples(REFS, st.sampled_from(State))))
def test_it_holds_those_whose_last_entry_is_a_join(said: list[tuple[bytes, State]]) -> None:
    """However often they joined and left, and however alike their pseudonyms are."""
    joined, last = JoinedRouters(), dict[bytes, State]()
    for ref, state in said:
        joined.learn({ref: state})
        last[ref] = state

    expected = {ref for ref, state in last.items() if state is State.JOINED}
    assert expected == {ref for ref in last if ref in joined}
    assert len(expected) == len(joined)


def test_what_lies_across_two_pseudonyms_is_neither() -> None:
    """They lie side by side in one row of bytes."""
    joined = JoinedRouters()
    first, second = bytes(16), bytes(12) + b"abcd"
    joined.add([first, second])
    joined.add([bytes(15) + b"z"])

    assert bytes(8) + bytes(8) in joined
    assert (first + second)[4:20] in joined  # sixteen zeros: the first one itself
    assert (first + second)[15:31] not in joined
    assert (second + bytes(15) + b"z")[8:24] not in joined


def test_a_router_is_known_by_its_older_pseudonyms() -> None:
    """The key may have been rotated since it joined (D12)."""
    joined = JoinedRouters()
    joined.add([b"o" * 16])

    assert joined.knows(Identity(b"o" * 16, "k"))
    assert joined.knows(Identity(b"n" * 16, "k", (b"x" * 16, b"o" * 16)))
    assert not joined.knows(Identity(b"n" * 16, "k", (b"x" * 16,)))


def test_beyond_its_bound_it_knows_that_it_does_not_know_all() -> None:
    """What is forgotten is unknown, and unknown is a no."""
    joined = JoinedRouters(most=2)
    joined.is_complete = True
    joined.add([b"a" * 16, b"b" * 16, b"a" * 16])
    full = joined.is_complete
    joined.add([b"c" * 16])

    assert full
    assert not joined.is_complete
    assert b"c" * 16 not in joined
    assert 2 == len(joined)


def test_cleared_it_knows_nobody_and_has_room_again() -> None:
    """Another ledger's routers are not this one's."""
    joined = JoinedRouters(most=2)
    joined.add([b"a" * 16, b"b" * 16])
    joined.is_complete = True
    joined.clear()
    empty = (len(joined), joined.is_complete, joined.is_full, b"a" * 16 in joined)
    joined.add([b"c" * 16, b"d" * 16])

    assert (0, False, False, False) == empty
    assert (2, True) == (len(joined), joined.is_full)
