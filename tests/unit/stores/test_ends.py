"""How far a move has come is noted in the target, and read again by whoever goes on."""

from hypothesis import given
from hypothesis import strategies as st

from collector.stores.ends import Page, Progress, Sums

OF_BEFORE = "9203c4020102 5 1f"
"""As a collector noted it that did not count what was left behind."""


def test_a_note_from_before_rows_were_left_behind_is_read() -> None:
    """And is written as it was, for going on takes the note that stands there to be its own."""
    found = Progress.noted(OF_BEFORE)

    assert Progress((3, b"\x01\x02"), Sums(5, 31), 0) == found
    assert OF_BEFORE == found.text()


@given(st.tuples(st.integers(0, 2**62), st.binary(max_size=16)), st.integers(0), st.integers(0), st.integers(0))
def test_how_far_it_was_is_read_as_it_was_noted(after: tuple[int, bytes], number: int, digest: int, left: int) -> None:
    """Whatever it is."""
    progress = Progress(after, Sums(number, digest), left)

    assert progress == Progress.noted(progress.text())


def test_what_is_left_behind_counts_as_read_and_not_as_written() -> None:
    """So that what is in the source can be compared with the one, and what is in the target with the other."""
    before, rows = Progress((1,), Sums().with_([(0,)]), 1), [(1,), (2,), (3,)]
    now = before.on(Page([*rows], (4,)), rows[:2])

    assert Progress((4,), Sums().with_([(0,), *rows[:2]]), 2) == now
    assert (2, 5) == (before.rows, now.rows)
