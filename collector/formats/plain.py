"""Plain reports of the wire format v1: two readings of them, of which the compiled one is tried first (0041).

Rule 1: whatever both read is the same report and becomes the same body; the compiled one reads less.
Rule 2: without the compiled modules everything goes on as it would with them, only slower.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET

from collector.fields.select import Selector, snapshot_plmn
from collector.fields.treatments import Surroundings
from collector.formats.report import SCHEMA_VERSION, ReportDecoder, has_key_twice, milliseconds
from collector.model import PlainReport
from collector.native import is_current

IS_COMPILED = is_current()
"""Whether the compiled reading is there."""
if IS_COMPILED:
    try:
        from collector.fields import shapes
        from collector.native.bodies import Made
    except ImportError:  # files that were copied from another machine, or not all of them
        IS_COMPILED = False


class Reading(NamedTuple):
    """A way to read plain reports.

    *read* is given a payload and gives None for one that it cannot say is plain. *body* writes the body of what it
    read, with the events of which it is given the places.
    """

    read: Callable[[bytes], PlainReport | None]
    body: Callable[[Any, Sequence[int], Surroundings], bytes]


def readings(reports: ReportDecoder, selector: Selector) -> tuple[Reading, ...]:
    """The ways to read plain reports that there are, the fastest first."""
    by_structs = _by_structs(reports, selector)
    return (_in_one_pass(reports), by_structs) if IS_COMPILED else (by_structs,)


def memory_of_a_region() -> Any:
    """What a region's `Surroundings` have to have as `made`."""
    return Made() if IS_COMPILED else None


def _in_one_pass(reports: ReportDecoder) -> Reading:
    made = shapes.Shapes(reports.compiled, SCHEMA_VERSION, reports.cleaner, reports.max_depth)
    return Reading(made.reader.read, made.writer.body)


class PlainTree:
    """A plain report as the structs have it."""

    __slots__ = ("removed", "time", "tree")

    def __init__(self, tree: Any) -> None:
        self.removed = ()
        self.tree = tree
        self.time = milliseconds(tree.time)

    @property
    def flagged(self) -> bool:
        """As `PlainReport` has it."""
        return self.tree.ueip is True

    @property
    def said(self) -> tuple[str | None, ...]:
        """As `PlainReport` has it."""
        tree, named = self.tree, (None, None, None)
        plmn = None if (network := tree.network) is UNSET else network.plmn or None
        if (router := tree.router) is not UNSET:
            named = (router.serial or None, router.imei or None, router.mac or None)
        return tree.message_id or None, tree.policy_version or None, tree.country or None, plmn, *named

    @property
    def events(self) -> Sequence[tuple[int, str | None]]:
        """As `PlainReport` has it."""
        events = () if (found := self.tree.events) is UNSET else found
        return [(milliseconds(event.time), snapshot_plmn(event.disconnect_snapshot)) for event in events]


def _by_structs(reports: ReportDecoder, selector: Selector) -> Reading:
    def read(payload: bytes) -> PlainReport | None:
        tree = reports.valid(payload)
        if tree is None or tree.schema_version != SCHEMA_VERSION or tree.time is UNSET or has_key_twice(payload, tree):
            return None
        return PlainTree(tree)

    def body(plain: PlainTree, chosen: Sequence[int], around: Surroundings) -> bytes:
        tree = plain.tree
        return selector.body(tree, [tree.events[place] for place in chosen], around)

    return Reading(read, body)
