"""How many quotes a report has that its body has not: so a key that stands twice is seen without a second parser."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import UNSET

from collector.fields.catalogue import GROUPS, FieldEntry, Group, InputEntry
from collector.fields.compiled import ENVELOPE, Compiled, entries_of, passes
from collector.fields.generated import function

_KEY: Final = 2
_TEXT: Final = 2
_BARE: Final = frozenset({"bool", "int", "number"})
_BARE_IN_ENVELOPE: Final = frozenset({"schema_version", "ueip", "uptime_at_event_seconds", "uptime_at_send_seconds"})


def quotes_left_out(compiled: Compiled) -> Callable[[Any, Any], int]:
    """The function of a report's tree and the body kept of it that counts them; for reports without events.

    What passes as it is stands in both, so only the envelope, what is left out and what is treated is looked at.
    """
    lines = ["quotes = 0", *_envelope()]
    for group in GROUPS:
        if checks := [*_differences(compiled, group)]:
            lines += [f"if (sent := tree.{group}) is not UNSET:", f"    kept = body.{group}"]
            lines += [f"    {line}" for line in checks]
    return function("quotes_left_out", "tree, body", [*lines, "return quotes"], {"UNSET": UNSET})


def _envelope() -> Iterator[str]:
    for name in ENVELOPE:
        quotes = _KEY if name in _BARE_IN_ENVELOPE else _KEY + _TEXT
        yield f"if tree.{name} is not UNSET: quotes += {quotes}"


def _differences(compiled: Compiled, group: Group) -> Iterator[str]:
    fields = {entry.name: entry for entry in compiled.catalogue.in_group(group)}
    for entry in entries_of(compiled.catalogue, group):
        if not (isinstance(entry, FieldEntry) and passes(entry)):
            yield f"if sent.{entry.name} is not UNSET: quotes += {_quotes(entry)}"
    for name in compiled.kept[group].__struct_fields__:
        if not passes(fields[name]):
            yield f"if kept.{name} is not UNSET: quotes -= {_quotes(fields[name])}"


def _quotes(entry: FieldEntry | InputEntry) -> int:
    return _KEY if entry.type in _BARE else _KEY + _TEXT
