"""Reads a parsed report key by key, for messages the closed schema refuses: what is valid is kept, the rest is counted.

The message path comes here only with a message that holds an invalid value, a duplicate or a backslash, and to have
unknown keys counted; a clean message pays nothing for any of this.
"""

from collections import Counter, deque
from collections.abc import Collection
from typing import Any, Final, Protocol

import msgspec

from collector.fields.catalogue import GROUPS, SNAPSHOT_GROUPS, Group
from collector.fields.compiled import ENVELOPE, MAX_EVENTS, Compiled
from collector.fields.names import RefusedNames
from collector.fields.packed import unpack
from collector.model import Removal

_UNPACK_DEPTH = 4
_LONGEST_PLACE = 256
"""Characters kept of a path: a key may be as long as the message, and have thousands of keys below it."""
_TOP: Final = frozenset({*ENVELOPE, *GROUPS, "events"})
"""What a report may have at its top."""
_AGREEING: tuple[Any, ...] = (True, 1, "1")
"""Values by which another spelling of the flag says yes too (1.7.2)."""


class Notes(Protocol):
    """Takes what was removed: a counter on the message path, a list of findings in `explain`."""

    def removed(self, removal: Removal, path: str) -> None: ...


class Tally:
    """Counts removals and forgets the names (F4)."""

    def __init__(self) -> None:
        self.counts: Counter[Removal] = Counter()
        self.suspect_plmn = False

    def removed(self, removal: Removal, path: str) -> None:
        """Count one removed key."""
        self.counts[removal] += 1
        if removal is Removal.INVALID and path.endswith(("network.plmn", "network")):
            self.suspect_plmn = True


