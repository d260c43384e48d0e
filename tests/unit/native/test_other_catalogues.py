"""What the compiled reading makes of catalogues that are not the shipped one: it is told them and knows no field."""

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


def changed(old: str, **update: str) -> Catalogue:
    """The shipped catalogue with one of its fields changed."""
    whole = catalogue()
    fields = [entry.model_copy(update=update) if entry.name == old else entry for entry in whole.field]
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
        ("guest_wifi_enabled", "guest_network", minimal_document(wifi={"guest_network": "on"})),
        ("guest_wifi_enabled", "network", minimal_document(wifi={"network": "on"})),
    ],
)
def test_a_field_is_not_taken_for_what_a_report_calls_the_same(old: str, new: str, document: Document) -> None:
    """Else a country in a group would choose the region, and what stands behind a number would be stored as a time."""
    rules, sent = rules_of(changed(old, name=new)), message(document)
    assert rules.straight is not None

    record, outcome = rules.straight.record(sent), the_long_way(sent, rules)

    assert record is None or Accepted(record) == outcome


@pytest.mark.parametrize(
    "written", ["08:00:00Z", "08:00:00.5Z", "08:00:00.250000Z", "08:00:00+00:00", "10:00:00+02:00"]
)
def test_a_time_that_is_kept_is_written_as_a_record_has_it(written: str) -> None:
    """No field of the shipped catalogue is one; the two there are become minutes."""
    rules = rules_of(changed("acs_session_end_time", name="ended", treatment="keep"))
    sent = message(minimal_document(session={"ended": f"2026-11-21T{written}"}))
    assert rules.straight is not None

    record = rules.straight.record(sent)

    assert record is not None
    assert Accepted(record) == the_long_way(sent, rules)
