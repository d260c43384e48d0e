"""Fault events from what an alias map found: at most one of a kind for each object.

Rule 1: an event has a time, its own or its sample's; one that should have its own and has none is left out.
Rule 2: one from long before its sample is left out: it was told before, for routers send old tables again and again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import UNSET

from collector.fields.clean import Notes
from collector.formats.aliases import Alias
from collector.formats.conditions import same
from collector.formats.paths import Instance, object_of
from collector.formats.values import YES_OR_NO, Found, Values

RECENT: Final = timedelta(days=1)
"""How far from its sample an event with a time of its own may be."""
_TIME: Final = "event.time"
_NONE: Final = object_of("", ())
Groups = Mapping[str, Mapping[str, Any]]
"""Fields of a sample, by group and name."""
_Key = tuple[str, tuple[str, Instance]]
_Members = dict[str, list[Found]]


class Events:
    """Makes the events of one alias map."""

    def __init__(self, aliases: Sequence[Alias], values: Values) -> None:
        self._values = values
        self._timed = {object_of(n, ())[0] for alias in aliases if alias.field == _TIME for n in alias.names}

    def of(self, found: Sequence[Found], sample: datetime, groups: Groups, notes: Notes) -> list[dict[str, Any]]:
        """The events in *found*, each as its members by name; the sample was taken at *sample* and says *groups*."""
        told: dict[_Key, _Members] = {}
        joining: dict[_Key, _Members] = {}
        for item in found:
            members = joining if item.alias.joins else told
            key = (item.alias.event or "", object_of(item.general, item.instance))
            members.setdefault(key, {}).setdefault(item.alias.field or YES_OR_NO, []).append(item)
        made = ((key, self._event(key, members, sample, groups, notes)) for key, members in told.items())
        return [self._said(_joined_to(key, joining), notes) | event for key, event in made if event is not None]

    def _event(
        self, key: _Key, members: _Members, sample: datetime, groups: Groups, notes: Notes
    ) -> dict[str, Any] | None:
        kind, (place, _) = key
        when = self._values.of(_TIME, members.pop(_TIME, []), notes) if place in self._timed else sample
        # The difference is compared, for a day before or after the sample may be outside the calendar.
        if when is UNSET or abs(when - sample) > RECENT:
            return None
        if any(_is_none_after_all(item.alias, groups) for several in members.values() for item in several):
            return None
        said = self._said(members, notes)
        if not said.pop(YES_OR_NO, said):
            return None
        return {**said, "event": kind, "time": when}

    def _said(self, members: _Members, notes: Notes) -> dict[str, Any]:
        made = {field.partition(".")[2]: self._values.of(field, found, notes) for field, found in members.items()}
        return {name: value for name, value in made.items() if value is not UNSET}


def _joined_to(key: _Key, joining: Mapping[_Key, _Members]) -> _Members:
    """What is added to an event: what is said of its own object, and of no object in particular."""
    kind, _ = key
    return joining.get((kind, _NONE), {}) | joining.get(key, {})


def _is_none_after_all(alias: Alias, groups: Groups) -> bool:
    if alias.unless is None:
        return False
    group, _, name = alias.unless.field.partition(".")
    value = groups.get(group, {}).get(name)
    return value is not None and any(same(value, raw) for raw in alias.unless.is_)
