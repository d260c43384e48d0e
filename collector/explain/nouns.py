"""What `ueip explain` finds out. It holds names that a router sent: for the user's own terminal, nowhere else."""

from typing import Any, Final, Literal

from collector.fields.catalogue import Catalogue
from collector.fields.clean import Tally
from collector.fields.names import RefusedNames
from collector.model import Region, Removal, Sealed

Verdict = Literal["kept", "coarsened", "pseudonymised", "derived", "unset", "unused", "removed", "envelope"]
DONE: Final[dict[str, Verdict]] = {
    "keep": "kept",
    "coarsen": "coarsened",
    "pseudonymise": "pseudonymised",
    "derive": "derived",
}
"""The verdict on a key, by its treatment; those treatments only that keep something."""


class Finding(Sealed, frozen=True):
    """What becomes of one key of the message."""

    path: str
    verdict: Verdict
    as_what: str
    clause: str


class Told(Sealed, frozen=True):
    """What becomes of one report of the message, and of each of its keys; `stored` is the body it would have."""

    outcome: str
    reason: str
    region: Region | None
    findings: tuple[Finding, ...] = ()
    stored: dict[str, Any] | None = None


class Explanation(Sealed, frozen=True):
    """What becomes of the message, of each of its keys, and of each report where it carries several."""

    outcome: str
    reason: str
    region: Region | None
    findings: tuple[Finding, ...] = ()
    stored: dict[str, Any] | None = None
    reports: tuple[Told, ...] = ()


class Recorder(Tally):
    """Keeps what a `Tally` forgets: the names."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: dict[str, Removal] = {}
        self.fields: dict[str, dict[str, None]] = {}
        self.unsets: set[str] = set()

    def removed(self, removal: Removal, path: str) -> None:
        """Note what was removed and where."""
        super().removed(removal, path)
        self.paths[path] = removal

    def kept(self, path: str, field: str) -> None:
        """Note which field or event a value became."""
        self.fields.setdefault(path, {})[field] = None

    def unset(self, path: str) -> None:
        """Note a name whose value means that nothing was measured."""
        self.unsets.add(path)


def removed(path: str, name: str, removal: Removal, catalogue: Catalogue, names: RefusedNames) -> Finding:
    """The finding on a key that is not kept."""
    if removal is Removal.INVALID:
        entry = catalogue.fields.get(name)
        return Finding(path, "removed", "invalid: outside its type or bounds", entry.clause if entry else "F3")
    if removal is Removal.UNKNOWN:
        return Finding(path, "removed", "unknown: not in the catalogue", "F1")
    family = names.family_of(name)
    title = family.title if family else "beside refused names"
    return Finding(path, "removed", f"{removal}: {title}", family.clause if family else "1.7.3")


def whys(reason: str, *more: str) -> str:
    """Sentences in one line; empty ones are left out."""
    return " ".join(sentence for sentence in (reason, *more) if sentence)
