"""Copies the allow-listed fields out of a report into a new body (F1).

Nothing is deleted from what arrived: a body is built empty and filled from the catalogue, so what the catalogue does
not name cannot be forgotten in it.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET

from collector.errors import DataFault
from collector.fields.catalogue import GROUPS, SNAPSHOT_GROUPS, Group
from collector.fields.compiled import Compiled, getter, passes
from collector.fields.treatments import AS_SENT, TREATED, Surroundings, Treat, utc

_encode: Final = msgspec.json.Encoder().encode


class _GroupPlan:
    """How one group is copied: what passes as it is, in one step, and what is treated, one by one."""

    def __init__(self, compiled: Compiled, group: Group) -> None:
        entries = compiled.catalogue.in_group(group)
        self._kept: Callable[..., Any] = compiled.kept[group]
        self._read = getter([f.name for f in entries if passes(f)])
        self._treated: list[tuple[str, Treat]] = [(f.name, TREATED[f.name]) for f in entries if f.name in TREATED]

    def copy(self, group: Any, around: Surroundings) -> Any:
        kept = self._kept(*self._read(group))
        for name, treat in self._treated:
            setattr(kept, name, treat(group, around))
        return kept


class Selector:
    """Builds bodies; made once from a compiled catalogue.

    Raises:
        DataFault: a field whose treatment is more than `keep` has no treatment in the code.
    """

    def __init__(self, compiled: Compiled) -> None:
        _complete(compiled)
        self._compiled = compiled
        self._plans = {group: _GroupPlan(compiled, group) for group in (*GROUPS, "event")}
        self._read_groups = getter(list(GROUPS))

    def body(self, report: Any, events: list[Any], around: Surroundings) -> bytes:
        """The record's body of a decoded v1 report and those of its events that may be kept, as JSON."""
        copied = [
            UNSET if group is UNSET else self._plans[name].copy(group, around)
            for name, group in zip(GROUPS, self._read_groups(report), strict=True)
        ]
        kept_events = [self._event(event, around) for event in events] or UNSET
        return _encode(self._compiled.body(*copied, kept_events))

    def _event(self, event: Any, around: Surroundings) -> Any:
        snapshot = event.disconnect_snapshot
        plmn = snapshot_plmn(snapshot) or around.plmn
        local = around if plmn == around.plmn else msgspec.structs.replace(around, plmn=plmn)
        kept = self._plans["event"].copy(event, local)
        kept.event = event.event
        kept.time = second_text(event.time)
        kept.disconnect_snapshot = UNSET if snapshot is UNSET else self._snapshot(snapshot, local)
        return kept

    def _snapshot(self, snapshot: Any, around: Surroundings) -> Any:
        groups = ((name, getattr(snapshot, name)) for name in SNAPSHOT_GROUPS)
        return self._compiled.snapshot(
            *(UNSET if group is UNSET else self._plans[name].copy(group, around) for name, group in groups)
        )


def snapshot_plmn(snapshot: Any) -> str | None:
    """The serving network a disconnect snapshot names, if any."""
    if snapshot is UNSET or snapshot.network is UNSET or snapshot.network.plmn is UNSET:
        return None
    plmn: str = snapshot.network.plmn
    return plmn


def second_text(when: Any) -> Any:
    """RFC 3339 UTC to the second, as fault events have it (catalogue 1.6)."""
    moment = utc(when)
    return UNSET if moment is None else moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _complete(compiled: Compiled) -> None:
    body = [f for f in compiled.catalogue.field if f.place == "body"]
    forgotten = [f.name for f in body if f.treatment != "keep" and f.name not in TREATED and f.name not in AS_SENT]
    if forgotten:
        raise DataFault(
            f"schemas/fields.toml: entry '{name}': found a treatment the code has no function for, expected one in "
            f"collector/fields/treatments.py. Write it, or mark the field keep."
            for name in forgotten
        )
