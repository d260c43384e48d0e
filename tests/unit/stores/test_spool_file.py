"""The file of a spool: what was taken is on the disk, what was purged is not, and damage needs nobody."""

import errno
import os
import resource
import shutil
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from records import START, act, join, leave, number_of, record, ref, router

from collector.consent.acts import EVERYTHING
from collector.errors import Cause, SpoolUnavailable
from collector.model import Action, ConsentEvent, DropReason, Entry, Record, Region
from collector.pseudonym import Key
from collector.stores import spool_file
from collector.stores.sealing import Sealer
from collector.stores.spool_file import SpoolFile
from collector.stores.spool_rows import set_aside

KEY, NEWER = Key(b"k" * 32), Key(b"n" * 32)
HERE = Region.GERMANY
MARKER = b"V7.Marker-kwx_QZJ"
WITHDRAWN = DropReason.WITHDRAWN


def spool(folder: Path, *, keys: Sequence[Key] = (KEY,), most: int = 1 << 30, region: Region = HERE) -> SpoolFile:
    """A spool in *folder*, not opened yet."""
    return SpoolFile(folder, region, Sealer(keys, region), most)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the spool of the test is."""
    return tmp_path / "spool" / "germany"


@pytest.fixture
def file(folder: Path) -> SpoolFile:
    """A spool that is open."""
    made = spool(folder)
    made.open()
    return made


def marked(name: str = "a", number: int = 1) -> Record:
    """A record with the marker in it."""
    return record(name, number, body=b'{"router":{"software_version":"%b","uptime_seconds":%d}}' % (MARKER, number))


def numbers(file: SpoolFile, most: int = 100) -> list[int]:
    """The reports in the spool, oldest first; they are given back."""
    found = file.read(most)
    file.give_back([row for row, _ in found])
    return [number_of(kept) for _, kept in found]


def image(folder: Path) -> Path:
    """The files as a crash would leave them."""
    copy = folder.with_name(f"{folder.name}-{len(list(folder.parent.iterdir()))}")
    shutil.copytree(folder, copy)
    return copy


def raw(folder: Path) -> bytes:
    """Everything in the files."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


# What is taken


def test_what_was_taken_comes_back_as_it_was(file: SpoolFile) -> None:
    """All of a record and all of an act, in order."""
    records: list[Entry] = [marked("a", 1), marked("b", 2)]
    entries = [*records, join("c", event_ref=ref("e"), client_time=START, storage_regions=("x",))]
    rows = file.put(entries)
    file.close()

    assert [(rows[2], entries[2])] == file.open()
    assert list(zip(rows[:2], entries[:2], strict=True)) == file.read(10)


def test_it_is_on_the_disk_when_put_returns(folder: Path, file: SpoolFile) -> None:
    """A crash right after it loses nothing: acknowledged is on the disk (D20)."""
    file.put([marked(number=n) for n in range(5)])
    after = spool(image(folder))
    after.open()

    assert [0, 1, 2, 3, 4] == numbers(after)
    assert 5 == after.counts().records


def test_a_write_that_was_torn_leaves_what_was_before_it(folder: Path, file: SpoolFile) -> None:
    """Power may go in the middle of a write: it is as if it had not begun."""
    file.put([marked(number=1)])
    log = folder / "spool.sqlite-wal"
    whole = log.stat().st_size
    file.put([marked(number=n) for n in range(2, 60)])
    for cut in (whole + 1, whole + 40, log.stat().st_size - 1):
        copy = image(folder)
        with (copy / log.name).open("r+b") as torn:
            torn.truncate(cut)
        after = spool(copy)
        after.open()
        assert [1] == numbers(after)
        assert 0 == after.counts().damages


def test_files_are_for_nobody_else(folder: Path, file: SpoolFile) -> None:
    """Mode 0600, in a folder of mode 0700."""
    file.put([marked()])

    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)


