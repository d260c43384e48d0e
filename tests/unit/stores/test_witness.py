"""The file that vouches for a ledger: what it holds survives any crash, and nothing else gets in."""

import asyncio
import stat
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import HOUR, START, leave, record

from collector.consent.ledger import Head, LedgerEntry
from collector.model import Region
from collector.stores.links import end_of
from collector.stores.memory import MemoryStore
from collector.stores.plan import ConsentRules
from collector.stores.witness import _WINDOW, Kept, Witness, WitnessFault

HERE = Region.GERMANY
LATER = START + HOUR


def ledger_of(*names: str) -> list[str]:
    """The entries of a ledger in which these join and leave, as they are written."""

    async def written() -> list[str]:
        store = MemoryStore(HERE, ConsentRules())
        for number, name in enumerate(names):
            await store.commit([record(name, 1, at=START + number), leave(name, at=LATER + number)])
        return await store.entries(limit=100_000)

    return asyncio.run(written())


TEXTS = ledger_of("a", "b", "c", "d", "e")


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    """An empty one."""
    made = Witness(tmp_path / "keys" / "germany.witness", HERE)
    made.make()
    return made


def whole(witness: Witness) -> bytes:
    """The bytes of the file."""
    return witness.path.read_bytes()


def test_there_is_none_before_it_is_made(tmp_path: Path) -> None:
    """Which is not the same as an empty one."""
    assert Witness(tmp_path / "germany.witness", HERE).read() is None


def test_it_is_made_once_for_its_owner_only(witness: Witness) -> None:
    """A second process that makes it finds it made, with what is in it."""
    empty = witness.read()
    witness.append(TEXTS)
    witness.make()

    assert Kept(after=Head(), head=Head()) == empty
    assert Kept(after=Head(), head=end_of(TEXTS[-1])) == witness.read()
    assert 0o600 == stat.S_IMODE(witness.path.stat().st_mode)
    assert 0o700 == stat.S_IMODE(witness.path.parent.stat().st_mode)
    assert [witness.path] == list(witness.path.parent.iterdir())


def test_entries_are_kept_word_for_word(witness: Witness) -> None:
    """In order, and from any number on."""
    witness.append(TEXTS[:4])
    head = witness.append(TEXTS[4:])

    assert end_of(TEXTS[-1]) == head
    assert TEXTS == list(witness.entries())
    assert TEXTS[7:] == list(witness.entries(7))
    assert witness.breaks_off() is None


def test_what_it_holds_is_not_added_again(witness: Witness) -> None:
    """Two collectors on one store bring the same."""
    witness.append(TEXTS[:6])
    witness.append(TEXTS[2:8])
    witness.append(TEXTS[:3])

    assert TEXTS[:8] == list(witness.entries())


@pytest.mark.parametrize("wrong", [TEXTS[4:5], ledger_of("x", "y")[3:4], ledger_of("a", "z")[2:4]])
def test_what_does_not_follow_is_refused(witness: Witness, wrong: list[str]) -> None:
    """A gap, or the entry of another ledger."""
    witness.append(TEXTS[:3])
    before = whole(witness)
    with pytest.raises(WitnessFault, match=r"does not follow entry|differs from its last"):
        witness.append(wrong)

    assert before == whole(witness)


def test_its_end_is_found_however_long_it_is(witness: Witness) -> None:
    """Without reading it all."""
    texts = ledger_of(*(f"r{n}" for n in range(100)))
    witness.append(texts)

    assert len(whole(witness)) > 2 * _WINDOW
    assert Kept(after=Head(), head=end_of(texts[-1])) == witness.read()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_crash_at_any_byte_loses_only_what_was_being_written(data: st.DataObject) -> None:
    """Cut off, overwritten with zeros or with rubbish from there on: what was whole stays, the rest is added again."""
    with TemporaryDirectory() as folder:
        witness = Witness(Path(folder) / "germany.witness", HERE)
        witness.make()
        first = len(whole(witness))
        witness.append(TEXTS)
        complete = whole(witness)
        cut = data.draw(st.integers(first, len(complete)))
        rest = data.draw(st.sampled_from([b"", b"\0" * 700, b"\0\n" * 300, b"\xff\n\x80" * 99, b'{"seq":99}\n']))
        witness.path.write_bytes(complete[:cut] + rest)
        kept = witness.read()
        entries = list(witness.entries())
        head = witness.append(TEXTS)

        assert kept is not None
        assert TEXTS[: kept.head.seq] == entries
        assert kept.head.seq == complete[first:cut].count(b"\n")
        assert end_of(TEXTS[-1]) == head
        assert complete == whole(witness)


