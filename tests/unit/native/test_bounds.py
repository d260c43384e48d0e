"""Both readings of a plain report at every bound of the catalogue, one step beyond it, and without what is needed."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from support import Document, catalogue, event, minimal_document, standard_rules, without

from collector.fields.catalogue import GROUPS, FieldEntry, InputEntry
from collector.fields.compiled import MAX_EVENTS, MOST_UPTIME, entries_of
from collector.formats.plain import IS_COMPILED
from collector.model import Removal

pytestmark = pytest.mark.skipif(not IS_COMPILED, reason="the compiled part is not here")

_TEXTS: Final = {"text": "a", "ssid": "a", "list": "a", "domain": "a", "digits": "1", "ver64": "a", "code32": "a"}
"""What a text of these types may consist of."""
_TOO_LONG: Final = re.compile(rb": [0-9]{16}")
"""A number of more digits than are read in one pass."""


def around(bound: float, step: float = 1) -> tuple[float, float, float]:
    """A bound, and what is beside it."""
    return bound - step, bound, bound + step


def values_of(entry: FieldEntry | InputEntry) -> list[Any]:
    """Values at the bounds of an entry, and beyond them."""
    if entry.type in ("int", "number"):
        assert entry.min is not None
        assert entry.max is not None
        return [value for bound in (entry.min, entry.max) for value in around(bound)]
    if entry.type not in _TEXTS:
        return []
    bounds = {1, entry.min_length or 1, entry.max_length or 1}
    return [_TEXTS[entry.type] * int(length) for bound in bounds for length in around(bound)]


def of_the_groups() -> Iterator[tuple[str, Document]]:
    """A report for each value of each entry."""
    for group in GROUPS:
        for entry in entries_of(catalogue(), group):
            for value in values_of(entry):
                yield entry.name, minimal_document(**{group: {entry.name: value}})
    for entry in entries_of(catalogue(), "event"):
        for value in values_of(entry):
            yield entry.name, minimal_document(events=[event(**{entry.name: value})])


def of_the_envelope() -> Iterator[tuple[str, Document]]:
    """The same for what stands beside the groups."""
    for most, name in ((64, "message_id"), (32, "policy_version"), (64, "country")):
        for length in (0, 1, *around(most)):
            yield name, minimal_document(**{name: "a" * int(length)})
    for value in (*around(0), *around(MOST_UPTIME)):
        yield "uptime", minimal_document(uptime_at_event_seconds=value, uptime_at_send_seconds=value)
    for value in (0, 1, 2):
        yield "schema_version", minimal_document(schema_version=value)
    for number in (0, 1, *around(MAX_EVENTS)):
        yield "events", minimal_document(events=[event()] * int(number))


def without_something() -> Iterator[tuple[str, Document]]:
    """A report for each thing without which it is none, or its event is none."""
    for name in sorted(minimal_document().keys() - {"message_id"}):  # which the straight way looks for by itself
        yield f"no_{name}", without(minimal_document(), name)
    for name in event():
        yield f"no_{name}_of_an_event", minimal_document(events=[without(event(), name)])


DOCUMENTS: Final = [*of_the_envelope(), *of_the_groups(), *without_something()]


@pytest.mark.parametrize("document", [document for _, document in DOCUMENTS], ids=[name for name, _ in DOCUMENTS])
def test_a_bound_is_the_same_in_both_readings(document: Document) -> None:
    """A wider one would store what is not to be stored, a narrower one would cost time."""
    way = standard_rules().straight
    assert way is not None
    payload = json.dumps(document).encode()
    found, by_structs = (reading.read(payload) for reading in way._readings)
    in_one_pass = found is not None and not found.removed

    assert in_one_pass == (by_structs is not None and _TOO_LONG.search(payload) is None)


def test_some_are_within_their_bounds_and_some_are_not() -> None:
    """Else nothing was compared."""
    way = standard_rules().straight
    assert way is not None
    found = [way._readings[0].read(json.dumps(document).encode()) for _, document in DOCUMENTS]
    taken = [each is not None and not each.removed for each in found]

    assert 100 < sum(taken) < len(taken) - 100
    assert any(each is not None and each.removed == ((Removal.INVALID, 1),) for each in found)