def test_nothing_in_the_files_can_be_read_or_matched(folder: Path, file: SpoolFile) -> None:
    """Neither the content nor a pseudonym, so that nothing there can be put beside the store without the key (O79)."""
    file.put([marked("a", 1), join("b", event_ref=ref("event"))])
    file.close_gate(leave("c"), [router("c").device_ref], WITHDRAWN)
    found = raw(folder)
    kept = [MARKER, marked().record_id, router("a").device_ref, router("b").device_ref, router("c").device_ref]

    assert [] == [trace for trace in (*kept, ref("event"), b"serial", b"uptime") if trace in found]


def test_records_are_taken_while_there_is_room(folder: Path) -> None:
    """By bytes; the rest is refused, and fits once there is room again. Acts always find a place."""
    file = spool(folder, most=8000)
    file.open()
    taken = file.put([marked(number=n) for n in range(40)])
    acts = file.put([join("b")])
    full = file.counts()
    refused = file.put([marked("c", 99)])
    file.delete(taken[:5])

    assert 5 < len(taken) < 40
    assert 1 == len(acts)
    assert [] == refused
    assert len(taken) == full.records
    assert 7000 < full.size <= 8000
    assert 1 == len(file.put([marked("c", 99)]))


def test_it_says_how_long_the_oldest_has_waited(file: SpoolFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """By when it came to the spool."""
    for second in (1, 2):
        monkeypatch.setattr("time.time", lambda second=second: START / 1000 + second)
        file.put([marked(number=second)])
    oldest = [file.counts().oldest_at]
    for row, _ in file.read(2):
        file.delete([row])
        oldest.append(file.counts().oldest_at)

    assert [START + 1000, START + 2000, None] == oldest


def test_a_number_is_never_used_again(file: SpoolFile) -> None:
    """A row that was deleted may still be in somebody's hand."""
    rows = file.put([marked(number=n) for n in range(3)])
    file.delete(rows)

    assert min(file.put([marked()])) > max(rows)


# What leaves


def test_what_is_deleted_is_gone(folder: Path, file: SpoolFile) -> None:
    """In order, and for the next process too."""
    file.put([marked(number=n) for n in range(5)])
    file.delete([row for row, _ in file.read(3)])
    after = spool(image(folder))
    after.open()

    assert [3, 4] == numbers(file) == numbers(after)


def test_an_emptied_file_gives_its_room_back(folder: Path, file: SpoolFile) -> None:
    """And keeps no trace of what was sealed in it."""
    rows = file.put([marked(number=n) for n in range(2000)])
    before = len(raw(folder))
    file.delete(rows)

    assert before > 500_000
    assert len(raw(folder)) < 50_000
    assert (0, 0, None) == file.counts()[:3]


def test_a_purge_takes_the_records_of_a_router_and_leaves_the_others(folder: Path, file: SpoolFile) -> None:
    """Counted as dropped; not a sealed byte of them is left in file or log (K13)."""
    file.put([marked("a", 1), marked("b", 2), marked("a", 3), join("a")])
    with closing(sqlite3.connect(image(folder) / "spool.sqlite")) as copy:
        sealed = dict(copy.execute("SELECT id, sealed FROM entry").fetchall())
    file.purge([router("a").device_ref], DropReason.RESTRICTED)
    found = raw(folder)

    assert [2] == numbers(file)
    assert (1, {DropReason.RESTRICTED: 2}) == (file.counts().records, file.counts().dropped)
    assert [2, 4] == [row for row, bytes_ in sealed.items() if bytes_ in found]


def test_a_closing_act_and_its_purge_are_one(folder: Path, file: SpoolFile) -> None:
    """The act names what it took, so that no redelivery brings it back once the ledger has it (K09)."""
    file.put([marked("a", 1), marked("b", 2), marked("a", 3)])
    row, taken = file.close_gate(leave("a"), [router("a").device_ref], WITHDRAWN)
    after = spool(image(folder))
    [(found, kept)] = after.open()

    assert {marked("a", 1).record_id, marked("a", 3).record_id} == set(taken.spent)
    assert (row, taken) == (found, kept)
    assert [2] == numbers(after)
    assert {WITHDRAWN: 2} == file.counts().dropped


def test_what_was_spooled_under_an_older_key_is_purged_too(folder: Path, file: SpoolFile) -> None:
    """Keys rotate while records wait (D12)."""
    file.put([marked("a", 1)])
    file.close()
    rotated = spool(folder, keys=[NEWER, KEY])
    rotated.open()
    rotated.put([marked("b", 2)])
    rotated.purge([router("a").device_ref], WITHDRAWN)

    assert [2] == numbers(rotated)


def test_ids_can_be_asked_for(file: SpoolFile) -> None:
    """Those of a router's records."""
    file.put([marked("a", 1), marked("b", 2), join("a")])

    assert (marked("a", 1).record_id,) == file.ids_of([router("a").device_ref], EVERYTHING)


# In hand


def test_a_record_that_is_purged_in_hand_counts_once_its_commit_has_failed(file: SpoolFile) -> None:
    """Had it come about, the store would have counted it."""
    file.put([marked("a", 1), marked("b", 2)])
    rows = [row for row, _ in file.read(10)]
    file.purge([router("a").device_ref], WITHDRAWN)
    during = file.counts().dropped
    file.give_back(rows)

    assert {} == +during
    assert {WITHDRAWN: 1} == +file.counts().dropped
    assert [2] == numbers(file)


def test_a_record_that_is_purged_in_hand_and_stored_is_no_drop(file: SpoolFile) -> None:
    """The store has counted it, and the exit will erase it there."""
    file.put([marked("a", 1)])
    rows = [row for row, _ in file.read(10)]
    file.purge([router("a").device_ref], WITHDRAWN)
    file.delete(rows)

    assert {} == +file.counts().dropped
    assert 0 == file.counts().records


def test_what_is_put_in_hand_is_in_hand(file: SpoolFile) -> None:
    """Records of a commit that does not return are spooled while it may still come about."""
    rows = file.put([marked("a", 1)], in_hand=True)
    file.purge([router("a").device_ref], WITHDRAWN)
    during = +file.counts().dropped
    file.give_back(rows)

    assert ({}, {WITHDRAWN: 1}) == (during, +file.counts().dropped)


def test_what_could_not_be_deleted_is_deleted_before_anything_is_read(folder: Path, file: SpoolFile) -> None:
    """Or it would be sent to the store again for ever."""
    file.put([marked(number=n) for n in range(3)])
    rows = [row for row, _ in file.read(2)]
    with unwritable(file):
        with pytest.raises(SpoolUnavailable):
            file.delete(rows)
        with pytest.raises(SpoolUnavailable):
            file.read(10)

    assert [2] == numbers(file)
    assert 1 == file.counts().records


@contextmanager
def unwritable(file: SpoolFile) -> Iterator[None]:
    """SQLite refuses to write, as it does on a disk that is full or read-only."""
    file._file.db.execute("PRAGMA query_only = ON")
    yield
    file._file.db.execute("PRAGMA query_only = OFF")


def test_a_purge_that_is_late_leaves_what_came_since(file: SpoolFile) -> None:
    """The owner joined again meanwhile: what was acknowledged after that is not what the exit was for."""
    file.put([record("a", 1), record("b", 2)])
    with unwritable(file), pytest.raises(SpoolUnavailable):
        file.purge([router("a").device_ref], WITHDRAWN)
    file.put([record("a", 3)])

    assert [2, 3] == numbers(file)
    assert {WITHDRAWN: 1} == +file.counts().dropped


def test_what_could_not_be_done_is_done_in_its_order(file: SpoolFile) -> None:
    """A record that was taken back as too late is no drop: it waits elsewhere, and is counted there."""
    rows = file.put([record("a", 1)])
    with unwritable(file):
        with pytest.raises(SpoolUnavailable):
            file.delete(rows)
        with pytest.raises(SpoolUnavailable):
            file.purge([router("a").device_ref], WITHDRAWN)

    assert [] == numbers(file)
    assert {} == +file.counts().dropped


def test_an_act_that_could_not_be_forgotten_is_once_the_file_can_be_written(folder: Path, file: SpoolFile) -> None:
    """The ledger has decided on it; after a restart it would put out whoever has joined again since."""
    rows = file.put([leave("a")])
    with unwritable(file), pytest.raises(SpoolUnavailable):
        file.delete(rows)
    file.check()
    file.close()

    assert [] == spool(folder).open()


def test_a_disk_that_its_own_log_has_filled_is_written_again(folder: Path, file: SpoolFile) -> None:
    """Nothing else would cut it off: the log is copied to the file after what was written, and nothing could be."""
    for number in range(20):
        file.delete(file.put([marked("a", number), marked("b", number)])[:1])
    [log] = folder.glob("*-wal")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, limits[1]))
    try:
        with pytest.raises(SpoolUnavailable):
            file.close_gate(leave("a"), [router("a").device_ref], WITHDRAWN)
        file.check()
        file.close_gate(leave("a"), [router("a").device_ref], WITHDRAWN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert [*range(20)] == numbers(file)


def test_what_is_purged_late_is_not_left_in_the_log(folder: Path, file: SpoolFile) -> None:
    """As little as what is purged at once."""
    file.put([record("a", 1), record("b", 2)])
    with unwritable(file), pytest.raises(SpoolUnavailable):
        file.purge([router("a").device_ref], WITHDRAWN)
    file.check()

    assert [0] == [log.stat().st_size for log in folder.glob("*-wal")]


def test_a_write_that_fails_changes_no_count(file: SpoolFile) -> None:
    """What was not taken is not there."""
    file.put([marked("a", 1)])
    before = file.counts()
    with unwritable(file):
        for attempt in (
            lambda: file.put([marked("b", 2)]),
            lambda: file.close_gate(leave("a"), [router("a").device_ref], WITHDRAWN),
            file.check,
        ):
            with pytest.raises(SpoolUnavailable):
                attempt()

    assert before == file.counts()
    assert [1] == numbers(file)
    file.check()


# Whose it is


BEFORE_RECORD = {
    "record_id": b"i" * 16,
    "identity": {"device_ref": b"r" * 16, "key_id": "f2e7ec13", "older": [b"o" * 16]},
    "region": "germany",
    "event_time": START,
    "measured_at": START,
    "oldest": START,
    "received_at": START,
    "policy_version": "2020-03-14",
    "source_adapter": "report-v1",
    "body": b"{}",
    "stripped": [["unknown", 2]],
    "lookup": [["serial", b"s" * 16]],
    "older_ids": [b"j" * 16],
    "counters": [["usage.rx_bytes", "a", 5, 1e15, "sum"]],
    "parts": [["signal.rsrp_dbm", "b", -97, 0.0, "min"]],
    "interval": START,
}
"""A record as the first spools sealed it."""
BEFORE_ACT = {
    "action": "exit",
    "channel": "app",
    "identity": {"device_ref": b"r" * 16, "key_id": "f2e7ec13", "older": []},
    "received_at": START,
    "event_ref": b"e" * 16,
    "older_event_refs": [b"f" * 16],
    "replayed": True,
    "client_time": START,
    "policy_version": "2020-03-14",
    "policy_digest": "d",
    "language": "de",
    "storage_regions": ["germany"],
    "adult_or_guardian": "adult",
    "only_if_joined": True,
    "actor_auth": "operator",
    "spent": [b"i" * 16],
    "reason": "x",
    "reference": "y",
}


def test_what_an_earlier_version_spooled_is_read(
    folder: Path, file: SpoolFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it. Whether its time was the router's own nobody noted then: a redelivery may have another."""
    for document in (BEFORE_RECORD, BEFORE_ACT):
        monkeypatch.setattr(spool_file, "_encode", lambda _, document=document: msgspec.msgpack.encode(document))
        file.put([record() if document is BEFORE_RECORD else leave()])
    [(_, kept)] = file.read(10)
    file.close()
    [(_, said)] = spool(folder).open()

    told = [msgspec.msgpack.decode(msgspec.msgpack.encode(one)) for one in (kept, said)]
    assert [BEFORE_RECORD | {"floating": []}, BEFORE_ACT] == told


def test_it_is_for_one_process_at_a_time(folder: Path, file: SpoolFile) -> None:
    """Two would both send what waits; the second does without."""
    file.put([marked()])
    with pytest.raises(SpoolUnavailable) as refused:
        spool(folder).open()

    assert Cause.LOCKED is refused.value.cause
    assert [1] == numbers(file)


@pytest.mark.parametrize(
    ("spoil", "cause", "words"),
    [
        ("PRAGMA user_version = 99", Cause.NEWER_SCHEMA, "found schema version 99, expected at most 1"),
        ("UPDATE meta SET value = 'china'", Cause.WRONG_STORE, "found the spool of region china, expected germany"),
        ("PRAGMA application_id = 7", Cause.WRONG_STORE, "found another program's database"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_and_left_alone(
    folder: Path, file: SpoolFile, spoil: str, cause: Cause, words: str
) -> None:
    """It says what was found, and nothing in it is changed."""
    file.put([marked()])
    file.close()
    path = folder / "spool.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(spoil)
    before = path.read_bytes()
    with pytest.raises(SpoolUnavailable, match=words) as refused:
        spool(folder).open()

    assert cause is refused.value.cause
    assert before == path.read_bytes()


def test_a_key_that_is_gone_is_asked_for(folder: Path, file: SpoolFile) -> None:
    """Without it nobody can read what waits there; an empty spool needs none."""
    rows = file.put([marked()])
    file.close()
    with pytest.raises(SpoolUnavailable, match="which is not among the region's key_files") as refused:
        spool(folder, keys=[NEWER]).open()
    file.open()
    file.delete(rows)
    file.close()

    assert Cause.LOST_KEY is refused.value.cause
    assert [] == spool(folder, keys=[NEWER]).open()


def test_a_folder_that_cannot_be_made_is_a_trouble_of_the_spool(tmp_path: Path) -> None:
    """Said in words; the region goes on without it."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SpoolUnavailable, match="cannot be opened"):
        spool(tmp_path / "file" / "germany").open()


# Damage


def damage(path: Path, page: int) -> None:
    """Overwrite a page of the file, as a disk that fails does."""
    with path.open("r+b") as file:
        file.seek(page * 4096)
        file.write(os.urandom(4096))


def filled(folder: Path, count: int = 400) -> Path:
    """A spool with records of routers a and b and an act, closed; its file."""
    made = spool(folder)
    made.open()
    made.put([marked("ab"[n % 2], n) for n in range(count)])
    made.put([join("c")])
    made.close()
    return folder / "spool.sqlite"


@pytest.mark.parametrize("page", [1, 5, 20, 40, -2])
def test_what_is_intact_of_a_damaged_file_is_saved(folder: Path, page: int) -> None:
    """Whatever page was hit: it opens, keeps what can be read, and the damaged file is gone (4.5)."""
    path = filled(folder)
    damage(path, page % (path.stat().st_size // 4096))
    after = spool(folder)
    after.open()
    saved = numbers(after, 1000)

    assert 1 == after.counts().damages
    assert saved == sorted(set(saved))
    assert after.counts().records == len(saved)
    assert ["spool.sqlite", "spool.sqlite-wal"] == sorted(entry.name for entry in folder.iterdir())
    if page != 1:  # the root of the table: nothing can be found from there
        assert len(saved) > 200
    after.put([marked("z", 999)])
    assert 999 in numbers(after, 1000)


@pytest.mark.parametrize("content", [b"", b"not a database, and longer than a header of SQLite " * 200, b"\0" * 9000])
def test_a_file_that_is_none_is_replaced(folder: Path, content: bytes) -> None:
    """Nothing in it can be saved; the process starts all the same."""
    path = filled(folder)
    for part in folder.iterdir():
        part.unlink()
    path.write_bytes(content)
    after = spool(folder)

    assert [] == after.open()
    assert 1 == len(after.put([marked()]))
    assert b"not a database" not in raw(folder)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET sealed = 5 WHERE id = 2",
        "UPDATE entry SET at = x'00' WHERE id = 1",
        "UPDATE entry SET tag = 5.5, kind = x'00' WHERE id = 2",
        "UPDATE meta SET value = x'ff'",
        "DELETE FROM meta",
        "UPDATE used_key SET key_id = x'ff'",
        "UPDATE sqlite_schema SET sql = replace(sql, 'INTEGER PRIMARY', 'INTEGES PRIMARY') WHERE name = 'entry'",
        "UPDATE sqlite_schema SET sql = replace(sql, 'sealed', 'sealen') WHERE name = 'entry'",
        "UPDATE sqlite_schema SET sql = CAST(CAST(sql AS BLOB) || x'ff' AS TEXT) WHERE name = 'entry'",
    ],
)
def test_whatever_damage_made_of_a_value_the_file_is_opened_and_emptied(folder: Path, change: str) -> None:
    """Nobody has to remove it, and no record stays that an exit could not reach."""
    path = filled(folder, 3)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA writable_schema = ON")
        other.execute(change)
    after = spool(folder)
    after.open()
    read = after.read(10)
    oldest = after.counts().oldest_at
    after.delete([row for row, _ in read])

    assert read or "sqlite_schema" in change
    assert oldest is None or isinstance(oldest, int)
    assert 0 == after.counts().records
    assert [] == numbers(after)


@pytest.mark.parametrize("sector", range(64))
def test_a_sector_of_nothing_does_not_keep_it_from_opening(folder: Path, sector: int) -> None:
    """What a disk gives back for a sector that it lost: in the midst of a row it makes NULL of what was there."""
    path = filled(folder, 30)
    with path.open("r+b") as file:
        file.seek(sector * 512 % path.stat().st_size)
        file.write(bytes(512))
    after = spool(folder)
    after.open()
    read = after.read(100)
    after.delete([row for row, _ in read])

    assert 0 == after.counts().records


def test_a_damaged_file_that_cannot_be_put_aside_is_a_trouble_of_the_spool(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is read-only since it failed: the spool is away, and nothing else is."""
    path = filled(folder, 30)
    damage(path, 1)

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(SpoolUnavailable) as refused:
        spool(folder).open()

    assert Cause.READ_ONLY is refused.value.cause


@pytest.mark.parametrize("number", [1, 2])
def test_a_file_that_was_put_aside_is_not_put_another_in_the_place_of(folder: Path, number: int) -> None:
    """It may be the last of several that a crash left: what is in it is still to be saved."""
    path = filled(folder, 3)
    path.rename(folder / f"spool.damaged-{number}.sqlite")
    path.write_bytes(b"not a database " * 1000)
    after = spool(folder)
    after.open()

    assert [0, 1, 2] == numbers(after)


def test_damage_that_shows_while_it_runs_is_counted(folder: Path) -> None:
    """Acknowledged records are lost then, and each is a counted drop; what was in hand counts with its commit."""
    path = filled(folder)
    after = spool(folder)
    after.open()
    in_hand = [row for row, _ in after.read(3)]
    after._file.close()
    damage(path, 20)
    after._file._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    after._file.db.execute("PRAGMA cache_size = 0")
    saved = numbers(after, 1000)
    counts = after.counts()

    assert 1 == counts.damages
    assert 0 < counts.dropped[DropReason.SPOOL_DAMAGED] == 400 - len(saved) == 400 - counts.records
    after.delete(in_hand)
    assert counts.dropped == after.counts().dropped


def test_an_act_in_hand_hides_no_record_that_damage_takes(folder: Path, file: SpoolFile) -> None:
    """Each record that is lost is a drop; an act is with the broker too, and is none."""
    file.put([record("b", 1)])
    [row, _] = file.put([record("a", 2), leave("a")], in_hand=True)
    file._file.close()
    file.path.write_bytes(b"not a database " * 1000)
    left = numbers(file)
    file.give_back([row])

    assert ([], {DropReason.SPOOL_DAMAGED: 2}) == (left, +file.counts().dropped)


def test_what_damage_takes_of_what_is_in_hand_is_told_with_its_commit(file: SpoolFile) -> None:
    """Stored it is no drop; else it is dropped once, for the exit where one had taken it before the damage did."""
    file.put([marked("a", 1), marked("a", 2), marked("b", 3), marked("c", 4)])
    [stored, failed, purged] = [row for row, _ in file.read(3)]
    file.purge([router("b").device_ref], WITHDRAWN)
    file._file.close()
    file.path.write_bytes(b"not a database " * 1000)
    left = numbers(file)
    before = +file.counts().dropped
    file.delete([stored])
    file.give_back([failed, purged])

    assert ([], {DropReason.SPOOL_DAMAGED: 1}) == (left, before)
    assert {DropReason.SPOOL_DAMAGED: 2, WITHDRAWN: 1} == +file.counts().dropped


def test_a_record_that_was_tampered_with_is_dropped_and_the_others_read(folder: Path) -> None:
    """One flipped bit shows (AES-GCM)."""
    path = filled(folder, 5)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE entry SET sealed = substr(sealed, 1, 60) || x'00' || substr(sealed, 62) WHERE id = 3")
        other.execute("UPDATE entry SET tag = (SELECT tag FROM entry WHERE id = 2) WHERE id = 5")
    after = spool(folder)
    after.open()

    assert [0, 1, 3] == numbers(after)
    assert {DropReason.SPOOL_DAMAGED: 2} == +after.counts().dropped
    assert 3 == after.counts().records


@pytest.mark.parametrize("step", ["set aside", "half saved", "saved"])
def test_a_crash_while_it_is_mended_loses_nothing_more(folder: Path, step: str) -> None:
    """The next opening goes on where it was."""
    path = filled(folder)
    damage(path, 20)
    whole = spool(image(folder))
    whole.open()
    expected = numbers(whole, 1000)
    path.rename(folder / "spool.damaged-1.sqlite")
    if step != "set aside":
        fresh = spool(folder)
        fresh._file._save = lambda: None  # type: ignore[method-assign]
        fresh.open()
        some = [record for record in (marked("ab"[n % 2], n) for n in range(400)) if number_of(record) in expected]
        rows = fresh.put(some if step == "saved" else some[:100])
        assert rows[0] == 1
        fresh.close()
    after = spool(folder)
    after.open()
    found = numbers(after, 1000)

    assert sorted(expected) == sorted(set(found))
    assert not list(folder.glob("*damaged*"))


@pytest.mark.parametrize("renames", [0, 1, 2, 3, 4])
def test_a_crash_between_a_file_and_its_log_loses_nothing_either(
    folder: Path, file: SpoolFile, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    """What was taken last is in the log alone."""
    file.put([marked(number=n) for n in range(3)])
    copy = image(folder)
    rename, done = Path.rename, list[str]()

    def renamed(path: Path, target: str) -> None:
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(target)
        rename(path, target)

    with monkeypatch.context() as crash, suppress(KeyboardInterrupt):
        crash.setattr(Path, "rename", renamed)
        set_aside(copy / "spool.sqlite")
    after = spool(copy)
    after.open()

    assert [0, 1, 2] == numbers(after)
    assert not list(copy.glob("*damaged*"))


def test_a_log_that_lost_its_file_is_given_no_other(folder: Path, file: SpoolFile) -> None:
    """Somebody removed the file by hand."""
    file.put([marked(number=n) for n in range(3)])
    copy = image(folder)
    (copy / "spool.damaged-1.sqlite-wal").write_bytes(b"of another")
    after = spool(copy)
    after.open()

    assert [0, 1, 2] == numbers(after)


def test_every_kind_of_act_comes_back(file: SpoolFile) -> None:
    """With all that evidence needs."""
    acts = [act(action, event_ref=ref(action), client_time=START) for action in Action]
    acts.append(msgspec.structs.replace(acts[0], policy_digest="d" * 64, language="de", adult_or_guardian="adult"))
    file.put(acts)
    file.close()
    found: list[ConsentEvent] = [kept for _, kept in file.open()]

    assert acts == found
