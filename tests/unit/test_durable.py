"""Files that are whole or not there: on a disk that is full, and when the process is killed at any point of it."""

import subprocess
import sys
from collections.abc import Iterator
from errno import EIO
from pathlib import Path

import pytest

from collector.durable import make_file, new_file, replace_file

OLD, NEW = b"what was there\n" * 4, b"what is to be there\n" * 400
FULL = f"""
import resource, sys
from pathlib import Path
from collector import durable
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
getattr(durable, sys.argv[1])(Path(sys.argv[2]), [{NEW!r}])
"""
"""On a disk that takes a hundred bytes of a file and no more."""
KILLED = f"""
import os, signal, sys
from pathlib import Path
from collector import durable
steps = int(sys.argv[3])
def end_before(event, words):
    global steps
    if event in ("open", "os.rename", "os.link", "os.remove") and "file" in str(words[0]):
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(end_before)
getattr(durable, sys.argv[1])(Path(sys.argv[2]), [{NEW!r}])
"""
"""Killed before a step of it that the file system sees."""


def run(program: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own, with signals of the limit left out."""
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_file_is_replaced_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)

    replace_file(path, [b"one ", b"two"])

    assert (b"one two", 0o600) == (path.read_bytes(), path.stat().st_mode & 0o777)
    assert [path] == list(tmp_path.iterdir())


def test_a_new_file_takes_the_place_of_none(tmp_path: Path) -> None:
    path = tmp_path / "file"

    assert (True, False) == (new_file(path, [OLD]), new_file(path, [NEW]))
    assert (OLD, 0o600) == (path.read_bytes(), path.stat().st_mode & 0o777)
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("way", ["replace_file", "new_file", "make_file"])
def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path: Path, way: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)

    ended = run(FULL, way, path)

    assert "OSError: [Errno 27] File too large" in ended.stderr
    assert OLD == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("way", ["replace_file", "new_file"])
def test_who_is_killed_leaves_the_old_file_or_the_new_one(tmp_path: Path, way: str) -> None:
    seen = []
    for steps in range(10):
        path = tmp_path / f"file-{way}-{steps}"
        if way == "replace_file":
            path.write_bytes(OLD)
        ended = run(KILLED, way, path, steps)
        assert "" == ended.stderr
        seen.append(path.read_bytes() if path.exists() else b"")
        if not ended.returncode:
            break

    before = OLD if way == "replace_file" else b""
    assert {before, NEW} == set(seen)
    assert sorted(seen, key=lambda found: found == NEW) == seen
    assert NEW == seen[-1]


def test_what_cannot_be_made_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield NEW
        raise OSError(EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        make_file(tmp_path / "file", broken())

    assert [] == list(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "nowhere" / "file", [NEW])
    assert [] == list(tmp_path.iterdir())