@pytest.mark.parametrize("line", range(1, 10))
def test_an_entry_that_was_changed_breaks_it_off(witness: Witness, line: int) -> None:
    """There: what follows proves nothing any more."""
    witness.append(TEXTS)
    lines = whole(witness).splitlines(keepends=True)
    lines[line] = lines[line].replace(b'"generation":1', b'"generation":2')
    witness.path.write_bytes(b"".join(lines))

    assert line - 1 == witness.breaks_off()
    assert TEXTS[: line - 1] == list(witness.entries())


def test_what_is_older_than_backups_is_left_out(witness: Witness) -> None:
    """The rest still proves itself, from the head it begins after."""
    witness.append(TEXTS)
    times = [msgspec.json.decode(text, type=LedgerEntry).received_at for text in TEXTS]
    oldest = witness.oldest()
    witness.forget(times[3] + 1)
    first_left = next(n for n, when in enumerate(times) if when > times[3])
    kept = witness.read()
    left = list(witness.entries())

    assert START == oldest
    assert Kept(after=end_of(TEXTS[first_left - 1]), head=end_of(TEXTS[-1])) == kept
    assert TEXTS[first_left:] == left
    assert witness.breaks_off() is None


def test_when_everything_is_old_the_head_is_left(witness: Witness) -> None:
    """And what comes next follows it."""
    witness.append(TEXTS[:-1])
    witness.forget(LATER + HOUR)
    kept = witness.read()
    witness.append(TEXTS)

    assert Kept(after=end_of(TEXTS[-2]), head=end_of(TEXTS[-2])) == kept
    assert witness.oldest() is not None
    assert TEXTS[-1:] == list(witness.entries())


def test_beginning_anew_keeps_the_old_one_and_the_reason(witness: Witness) -> None:
    """Somebody answers for it."""
    witness.append(TEXTS)
    before = whole(witness)
    old = witness.begin_anew("the disk was lost and so was the backup")

    assert old is not None
    assert before == old.read_bytes()
    assert Kept(after=Head(), head=Head()) == witness.read()
    assert b"the disk was lost" in whole(witness)
    assert witness.path.parent == old.parent


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"To whom it may concern\n", b'{"witness":2,"region":"germany","seq":0,"hash":"0"}\n', b"\xff\n"],
)
def test_what_is_no_witness_is_not_taken_for_one(witness: Witness, content: bytes) -> None:
    """Nor is it written to."""
    witness.path.write_bytes(content)
    for ask in (witness.read, witness.breaks_off, lambda: witness.append(TEXTS)):
        with pytest.raises(WitnessFault):
            ask()

    assert content == whole(witness)


def test_the_witness_of_another_region_is_refused(witness: Witness) -> None:
    """Two regions never share anything."""
    with pytest.raises(WitnessFault, match="found a witness of germany, expected one of china"):
        Witness(witness.path, Region.CHINA).read()


def test_processes_may_add_to_it_at_once(witness: Witness) -> None:
    """Each adds what is not there yet, also while it is written anew; the chain has no gap and no fork."""
    texts = ledger_of(*(f"r{n}" for n in range(60)))
    failed: list[BaseException] = []

    def add(step: int) -> None:
        try:
            mine = Witness(witness.path, HERE)
            for end in range(step, len(texts) + step, step):
                mine.append(texts[:end])
                if end % 3 == 0:
                    mine.forget(START + end // 20)
        except BaseException as error:  # noqa: BLE001 - told in the thread of the test
            failed.append(error)

    threads = [threading.Thread(target=add, args=(step,)) for step in (3, 5, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    kept = witness.read()

    assert [] == failed
    assert kept is not None
    assert end_of(texts[-1]) == kept.head
    assert texts[kept.after.seq :] == list(witness.entries())
    assert witness.breaks_off() is None
