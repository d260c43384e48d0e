"""What the compiled reading makes of a catalogue whose fields have names that a report has for something else."""

import msgspec
import pytest
from support import Document, catalogue, event, make_rules, message, minimal_document, without

from collector.fields.catalogue import Catalogue
from collector.fields.clean import Cleaner
from collector.fields.compiled import Compiled
from collector.fields.names import RefusedNames
from collector.fields.select import Selector
from collector.formats.report import ReportDecoder
from collector.model import Accepted
from collector.pipeline import Rules, the_long_way


def renamed(old: str, new: str) -> Catalogue:
    """The shipped catalogue with another name for one of its fields."""
    whole = catalogue()
    fields = [entry.model_copy(update={"name": new}) if entry.name == old else entry for entry in whole.field]
    return whole.model_copy(update={"field": tuple(fields)})


def rules_of(book: Catalogue) -> Rules:
    """Rules that collect what this catalogue names, whatever the notice says."""
    compiled = Compiled(book)
    decoder = ReportDecoder(compiled, Cleaner(compiled, RefusedNames(book)), max_bytes=65_536, max_depth=16)
    return msgspec.structs.replace(make_rules(), reports=decoder, selector=Selector(compiled))


@pytest.mark.parametrize(
    ("old", "new", "document"),
    [
        ("wifi_regulatory_country", "country", without(minimal_document(wifi={"country": "DE"}), "country")),
        ("wifi_regulatory_country", "country", minimal_document(wifi={"country": "FR"})),
        ("wan_disconnects_day", "usage", minimal_document(network={"usage": 5})),
        ("wan_disconnects_day", "usage", minimal_document(network={"usage": 5}, usage={"data_alert_percent": 9})),
        (
            "wan_disconnects_day",
            "time",
            minimal_document(events=[without(event(disconnect_snapshot={"network": {"time": 5}}), "time")]),
        ),
        ("wan_disconnects_day", "time", minimal_document(events=[event(disconnect_snapshot={"network": {"time": 5}})])),
        ("wan_disconnects_day", "events", minimal_document(network={"events": 5}, events=[event()])),
    ],
)
def test_a_field_is_not_taken_for_what_a_report_calls_the_same(old: str, new: str, document: Document) -> None:
    """Else a country in a group would choose the region, and what stands behind a number would be stored as a time."""
    rules, sent = rules_of(renamed(old, new)), message(document)
    assert rules.straight is not None

    record, outcome = rules.straight.record(sent), the_long_way(sent, rules)

    assert record is None or Accepted(record) == outcome
