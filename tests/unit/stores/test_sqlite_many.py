"""Many rows a statement."""

import sqlite3

import pytest

from collector.stores.sqlite_many import write


@pytest.fixture
def table() -> sqlite3.Connection:
    """A table of numbers, each of which it has once."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE pair (number INTEGER UNIQUE, text TEXT)")
    return connection


@pytest.mark.parametrize("count", [0, 1, 2, 3, 127, 512, 513, 4000])
def test_all_rows_are_written_in_their_order(table: sqlite3.Connection, count: int) -> None:
    """However many there are."""
    rows = [(number, f"text {number}") for number in range(count)]

    assert count == write(table, "INSERT INTO pair VALUES {}", rows)
    assert rows == table.execute("SELECT * FROM pair ORDER BY rowid").fetchall()


def test_what_rows_have_in_common_is_bound_once(table: sqlite3.Connection) -> None:
    """And is in each of them, whatever the number of rows of a statement."""
    numbers = [(number,) for number in range(1000)]
    write(table, "INSERT INTO pair (text, number) VALUES {}", numbers, form="(?1,?)", common=("the same",))

    assert [(number, "the same") for (number,) in numbers] == table.execute("SELECT * FROM pair").fetchall()


def test_what_changed_nothing_is_not_counted(table: sqlite3.Connection) -> None:
    """A duplicate that is ignored, for one."""
    write(table, "INSERT INTO pair VALUES {}", [(number, "before") for number in range(0, 1000, 2)])

    assert 500 == write(table, "INSERT INTO pair VALUES {} ON CONFLICT DO NOTHING", [(n, "after") for n in range(1000)])


def test_thousands_of_rows_take_few_statements(table: sqlite3.Connection) -> None:
    """Each is a moment in which another thread may take the interpreter."""
    said = list[str]()
    table.set_trace_callback(said.append)
    write(table, "INSERT INTO pair VALUES {}", [(number, "") for number in range(4000)])

    assert len(said) <= 16
