"""Samples that are sent in parts, value by value, put together in whatever order the parts come. Pure.

Rule 1: parts of several samples may come mixed, for a spool and a broker's backlog are drained while new parts come.
Rule 2: a sample that was forgotten is not put together any more: a part of a sum is no sum.
Rule 3: what is remembered is bounded: the newest samples, as many as there is room for, for a day.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

import msgspec

from collector.model import Part, Sealed

LINK: Final = "network.wan_connection_state"
UP: Final = frozenset({"connected", "limited"})
LONGEST_GAP: Final = 86_400_000
"""Milliseconds after which what is remembered says nothing any more."""
MOST: Final = 64
"""Most parts remembered of one router, each sample counting as one more; also most facts."""
_COMBINE: Final[Mapping[str, Callable[[Sequence[Any]], Any]]] = {
    "sum": sum, "max": max, "min": min, "any": any,
    "connected": lambda states: next((state for state in states if state in UP), states[0]),
}  # fmt: skip
_Values = dict[str, dict[str, "Fact"]]


class Fact(NamedTuple):
    """A value, and when the router had it, in milliseconds."""

    value: Any
    at: int


class Begun(Sealed, frozen=True, gc=False):
    """A sample that was begun: when the newest of its parts was measured, and their values by field and key."""

    newest: int
    values: _Values = msgspec.field(default_factory=dict)

    @property
    def size(self) -> int:
        """How much of the room it takes."""
        return 1 + sum(map(len, self.values.values()))

    def with_(self, parts: Sequence[Part], at: int) -> Self:
        """The sample with these parts, measured *at* a time; an older value of the same part changes nothing."""
        values = {field: dict(of_field) for field, of_field in self.values.items()}
        for part in parts:
            of_field = values.setdefault(part.field, {})
            is_newer = part.key in of_field and at >= of_field[part.key].at
            if is_newer or (part.key not in of_field and sum(map(len, values.values())) < MOST - 1):
                of_field[part.key] = Fact(part.value, at)
        return type(self)(max(self.newest, at), values)

    def together(self, parts: Sequence[Part]) -> dict[str, Any]:
        """The fields of *parts*, each made of all its values; none above the catalogue's bounds."""
        made = {}
        for part in parts:
            if said := [fact.value for fact in self.values.get(part.field, {}).values()]:
                made[part.field] = (part.most, _COMBINE[part.combine](said))
        return {field: value for field, (most, value) in made.items() if isinstance(value, str) or value <= most}


class Gathered(Sealed, frozen=True, gc=False):
    """The samples of a router that were begun, by interval. Those up to `forgotten` are not known any more."""

    begun: dict[int, Begun] = msgspec.field(default_factory=dict)
    forgotten: int = -1

    def is_late(self, interval: int | None, at: int) -> bool:
        """Whether a part was measured before another one of its sample that has come."""
        if interval is None:
            return False
        return interval <= self.forgotten or (interval in self.begun and at < self.begun[interval].newest)

    def with_(self, parts: Sequence[Part], interval: int | None, at: int) -> tuple["Gathered", dict[str, Any]]:
        """What is remembered with *parts*, and the fields they make; without an interval they are a whole sample."""
        if interval is None:
            return self, Begun(at).with_(parts, at).together(parts)
        begun = {place: one for place, one in self.begun.items() if at - one.newest <= LONGEST_GAP}
        forgotten = max([self.forgotten, *(place for place in self.begun if place not in begun)])
        if interval > forgotten:
            begun[interval] = begun.get(interval, Begun(at)).with_(parts, at)
        while len(begun) > 1 and sum(one.size for one in begun.values()) > MOST:
            forgotten = min(begun)
            del begun[forgotten]
        fields = begun[interval].together(parts) if interval in begun else {}
        return Gathered(begun, forgotten), fields

    def link(self, parts: Sequence[Part], interval: int | None, at: int) -> str | None:
        """The state of a link that several values tell of (hosts that are pinged, one by one).

        One that answers proves it is up. It is down only once all have come that the sample before had.
        """
        mine = [part for part in parts if part.field == LINK]
        if not mine or interval is None:
            return None
        sample = self.begun.get(interval, Begun(at)).with_(mine, at)
        earlier = [place for place, one in self.begun.items() if place < interval and LINK in one.values]
        wanted = self.begun[max(earlier)].values[LINK].keys() if earlier else set()
        state: str | None = sample.together(mine).get(LINK)  # none where there was no room for a part of it
        return state if state in UP or sample.values[LINK].keys() >= wanted else None
