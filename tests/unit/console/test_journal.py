"""The newest entries of a log, read from its end."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from collector.access.audit import AuditLog
from collector.access.nouns import Allowed, Right, Role, Viewer, may
from collector.console import journal
from collector.console.journal import newest
from collector.model import Region

ANNA = Viewer(name="anna", role=Role.AUDITOR, regions=frozenset({Region.GERMANY}))


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 10, 30, tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        self.now += 86_400
        return self.now


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    """Forty entries over two months."""
    made = AuditLog(tmp_path / "log", tmp_path / "head", Region.GERMANY, wall=Clock())
    asked = may(ANNA, Right.AUDIT, Region.GERMANY, now=0)
    assert isinstance(asked, Allowed)
    for number in range(39):
        made.write(asked, shown={"entries": number})
    return made


@pytest.mark.parametrize("window", [1, 100, 333, 1 << 16])
def test_entries_are_read_from_the_end_across_files(
    log: AuditLog, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the piece that is read at once."""
    monkeypatch.setattr(journal, "_WINDOW", window)

    assert [entry.seq for entry in newest(log, before=None, most=5)] == [40, 39, 38, 37, 36]
    assert [entry.seq for entry in newest(log, before=36, most=100)] == list(range(35, 0, -1))
    assert len(list(log.folder.glob("*.jsonl"))) >= 2


def test_what_is_half_written_is_no_entry(log: AuditLog) -> None:
    """Somebody is at it, or a crash left it."""
    last = max(log.folder.glob("*.jsonl"))
    with last.open("ab") as file:
        file.write(b'{"seq":41,"at":1')

    assert [entry.seq for entry in newest(log, before=None, most=2)] == [40, 39]


def test_a_log_that_is_not_there_has_no_entries(tmp_path: Path) -> None:
    """It begins with the first look."""
    nothing = AuditLog(tmp_path / "nowhere", tmp_path / "head", Region.GERMANY)

    assert newest(nothing, before=None, most=5) == []
