"""The audit log: nothing is shown that is not in it, and nobody changes it unnoticed."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.access.audit import AuditLog, Logged, walk
from collector.access.entry import AuditEntry, Event, line_of
from collector.access.nouns import Allowed, Purpose, Refused, Right, Role, Viewer, may
from collector.access.walk import files_of
from collector.consent.ledger import Head
from collector.errors import AuditUnavailable
from collector.model import PURPOSE, Region

NOV = 1_763_000_000.0  # 2025-11-13 UTC
MONTH = 31 * 86_400.0
ADA = Viewer(name="ada", role=Role.ENGINEER, regions=frozenset({Region.GERMANY}))
REF = bytes(range(16))


class Wall:
    """A clock that the test moves."""

    def __init__(self, at: float = NOV) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def log_in(folder: Path, wall: Callable[[], float] | None = None, region: Region | None = Region.GERMANY) -> AuditLog:
    return AuditLog(folder / "log", folder / "apart" / "head", region, wall=wall or Wall())


def asked(region: Region = Region.GERMANY, viewer: Viewer = ADA) -> Allowed | Refused:
    purpose = Purpose(text="INC-4711", ticket=True, given_at=0, until=9, aim=PURPOSE)
    return may(viewer, Right.DIAGNOSIS, region, purpose, now=1)


def entries(log: AuditLog) -> list[AuditEntry]:
    return list(walk(log).entries())


def wrong(log: AuditLog) -> list[str]:
    walked = walk(log)
    for _ in walked.entries():
        pass
    return [f"{where}: {what}" for where, what in walked.wrong]


def text_of(log: AuditLog) -> list[bytes]:
    """All lines, over all files."""
    return [line for path in files_of(log.folder) for line in path.read_bytes().splitlines(keepends=True)]


def test_an_entry_says_who_when_which_why_and_how_much(tmp_path: Path) -> None:
    log = log_in(tmp_path)

    logged = log.write(asked(), device_ref=REF, shown={"findings": 2, "records": 143})

    begun, entry = entries(log)
    assert isinstance(logged, Logged)
    assert (Event.BEGUN.value, 1) == (begun.what, begun.seq)
    assert entry == AuditEntry(
        seq=2,
        at=int(NOV * 1000),
        who="ada",
        role="engineer",
        source="local",
        what="diagnosis",
        outcome="shown",
        region="germany",
        device_ref=REF.hex(),
        why="INC-4711",
        shown={"findings": 2, "records": 143},
        prev_hash=begun.hash,
        hash=entry.hash,
    )
    assert [] == wrong(log)


def test_a_refusal_is_written_down_too_in_the_log_of_the_region_that_was_asked_for(tmp_path: Path) -> None:
    """O70: an engineer of Germany who asks for a router of China."""
    log = log_in(tmp_path, region=Region.CHINA)

    log.write(asked(Region.CHINA))

    assert [("begun", "done"), ("diagnosis", "region")] == [(entry.what, entry.outcome) for entry in entries(log)]


def test_an_entry_in_another_regions_log_is_a_mistake_of_ours(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        log_in(tmp_path).write(asked(Region.CHINA))


def test_the_files_are_for_nobody_else(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.note(Event.SIGNED_IN, ADA)

    assert {0o600} == {path.stat().st_mode & 0o777 for path in [*log.folder.iterdir(), log.head]}
    assert 0o700 == log.folder.stat().st_mode & 0o777


def test_a_new_month_is_a_new_file_and_the_chain_goes_on(tmp_path: Path) -> None:
    wall = Wall()
    log = log_in(tmp_path, wall)
    for month in range(3):
        wall.at = NOV + month * MONTH
        log.note(Event.SIGNED_IN, ADA)

    assert ["2025-11.jsonl", "2025-12.jsonl", "2026-01.jsonl"] == [path.name for path in files_of(log.folder)]
    assert [1, 2, 3, 4] == [entry.seq for entry in entries(log)]
    assert [] == wrong(log)


def test_a_clock_that_goes_back_a_month_does_not_break_the_chain(tmp_path: Path) -> None:
    wall = Wall(NOV + MONTH)
    log = log_in(tmp_path, wall)
    log.note(Event.SIGNED_IN, ADA)
    wall.at = NOV

    log.note(Event.SIGNED_OUT, ADA)

    assert ["2025-12.jsonl"] == [path.name for path in files_of(log.folder)]
    assert [] == wrong(log)


def full(folder: Path) -> AuditLog:
    """A log of seven entries over two months."""
    wall = Wall()
    log = log_in(folder, wall)
    for number in range(6):
        wall.at = NOV + number // 3 * MONTH + number
        log.write(asked(), device_ref=REF, shown={"records": number})
    return log


def write_lines(log: AuditLog, lines: Sequence[bytes]) -> None:
    """Put other lines in the place of what was there, all in the first file."""
    first, *others = files_of(log.folder)
    first.write_bytes(b"".join(lines))
    for path in others:
        path.unlink()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[AuditLog, list[bytes]]:
    """One log for many changes, and its lines."""
    log = full(tmp_path_factory.mktemp("audit"))
    return log, text_of(log)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_change_of_the_lines_is_found(data: st.DataObject, whole: tuple[AuditLog, list[bytes]]) -> None:
    """A byte changed, a line removed, doubled, moved, made up, or the end cut off: somewhere."""
    log, before = whole
    lines = list(before)
    at = data.draw(st.integers(0, len(lines) - 1))
    change = data.draw(st.sampled_from(["byte", "remove", "double", "swap", "cut", "cut_bytes", "invent"]))
    if change == "byte":
        offset = data.draw(st.integers(0, len(lines[at]) - 1))
        flipped = lines[at][offset] ^ data.draw(st.integers(1, 255))
        lines[at] = lines[at][:offset] + bytes([flipped]) + lines[at][offset + 1 :]
    elif change == "remove":
        del lines[at]
    elif change == "double":
        lines.insert(at, lines[at])
    elif change == "swap":
        other = data.draw(st.integers(0, len(lines) - 1))
        lines[at], lines[other] = lines[other], lines[at]
    elif change == "cut":
        lines = lines[:at]
    elif change == "cut_bytes":
        lines[-1] = lines[-1][: data.draw(st.integers(0, len(lines[-1]) - 1))]
    else:
        at = min(at, len(lines) - 2)  # one more at the end is what any writer does
        made_up = msgspec.json.decode(lines[at], type=AuditEntry)
        lines.insert(at + 1, line_of(msgspec.structs.replace(made_up, seq=made_up.seq + 1, prev_hash=made_up.hash))[0])
    write_lines(log, lines)

    found = wrong(log)

    assert (lines != before) == bool(found)


def test_a_history_written_anew_is_not_that_of_the_head(tmp_path: Path) -> None:
    """Whoever can write the log can make another whole chain; the head apart says that it is another."""
    log = full(tmp_path)
    log.head.rename(tmp_path / "kept")
    for path in files_of(log.folder):
        path.unlink()
    for _ in range(8):
        log.note(Event.SIGNED_IN, ADA)
    (tmp_path / "kept").replace(log.head)

    assert ["head: belongs to another entry 7 than the one found"] == wrong(log)


def test_nothing_goes_behind_what_was_cut_off(tmp_path: Path) -> None:
    """Nor behind an entry that was changed: the answer is not shown, and the person is told what to do."""
    changes: list[Callable[[list[bytes]], list[bytes]]] = [
        lambda lines: lines[:-1],
        lambda lines: [*lines[:-1], lines[-1].replace(b'"ada"', b'"bob"')],
        lambda lines: [*lines[:-1], b"{}\n"],
        lambda _: [],
    ]
    for number, change in enumerate(changes):
        log = full(tmp_path / str(number))
        changed = change(text_of(log))
        write_lines(log, changed)

        with pytest.raises(AuditUnavailable, match="ueip audit verify"):
            log.write(asked())

        assert changed == text_of(log)


def test_a_log_whose_head_is_gone_is_not_gone_on_with(tmp_path: Path) -> None:
    log = full(tmp_path)
    log.head.unlink()

    with pytest.raises(AuditUnavailable, match="begin-anew"):
        log.write(asked())

    assert ["head: is missing, so newer entries may have been cut off unnoticed"] == wrong(log)


def test_what_is_no_head_is_told(tmp_path: Path) -> None:
    for number, text in enumerate([b"", b"{}", b"nothing", b'{"seq":"x","hash":1}', b"\xff"]):
        log = full(tmp_path / str(number))
        log.head.write_bytes(text)

        with pytest.raises(AuditUnavailable):
            log.write(asked())

        assert 1 == len(wrong(log))


@pytest.mark.parametrize("torn", [b'{"seq":8,"at":17', b"\0" * 700, b"x"])
def test_what_a_crash_left_half_written_is_cut_off(torn: bytes, tmp_path: Path) -> None:
    """It was shown to nobody: the answer waits for the whole of it."""
    log = full(tmp_path)
    with files_of(log.folder)[-1].open("ab") as file:
        file.write(torn)

    log.write(asked())

    assert list(range(1, 9)) == [entry.seq for entry in entries(log)]
    assert [] == wrong(log)


def test_a_head_that_a_crash_left_behind_is_no_fault(tmp_path: Path) -> None:
    """Also one that was never written: the first entry of all was just made."""
    log = log_in(tmp_path)
    log.note(Event.SIGNED_IN, ADA)
    older = log.head.read_bytes()
    log.note(Event.SIGNED_OUT, ADA)
    log.head.write_bytes(older)

    assert [] == wrong(log)
    log.note(Event.SIGNED_IN, ADA)
    assert [] == wrong(log)

    write_lines(log, text_of(log)[:1])
    log.head.unlink()
    assert [] == wrong(log)
    log.note(Event.SIGNED_IN, ADA)
    assert [1, 2] == [entry.seq for entry in entries(log)]


def test_a_log_that_cannot_be_written_shows_nothing(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file where the folder should be")

    with pytest.raises(AuditUnavailable, match="Nothing is shown until it can"):
        log_in(tmp_path).write(asked())


def test_a_head_that_cannot_be_written_keeps_entries_out_too(tmp_path: Path) -> None:
    """Or the log would outgrow it, and fit it no more when it can be written again."""
    log = log_in(tmp_path)
    in_the_way = log.head.with_name(f"{log.head.name}.{os.getpid()}.new")
    for before in ([], [1, 2]):
        in_the_way.mkdir(parents=True)
        for _ in range(3):
            with pytest.raises(AuditUnavailable, match=f"^{in_the_way}: .* Nothing is shown until it can"):
                log.write(asked())
        assert before == [entry.seq for entry in entries(log)]

        in_the_way.rmdir()
        log.write(asked())
        assert [] == wrong(log)


def test_beginning_anew_keeps_what_was_there_and_says_why(tmp_path: Path) -> None:
    log = full(tmp_path)
    lines = text_of(log)
    write_lines(log, lines[2:])

    aside = log.begin_anew(ADA, "the disk lost two lines")

    assert aside is not None
    assert lines[2:] == text_of(AuditLog(aside, aside / "head", Region.GERMANY))
    (first,) = entries(log)
    assert ("begun", "accepted", "ada", "the disk lost two lines") == (first.what, first.outcome, first.who, first.why)
    log.write(asked())
    assert [] == wrong(log)


def test_a_head_on_another_disk_is_put_aside_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the settings best have it: what is renamed does not go from one disk to another."""
    log = full(tmp_path)
    kept, rename = log.head.read_bytes(), os.rename

    def of_one_disk(source: Path, target: Path) -> None:
        if (tmp_path / "apart" in source.parents) != (tmp_path / "apart" in target.parents):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, str(target))
        rename(source, target)

    monkeypatch.setattr(Path, "rename", of_one_disk)
    aside = log.begin_anew(ADA, "the disk lost two lines")

    assert aside is not None
    assert kept == (aside / "head").read_bytes()
    log.write(asked())
    assert [] == wrong(log)


