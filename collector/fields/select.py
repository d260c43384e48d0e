"""Copies the allow-listed fields out of a report into a new body (F1).

Nothing is deleted from what arrived: a body starts empty and is filled by the catalogue, so what the catalogue does
not name cannot be left in it by mistake.
"""

from collections.abc import Callable, Container, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from collector.errors import DataFault
from collector.fields.catalogue import GROUPS, SNAPSHOT_GROUPS, FieldEntry, Group
from collector.fields.compiled import Compiled, passes
from collector.fields.generated import function
from collector.fields.treatments import AS_SENT, TREATED, Surroundings, utc

_encode: Final = msgspec.json.Encoder().encode
Copy = Callable[[Any, Surroundings], Any]


class Selector:
    """Builds bodies; made once from a compiled catalogue.

    Raises:
        DataFault: a field whose treatment is more than `keep` has no treatment in the code.
    """

    def __init__(self, compiled: Compiled) -> None:
        _complete(compiled)
        copies = {group: copy for group in (*GROUPS, "event") if (copy := _copy_of(compiled, group))}
        self._event_copy = copies.pop("event")
        self._body = _whole_of("body", compiled.body, GROUPS, copies, then="events")
        self._snapshot = _whole_of("snapshot", compiled.snapshot, SNAPSHOT_GROUPS, copies)

    def body(self, report: Any, events: Sequence[Any], around: Surroundings) -> bytes:
        """The record's body of a decoded v1 report and those of its events that may be kept, as JSON."""
        kept_events = [self._event(event, around) for event in events] if events else UNSET
        return _encode(self._body(report, around, kept_events))

    def _event(self, event: Any, around: Surroundings) -> Any:
        snapshot = event.disconnect_snapshot
        local = around.in_network(snapshot_plmn(snapshot) or around.plmn)
        kept = self._event_copy(event, local)
        kept.event = event.event
        kept.time = to_the_second(event.time)
        kept.disconnect_snapshot = UNSET if snapshot is UNSET else self._snapshot(snapshot, local)
        return kept


def _copy_of(compiled: Compiled, group: Group) -> Copy | None:
    """The function that copies a group into what is kept of it: what passes as it is, the rest treated.

    None for a group that is kept as it arrived, all of it: the schema let nothing else in.
    """
    fields = {entry.name: entry for entry in compiled.catalogue.in_group(group)}
    members = compiled.kept[group].__struct_fields__
    if set(members) == set(compiled.wire_types[group]) and all(passes(fields[name]) for name in members):
        return None
    known = {f"treat_{name}": TREATED[name].treat for name in members if name in TREATED}
    arriving = compiled.wire_types[group]
    lines = ["return kept(", *(f"    {_member(name, fields, arriving)}," for name in members), ")"]
    return function(f"copy_{group}", "group, around", lines, {"kept": compiled.kept[group], "UNSET": UNSET, **known})


def _member(name: str, fields: dict[str, FieldEntry], arriving: Container[str]) -> str:
    if name in TREATED:
        # The notice may have left one of several out of the catalogue.
        nothing = " and ".join(f"group.{read} is UNSET" for read in TREATED[name].reads if read in arriving)
        return f"UNSET if {nothing} else treat_{name}(group, around)"
    # What is left over are the members of an event that are filled in one by one.
    return f"group.{name}" if name in fields and passes(fields[name]) else "UNSET"


def _whole_of(
    name: str, kept: type[msgspec.Struct], groups: tuple[Group, ...], copies: dict[Group, Copy], *, then: str = ""
) -> Callable[..., Any]:
    """The function that makes *kept* from the groups of a tree, followed by what is given beside them."""
    known = {f"copy_{group}": copy for group, copy in copies.items()}
    copied = (
        f"UNSET if (group := tree.{group}) is UNSET else copy_{group}(group, around)" if group in copies
        else f"tree.{group}"
        for group in groups
    )  # fmt: skip
    lines = ["return kept(", *(f"    {value}," for value in (*copied, *filter(None, [then]))), ")"]
    parameters = ", ".join(filter(None, ["tree", "around", then]))
    return function(f"copy_{name}", parameters, lines, {"kept": kept, "UNSET": UNSET, **known})


def snapshot_plmn(snapshot: Any) -> str | None:
    """The serving network a disconnect snapshot names, if any."""
    if snapshot is UNSET or snapshot.network is UNSET or snapshot.network.plmn is UNSET:
        return None
    plmn: str = snapshot.network.plmn
    return plmn


def to_the_second(when: Any) -> Any:
    """UTC to the second, as fault events have it (catalogue 1.6); the encoder writes it as RFC 3339, with a Z."""
    moment = utc(when)
    return UNSET if moment is None else moment.replace(microsecond=0) if moment.microsecond else moment


def _complete(compiled: Compiled) -> None:
    body = [f for f in compiled.catalogue.field if f.place == "body"]
    forgotten = [f.name for f in body if f.treatment != "keep" and f.name not in TREATED and f.name not in AS_SENT]
    if forgotten:
        raise DataFault(
            f"schemas/fields.toml: entry '{name}': found a treatment the code has no function for, expected one in "
            f"collector/fields/treatments.py. Write it, or mark the field keep."
            for name in forgotten
        )
