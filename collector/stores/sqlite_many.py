"""Many rows in one statement.

For each row that `executemany` hands to a statement, and each that a statement returns, Python's `sqlite3` releases the
interpreter's lock; beside a busy thread, it gets the lock back only after `sys.getswitchinterval()`: five milliseconds.
So four thousand joins took two seconds instead of a tenth of one.

Where many rows bind bytes, they are given as `bytearray`, not as `bytes`, and None is avoided if possible: for both, as
for everything but numbers, texts and `bytearray`, Python's `sqlite3` first looks for an adapter, and CPython 3.11
creates an exception on the way and throws it away. That takes several times as long as binding the value.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final, TypeVar

T = TypeVar("T")

_SIZES: Final = (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
"""How many rows one statement takes; what is to be written is cut into pieces of these sizes.

There is none of 2048: a connection remembers its statements, and one of that size takes some three megabytes.
"""


def write(
    connection: sqlite3.Connection,
    statement: str,
    items: Sequence[T],
    row: Callable[[T], Sequence[Any]] = tuple,  # type: ignore[assignment]  # items that are rows
    form: str = "",
    common: tuple[Any, ...] = (),
) -> int:
    """Run *statement*, in which {} stands for rows of VALUES, with the *row* of each item; returns the rows changed.

    Rows are made as they are written, so that only few are in memory at a time. *form* is what one row looks like in
    the statement, if that is more than a mark for each value; *common* values are bound once, ahead of all rows, which
    name them by number.
    """
    changed = position = 0
    for size in _SIZES:
        while len(items) - position >= size:
            values = (*common, *chain.from_iterable(map(row, items[position : position + size])))
            one = form or f"({','.join('?' * (len(values) // size))})"
            changed += connection.execute(_filled(statement, one, size), values).rowcount
            position += size
    return changed


@cache
def _filled(statement: str, row: str, size: int) -> str:
    return statement.format(",".join([row] * size))