class Cleaner:
    """Builds the wire tree from what is valid in a parsed report."""

    def __init__(self, compiled: Compiled, refused: RefusedNames) -> None:
        self._compiled = compiled
        self._refused = refused

    def clean(self, document: dict[str, Any], notes: Notes) -> Any:
        """The wire tree of *document*; *notes* is told of everything that is not in it."""
        values = self._values(document, self._compiled.envelope, "", notes, skip=("ueip", "events", *GROUPS))
        for group in GROUPS:
            if group in document and (made := self._group(group, document[group], group, notes)) is not None:
                values[group] = made
        if "events" in document:
            values["events"] = self._events(document["events"], notes)
        return self._compiled.report(**values)

    def flags_disagree(self, document: dict[str, Any]) -> bool:
        """Whether another spelling of the flag stands at the top and does not say yes (1.7.2)."""
        others = [key for key in document if key not in _TOP and self._refused.spells_the_flag(key)]
        return any(not agrees(document[key]) for key in others)

    def spells_the_flag(self, name: str) -> bool:
        """Whether a name is a spelling of the flag, of whatever format (1.7.2)."""
        return self._refused.spells_the_flag(name)

    def refuse_unknown(self, document: dict[str, Any], notes: Notes) -> None:
        """Tell *notes* of the unknown keys at the top and in the groups of a report that is otherwise valid."""
        self._refuse_beside(document, _TOP, "", notes)
        for group in GROUPS:
            if group in document:
                self._refuse_beside(document[group], self._compiled.values[group], group + ".", notes)

    def refuses(self, path: str) -> bool:
        """Whether a name of another format is one that must not be kept."""
        return self._refused.family_of(path) is not None

    def refuse_paths(self, found: list[tuple[str, Any]], notes: Notes) -> None:
        """Tell *notes* of names of another format that are not kept; *found* has the path and value of each."""
        beside: dict[str, set[str]] = {}
        for path, _ in found:
            above, _, name = path.rpartition(".")
            beside.setdefault(above, set()).add(name)
        siblings = {above: frozenset(names) for above, names in beside.items()}
        for path, value in found:
            removal = self._refused.removal_of_path(path, siblings[path.rpartition(".")[0]])
            notes.removed(removal, path)
            # A message may have hundreds of texts without a structure: they are done with here.
            inside = unpack(value) if isinstance(value, str) and removal is Removal.UNKNOWN else value
            if removal is Removal.UNKNOWN and isinstance(inside, list | dict):
                self._look_inside(inside, path, notes, _UNPACK_DEPTH - isinstance(value, str))

    def refuse(self, name: str, value: Any, siblings: frozenset[str], notes: Notes) -> None:
        """Tell *notes* of an unknown key and what its *value* holds; *siblings* are all keys of its object."""
        self._refuse(name, value, siblings, "", notes)

    def _refuse_beside(self, found: dict[str, Any], known: Collection[str], path: str, notes: Notes) -> None:
        unknown = [name for name in found if name not in known]
        if unknown:
            siblings = frozenset(found)
            for name in unknown:
                self._refuse(name, found[name], siblings, path, notes)

    def _group(self, group: Group, value: Any, path: str, notes: Notes) -> Any:
        if not isinstance(value, dict):
            notes.removed(Removal.INVALID, path)
            return None
        return self._compiled.wire[group](**self._values(value, self._compiled.values[group], path + ".", notes))

    def _values(
        self, found: dict[str, Any], types: dict[str, Any], path: str, notes: Notes, skip: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        siblings = frozenset(found)
        for name, value in found.items():
            if name in skip:
                continue
            if name in types:
                self._take(values, name, value, types[name], path + name, notes)
            else:
                self._refuse(name, value, siblings, path, notes)
        return values

    def _take(self, values: dict[str, Any], name: str, value: Any, kind: Any, path: str, notes: Notes) -> None:
        if name == "disconnect_snapshot":
            values[name] = self._snapshot(value, path, notes)
            return
        try:
            values[name] = msgspec.convert({"value": value}, kind).value
        except msgspec.ValidationError:
            notes.removed(Removal.INVALID, path)

    def _snapshot(self, value: Any, path: str, notes: Notes) -> Any:
        if not isinstance(value, dict):
            notes.removed(Removal.INVALID, path)
            return msgspec.UNSET
        siblings = frozenset(value)
        made: dict[str, Any] = {}
        for name, inner in value.items():
            if name in SNAPSHOT_GROUPS:
                group = self._group(name, inner, f"{path}.{name}", notes)
                if group is not None:
                    made[name] = group
            else:
                self._refuse(name, inner, siblings, path + ".", notes)
        return self._compiled.wire_snapshot(**made)

    def _events(self, value: Any, notes: Notes) -> list[Any]:
        if not isinstance(value, list):
            notes.removed(Removal.INVALID, "events")
            return []
        for index in range(MAX_EVENTS, len(value)):
            notes.removed(Removal.INVALID, f"events[{index}]")
        made = (self._event(event, f"events[{i}]", notes) for i, event in enumerate(value[:MAX_EVENTS]))
        return [event for event in made if event is not None]

    def _event(self, value: Any, path: str, notes: Notes) -> Any:
        if not isinstance(value, dict):
            notes.removed(Removal.INVALID, path)
            return None
        values = self._values(value, self._compiled.values["event"], path + ".", notes)
        if "event" in values and "time" in values:
            return self._compiled.wire["event"](**values)
        notes.removed(Removal.INVALID, path)
        return None

    def _refuse(self, name: str, value: Any, siblings: frozenset[str], path: str, notes: Notes) -> None:
        removal = self._refused.removal_of(name, siblings)
        notes.removed(removal, path + name)
        if removal is Removal.UNKNOWN:
            self._look_inside(value, path + name, notes, _UNPACK_DEPTH)

    def _look_inside(self, value: Any, path: str, notes: Notes, depth: int) -> None:
        """Find refused names below an unknown key: nothing of it is kept, but a defect is counted as one."""
        # A queue, not recursion: what is packed into a string may nest deeper than the stack allows.
        waiting = deque([(value, path, depth)])
        while waiting:
            node, place, left = waiting.popleft()
            if isinstance(node, str):
                node, left = (unpack(node) if left else None), left - 1
            place = place[-_LONGEST_PLACE:]
            if isinstance(node, list):
                inner = place + "[]"
                waiting.extend((child, inner, left) for child in node if isinstance(child, str | list | dict))
            elif isinstance(node, dict):
                siblings = frozenset(node)
                for name, child in node.items():
                    removal = self._refused.removal_of(name, siblings)
                    if removal is not Removal.UNKNOWN:
                        notes.removed(removal, f"{place}.{name[:_LONGEST_PLACE]}")
                    elif isinstance(child, str | list | dict):
                        waiting.append((child, f"{place}.{name[:_LONGEST_PLACE]}", left))


def agrees(value: Any) -> bool:
    """Whether what stands under another spelling of the flag says yes too."""
    return any(value is yes or (type(value) is type(yes) and value == yes) for yes in _AGREEING)