WRITER = """
import sys
from pathlib import Path
from collector.access.audit import AuditLog
from collector.access.entry import Event
from collector.access.nouns import Role, Viewer
from collector.model import Region

log = AuditLog(Path(sys.argv[1]) / "log", Path(sys.argv[1]) / "apart" / "head", Region.GERMANY)
who = Viewer(name=sys.argv[2], role=Role.ENGINEER, regions=frozenset())
for _ in range(int(sys.argv[3])):
    log.note(Event.SIGNED_IN, who)
    print("done", flush=True)
"""


def writer(folder: Path, name: str, times: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), name, str(times)], stdout=subprocess.PIPE, text=True
    )


def test_two_processes_write_one_chain(tmp_path: Path) -> None:
    processes = [writer(tmp_path, name, 12) for name in ("ada", "bob")]
    for process in processes:
        process.communicate(timeout=120)

    log = log_in(tmp_path)
    assert {"ada": 12, "bob": 12, "-": 1} == {
        name: sum(entry.who == name for entry in entries(log)) for name in ("ada", "bob", "-")
    }
    assert [] == wrong(log)


def test_what_was_said_to_be_written_is_there_after_a_kill(tmp_path: Path) -> None:
    """Six times killed in the midst of writing: no entry that was told is lost, and the chain goes on."""
    told = 0
    for number in range(6):
        process = writer(tmp_path, "ada", 100_000)
        assert process.stdout is not None
        for _ in range(number % 2 + 1):
            assert "done\n" == process.stdout.readline()
        time.sleep(number * 0.0013)  # no proof of anything: it moves the place where the kill hits
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
        told += number % 2 + 1 + process.stdout.read().count("done\n")
        process.stdout.close()

    log = log_in(tmp_path)
    log.note(Event.SIGNED_OUT, ADA)
    found = [entry for entry in entries(log) if entry.who == "ada" and entry.what == "signed_in"]

    assert told <= len(found) <= told + 6
    assert [] == wrong(log)


def test_a_line_is_what_the_chain_of_the_ledger_would_check(tmp_path: Path) -> None:
    """The hash is over the members in order of their names, as in the ledger: one way of checking both."""
    line, head = line_of(AuditEntry(seq=1, at=2, who="ada", role="x", source="y", what="z", outcome="done"))

    assert Head(seq=1, hash=msgspec.json.decode(line)["hash"]) == head
