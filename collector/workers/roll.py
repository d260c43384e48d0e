"""Which worker numbers have a session with the broker or a spool, kept over restarts: a file beside the witness.

Rule 1: a number is on the roll before its worker is started, and until what waits for it has been delivered.
Rule 2: a folder with a spool of a number counts too, should the file be lost.
"""

from contextlib import suppress
from pathlib import Path

from collector.config import Settings
from collector.durable import replace_file
from collector.errors import DataFault
from collector.workers.job import MOST


class Roll:
    """The numbers of one collector's workers."""

    def __init__(self, settings: Settings) -> None:
        """Its file is named after the collector's `client_id`: several collectors may have their keys in one folder."""
        first, *_ = settings.regions.enabled
        self.path = settings.regions.witness_of(first).with_name(f"{settings.broker.client_id}.workers")
        self._spools = [settings.regions.of(region).spool_folder for region in settings.regions.enabled]

    def numbers(self) -> set[int]:
        """All that are on the roll.

        Raises:
            DataFault: it cannot be read.
        """
        return self._written() | {number for folder in self._spools for number in _folders(folder)}

    def add(self, numbers: set[int]) -> None:
        """Put numbers on the roll.

        Raises:
            DataFault: it cannot be written.
        """
        if not numbers <= self._written():
            self._write(self._written() | numbers)

    def strike(self, number: int) -> None:
        """Take a number off the roll, with its empty spools: what waited for it is delivered.

        Raises:
            DataFault: it cannot be written.
        """
        if number > 1:
            for folder in self._spools:
                _remove(folder / f"worker-{number}")
        self._write(self._written() - {number})

    def _written(self) -> set[int]:
        try:
            words = self.path.read_text("ascii").split()
        except FileNotFoundError:
            return set()
        except (OSError, UnicodeDecodeError) as error:
            raise DataFault([f"{self.path}: cannot be read: {error}. Make it readable for the collector."]) from None
        numbers = {int(word) for word in words if word.isdecimal() and 1 <= int(word) <= MOST}
        if len(numbers) != len(words):
            raise DataFault(
                [f"{self.path}: expected numbers of workers, 1 to {MOST}, one a line. Put back what was there."]
            )
        return numbers

    def _write(self, numbers: set[int]) -> None:
        try:
            if not numbers:
                self.path.unlink(missing_ok=True)
                return
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(self.path, (b"%d\n" % number for number in sorted(numbers)))
        except OSError as error:
            raise DataFault(
                [f"{self.path}: cannot be written: {error.strerror}. Make its folder writable for the collector."]
            ) from None


def _folders(spool: Path) -> set[int]:
    try:
        names = {path.name for path in spool.glob("worker-*")}
    except OSError:
        return set()
    return {number for number in range(2, MOST + 1) if f"worker-{number}" in names}


def _remove(folder: Path) -> None:
    """Remove an empty spool. Files that are not ours stay."""
    with suppress(OSError):
        for file in folder.glob("spool.sqlite*"):
            file.unlink()
        folder.rmdir()
