"""The newest entries of an audit log, page by page, without reading all of it.

What is read here is shown, not verified: `ueip audit verify` does that, over everything.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from collector.access.audit import AuditLog
from collector.access.entry import AuditEntry
from collector.access.walk import files_of, read_line

_WINDOW: Final = 1 << 16


def newest(log: AuditLog, *, before: int | None, most: int) -> list[AuditEntry]:
    """At most *most* entries numbered below *before*, newest first; lines that are no entries are left out.

    Raises:
        OSError: the log cannot be read.
    """
    entries = (read_line(line)[0] for path in reversed(files_of(log.folder)) for line in _backwards(path))
    return list(islice((e for e in entries if e is not None and (before is None or e.seq < before)), most))


def _backwards(path: Path) -> Iterator[bytes]:
    """The whole lines of a file, the last one first."""
    with path.open("rb") as file:
        position, rest = file.seek(0, os.SEEK_END), b""
        last = True
        while position:
            begin = max(0, position - _WINDOW)
            file.seek(begin)
            first, *lines = (file.read(position - begin) + rest).split(b"\n")
            if last and lines:
                lines.pop()  # empty, or still being written
                last = False
            yield from (line + b"\n" for line in reversed(lines))
            position, rest = begin, first
        if rest and not last:
            yield rest + b"\n"
