"""What a move says when it cannot go on: with which table, at which end, and why.

Rule 1: a sentence names the store, what was found there, what was expected, and what to do.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from collector.errors import Cause, StoreUnavailable, StoreUnusable
from collector.stores.ends import End, Progress, Sums, Table
from collector.stores.rows import Damaged
from collector.stores.staying import GONE, IN, Mark


def other_move(source: End, mark: Mark) -> tuple[str, Cause]:
    """Why the store at *source* does not move, by the *mark* that it carries; the arguments of `StoreUnusable`."""
    if mark.way == GONE:
        return f"{source.place}: was moved to another store already. {Cause.MOVED.advice}", Cause.MOVED
    if mark.way == IN:
        return f"{source.place}: what is moved into it is not complete. {Cause.UNFINISHED.advice}", Cause.UNFINISHED
    found = f"{source.place}: is being moved to another store than the one of --to"
    return f"{found}. Run ueip store migrate with that one, or give that move up with --give-up", Cause.MOVING


def not_the_same(target: End, table: Table, copied: Progress, number: int, found: Sums) -> StoreUnusable:
    """Of a table, *copied* is what was read, *number* how many rows the source has, *found* what was read back."""
    left = f" and {copied.left} of them left behind" if copied.left else ""
    return StoreUnusable(
        f"{target.place}: of the {table} {copied.rows} were read{left}, {number} are in the source and "
        f"{found.number} here, with {'the same' if found.digest == copied.sums.digest else 'another'} digest. "
        f"Give the move up, make the target anew, and begin again",
        Cause.CORRUPT,
    )


@asynccontextmanager
async def at_end(which: str) -> AsyncIterator[None]:
    """Say at which end something went wrong."""
    try:
        yield
    except StoreUnavailable as error:
        kind = StoreUnusable if isinstance(error, StoreUnusable) else StoreUnavailable
        raise kind(f"{which}: {error}", error.cause) from error
    except Damaged as error:
        raise StoreUnusable(f"{which}: {error}", Cause.CORRUPT) from error
