"""Every exception of the collector, each with one meaning.

A bad message raises none of these: it becomes a counted drop. These are for faults of the installation.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import ClassVar


def how_to_install(extra: str) -> str:
    """How to get the packages of an extra, in a sentence; also for those who run the collector from its repository."""
    return f"Run: pip install 'ueip-collector[{extra}]', or in a clone of the repository: pip install -e '.[{extra}]'"


class CollectorError(Exception):
    """Something a person has to mend; its text says where, what was found, what was expected and what to do."""


class SeveralFaults(ValueError):
    """What a model finds wrong in how its values fit together; each is reported as a fault of its own."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


class DataFault(CollectorError):
    """A file that people write (settings, catalogue, regions) has faults; all of them are listed at once."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class Cause(StrEnum):
    """Why a region's store is closed, in the words of /readyz, the log and the metric.

    While it is closed nothing is stored in it, and it is tried again.
    """

    OPENING = "opening"
    NOT_ANSWERING = "not answering"
    LOCKED = "locked"
    REPLACED = "file replaced"
    MISSING = "store missing"
    DISK_FULL = "disk full"
    READ_ONLY = "read-only"
    CORRUPT = "corrupt"
    ROLLED_BACK = "ledger rolled back"
    NO_WITNESS = "witness missing"
    BAD_WITNESS = "witness unreadable"
    NEWER_SCHEMA = "newer schema"
    OLDER_SCHEMA = "older schema"
    NO_ACCESS = "access refused"
    WRONG_STORE = "wrong store"
    LOST_KEY = "key missing"
    LOST_VERSION = "notice missing"
    BAD_NOTICE = "notice unreadable"
    MOVING = "being moved"
    MOVED = "moved"
    UNFINISHED = "move not finished"

    @property
    def advice(self) -> str:
        """What to do, in a sentence."""
        return _ADVICE[self]

    @property
    def doubts_the_ledger(self) -> bool:
        """Whether what was known of the ledger may be wrong: then nothing of the region may be kept anywhere."""
        return self in _DOUBTFUL


_DOUBTFUL = frozenset(
    {
        Cause.REPLACED,
        Cause.MISSING,
        Cause.CORRUPT,
        Cause.ROLLED_BACK,
        Cause.NO_WITNESS,
        Cause.BAD_WITNESS,
        Cause.NEWER_SCHEMA,
        Cause.OLDER_SCHEMA,
        Cause.WRONG_STORE,
        Cause.LOST_KEY,
        Cause.LOST_VERSION,
        # Its ledger goes on elsewhere, or is not complete yet. (While a store is being moved, its ledger stands still.)
        Cause.MOVED,
        Cause.UNFINISHED,
    }
)
_ADVICE = {
    Cause.OPENING: "Wait: it is being opened.",
    Cause.NOT_ANSWERING: "Check that the disk and its path, or the server and the network to it, work.",
    Cause.LOCKED: "End the program that holds the store, such as an SQL shell.",
    Cause.REPLACED: "Nothing, if the store was replaced on purpose: it is opened again.",
    Cause.MISSING: "Mount its disk, or restore a backup; if it is lost, begin it anew: ueip ledger repair --region R.",
    Cause.DISK_FULL: "Make room on the disk of the store.",
    Cause.READ_ONLY: "Make the file, its folder and its disk writable for the collector.",
    Cause.CORRUPT: "Restore the store from a backup (docs/operating.md, Backup), or mend its disk.",
    Cause.ROLLED_BACK: "Put back what the restored store has lost, with: ueip ledger repair.",
    Cause.NO_WITNESS: "Put the witness back; if it is lost, see docs/operating.md, Restore.",
    Cause.BAD_WITNESS: "Make the witness readable, or put it back; if it is lost, see docs/operating.md, Restore.",
    Cause.NEWER_SCHEMA: "Run the newer collector that made the store. If it is installed already, restart this one.",
    Cause.OLDER_SCHEMA: "Make the database ready for this collector, with: ueip store init.",
    Cause.NO_ACCESS: "Correct user and password_file, or the role's grants (docs/operating.md, PostgreSQL).",
    Cause.WRONG_STORE: "Correct the path in the settings.",
    Cause.LOST_KEY: "Put the missing key back into key_files.",
    Cause.LOST_VERSION: "Put the missing version of the notice back into policies.toml.",
    Cause.BAD_NOTICE: "Correct policies.toml; ueip check-config says what is wrong in it.",
    Cause.MOVING: "Wait for ueip store migrate, or run it again if it broke off; then start with the new settings.",
    Cause.MOVED: "Name the store that it was moved to in the settings, and delete this one.",
    Cause.UNFINISHED: "Run ueip store migrate again; it goes on where it was.",
}


class StoreUnavailable(CollectorError):
    """The store did not answer or refused; try again later, the messages stay unacknowledged."""

    says_it_all: ClassVar = False
    """Whether its text already says the cause, and what to do."""

    def __init__(self, text: str, cause: Cause = Cause.NOT_ANSWERING) -> None:
        super().__init__(text)
        self.cause = cause

    def in_full(self) -> str:
        """For people at a terminal: with the cause as /readyz names it, and what to do."""
        return str(self) if self.says_it_all else f"{self} ({self.cause}). {self.cause.advice}"


class StoreUnusable(StoreUnavailable):
    """The store cannot be used until a person has mended it: wrong schema, damaged, not a store, another region's."""

    says_it_all = True

    def __init__(self, text: str, cause: Cause = Cause.WRONG_STORE) -> None:
        super().__init__(text, cause)


class NotDone(StoreUnavailable):
    """A command was not done in some stores; the text says for each one why, and what to do."""

    says_it_all = True


class SpoolUnavailable(CollectorError):
    """The spool did not answer or refused; nothing was taken out of it, and nothing was put into it."""

    def __init__(self, text: str, cause: Cause = Cause.NOT_ANSWERING) -> None:
        super().__init__(text)
        self.cause = cause


class AuditUnavailable(CollectorError):
    """An entry could not be written, so nothing may be shown; its text says why and what to do."""


class BrokerRefused(CollectorError):
    """The broker refused the connection or a subscription; the text gives its reason."""


class BrokerUnreachable(CollectorError):
    """A command needed the broker, which did not let us in or did not answer."""


class BrokerNotInstalled(CollectorError):
    """No Mosquitto was found on this machine; the text says how to install one."""


def where(error: BaseException) -> str:
    """The file and line of an exception. A log may have these, but not its text, which may quote what a router sent."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "unknown"
