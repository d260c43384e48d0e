"""`kill -9` of a process that holds a store with records in ClickHouse: nothing is lost, stored twice or kept.

The engine is in the killed process itself (chdb), so that it dies with it, as server and collector of one machine do.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from engines import let_go, needs_clickhouse
from postgresql import DATABASES
from records import record

pytestmark = needs_clickhouse
TESTS: Final = Path(__file__).parents[1]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder for the engine, which stands for a ledger as well."""
    yield tmp_path
    let_go(tmp_path)


@contextmanager
def process(place: Path, where: str, number: int) -> Iterator[Iterator[str]]:
    """What a process says that stops there; killed at the end of the block, however far it is."""
    ledger = DATABASES.settings(place / "ledger").model_dump_json()
    words = [sys.executable, str(TESTS / "killed.py"), str(place / "engine"), ledger, where, str(number)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as running:
        assert running.stdout is not None
        try:
            yield (line.strip() for line in running.stdout)
        finally:
            running.kill()


def said_until(place: Path, where: str, first: int, *, said: str | None = None, numbers: int = 0) -> list[int]:
    """Let a process store from a number on, and kill it once it said a word or so many numbers; the numbers."""
    found: list[int] = []
    with process(place, where, first) as lines:
        for line in lines:
            if line == said:
                return found
            found.append(int(line))
            if len(found) == numbers:
                return found
    pytest.fail(f"it ended by itself, after {found}")


def looked_at(place: Path, last: int) -> dict[str, Any]:
    """What the next process finds, and what comes of delivering everything up to a number again."""
    with process(place, "look", last) as lines:
        found: dict[str, Any] = json.loads(next(lines))
    return found


def ids(last: int, *names: str) -> list[str]:
    """The ids of all records up to a number."""
    return sorted(record(name, number).record_id.hex() for number in range(last + 1) for name in names)


def test_what_was_stored_is_there_and_there_once_wherever_it_was_killed(place: Path) -> None:
    """Three times in a row, each at some moment after a commit; what was not answered is delivered again."""
    stored = -1
    for _ in range(3):
        stored = said_until(place, "anywhere", stored + 1, numbers=4)[-1]
    found = looked_at(place, stored + 1)

    for name in ("a", "b"):
        assert set(range(stored + 1)) <= set(found["found"][name])
    assert ids(stored + 1, "a", "b") == found["rows"]
    assert {"duplicate": 2 * (stored + 2) - found["stored"]} == found["dropped"]


@pytest.mark.parametrize(("where", "new"), [("insert", 2), ("inserted", 0)])
def test_killed_around_an_insert_what_is_delivered_again_is_stored_once(place: Path, where: str, new: int) -> None:
    """Before it, nothing of the batch is there; after it, all of it, though nobody was told."""
    stored = said_until(place, where, 0, said=where)
    found = looked_at(place, stored[-1] + 1)

    assert [0, 1] == stored
    assert (new, 6 - new) == (found["stored"], found["dropped"].get("duplicate"))
    assert ids(2, "a", "b") == found["rows"]


def test_killed_between_an_exit_and_its_purge_the_next_process_makes_it(place: Path) -> None:
    """Nobody is told of the rows meanwhile; what is delivered again stays out."""
    stored = said_until(place, "erase", 0, said="erase")
    found = looked_at(place, stored[-1])

    assert ([], stored) == (found["found"]["a"], found["found"]["b"])
    assert (0, ids(stored[-1], "b")) == (found["stored"], found["rows"])
    assert found["purging"] is not None  # a write that was under way may come yet: it is looked for again
