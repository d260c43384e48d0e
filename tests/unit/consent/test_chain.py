"""The walk along a ledger: what is wrong with an entry, whoever wrote it."""

from collections.abc import Callable

import msgspec
import pytest
from notices import notice
from records import HOUR, START, join, leave, ref

from collector.consent.chain import Chain, Row, followed
from collector.consent.entries import entry_of
from collector.consent.ledger import Head, LedgerEntry
from collector.model import Region

NOTICE = notice()


def ledger() -> list[LedgerEntry]:
    """Three entries of three routers, each with the hash of the one before."""
    made: list[LedgerEntry] = []
    for name, act in (("a", join), ("b", leave), ("c", join)):
        head = Head(seq=made[-1].seq, hash=made[-1].hash) if made else Head()
        event = act(name, at=START, event_ref=ref(name))
        made.append(entry_of(event, None, head, region=Region.GERMANY, policies=NOTICE))
    return made


def text_of(entry: LedgerEntry) -> str:
    """An entry as it is written."""
    return msgspec.json.encode(entry).decode()


def resealed(entry: LedgerEntry, **changes: object) -> LedgerEntry:
    """An entry with these changes, and a hash that fits them."""
    changed = msgspec.structs.replace(entry, **changes)
    return msgspec.structs.replace(changed, hash=changed.computed_hash())


def faults(*rows: Row) -> list[str | None]:
    """What is wrong with each row."""
    chain = Chain()
    return [chain.follow(row)[1] for row in rows]


def test_a_ledger_that_nobody_touched_is_in_order() -> None:
    """And is what was written."""
    made = ledger()
    texts = [text_of(entry) for entry in made]

    assert [None, None, None] == faults(*map(Row.of, texts))
    assert made == followed(Head(), texts)


@pytest.mark.parametrize("changed", [0, 1])
def test_an_entry_that_was_written_anew_is_found_by_the_one_after_it(changed: int) -> None:
    """Though its own hash is made to fit: the next one holds the hash of what stood there (D2)."""
    made = ledger()
    made[changed] = resealed(made[changed], effective_at=START - HOUR)
    found = faults(*(Row.of(text_of(entry)) for entry in made))

    assert "does not hold the hash of the one before it" == found.pop(changed + 1)
    assert [None, None] == found


@pytest.mark.parametrize(
    ("spoilt", "fault"),
    [
        (lambda row: row._replace(text=row.text.replace(b":", b": ", 1)), "is not written as a collector writes"),
        (lambda row: row._replace(text=row.text.replace(b"exit", b"void", 1)), "is not what its hash is of"),
        (lambda row: row._replace(seq=3), "is filed under another number or hash"),
        (lambda row: row._replace(hash="0" * 64), "is filed under another number or hash"),
        (lambda row: row._replace(device_ref=ref("c")), "is filed under another router or act"),
        (lambda row: row._replace(event_ref=None), "is filed under another router or act"),
        (lambda row: row._replace(text=b"{}"), "is no entry that a collector wrote"),
        (lambda row: row._replace(text=b"\xff"), "is no entry that a collector wrote"),
    ],
)
def test_a_fault_is_told_of_the_entry_that_has_it(spoilt: Callable[[Row], Row], fault: str) -> None:
    """Bytes, not what a program reads in them; the columns beside the text have to say the same."""
    first, second, _ = (Row.of(text_of(entry)) for entry in ledger())

    assert [None, fault] == faults(first, spoilt(second))


def test_an_entry_that_is_missing_is_found_by_the_one_after_it() -> None:
    """By its number; one that cannot be read still has a number, and no hash that the next one could hold."""
    first, second, third = (Row.of(text_of(entry)) for entry in ledger())
    gone, unread = faults(first, third), faults(first, second._replace(text=b""), third)

    assert [None, "does not follow: the one before it is 1"] == gone
    assert [None, "is no entry that a collector wrote", "does not hold the hash of the one before it"] == unread


@pytest.mark.parametrize("broken", ["", "{}", "not JSON"])
def test_what_does_not_follow_is_not_taken_for_a_ledger(broken: str) -> None:
    """A copy with an entry left out, or one that cannot be read, restores nothing."""
    first, second, third = (text_of(entry) for entry in ledger())

    with pytest.raises(ValueError, match="entry 1 does not follow: the one before it is 1"):
        followed(Head(), [first, third])
    with pytest.raises(ValueError, match="entry 1 is no entry that a collector wrote"):
        followed(Head(), [first, broken, third])
    with pytest.raises(ValueError, match="entry 0 does not follow: the one before it is 0"):
        followed(Head(), [second])
