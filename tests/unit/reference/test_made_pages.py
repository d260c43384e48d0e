"""The made pages leave nothing out, and what cannot be made says what is missing."""

import re

import pytest
from schema_documents import Document
from support import catalogue

from collector.diagnosis.judging import checked_rules
from collector.errors import DataFault
from collector.exposition import Declared
from collector.fields.catalogue import FieldEntry, InputEntry, RefusedFamily
from collector.metrics import DECLARED
from collector.model import DropReason, Removal
from collector.reference import reasons
from collector.reference.api import api_page
from collector.reference.fields import TREATMENTS, fields_page, wire_tables
from collector.reference.markdown import filled, table
from collector.reference.metrics import LABELS, metrics_page
from collector.reference.reasons import ADVICE, REMOVALS, drop_reasons_page
from collector.reference.rules import rules_page
from collector.reference.settings import settings_page
from collector.reference.shapes import TYPES

PAGES = {
    "api": api_page,
    "fields": lambda: fields_page(catalogue()),
    "drop-reasons": drop_reasons_page,
    "metrics": metrics_page,
    "rules": rules_page,
    "settings": settings_page,
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_how_it_is_made(name: str) -> None:
    """Nobody edits a made page in vain."""
    assert PAGES[name]().startswith("<!-- Made by `make docs` from `")
    assert PAGES[name]() == PAGES[name]()


def test_every_field_input_and_event_is_on_the_page() -> None:
    """The list of what is collected is complete."""
    page, book = fields_page(catalogue()), catalogue()

    names = [*(f.name for f in book.field), *(i.name for i in book.input), *(e.name for e in book.event)]

    assert [] == [name for name in names if f"\n| `{name}` |" not in page]


def test_every_refused_name_is_on_the_page() -> None:
    """A firmware author can look up any name that must not be sent."""
    page = fields_page(catalogue())
    families = catalogue().refused

    assert [] == [f.title for f in families if f"**{f.family}: {f.title}**" not in page]
    assert [] == [n for f in families for n in (*f.names, *f.envelopes, *f.paths, *f.bare) if f"`{n}`" not in page]


def test_every_rule_is_on_the_page_with_every_threshold_and_its_source() -> None:
    """Who doubts a number can look up where it is from."""
    page = rules_page()
    rules = checked_rules().all.values()

    assert [] == [rule.id for rule in rules if f"## {rule.id}\n" not in page]
    assert [] == [t.source for rule in rules for t in rule.thresholds.values() if t.source not in page]


def test_every_type_and_treatment_has_words() -> None:
    """What the catalogue's models admit is explained."""
    fields, inputs = FieldEntry.model_fields, InputEntry.model_fields
    types = {*_values(fields["type"].annotation), *_values(inputs["type"].annotation)}
    treatments = {
        *_values(fields["treatment"].annotation), *_values(RefusedFamily.model_fields["treatment"].annotation)
    }  # fmt: skip

    assert set(TYPES) == types
    assert set(TREATMENTS) == treatments


def _values(annotation: object) -> tuple[str, ...]:
    values: tuple[str, ...] = getattr(annotation, "__args__", ())
    return values


def test_the_wire_tables_hold_what_a_router_may_send_and_no_more() -> None:
    """Pseudonyms and looked-up names are not for routers to send."""
    rows = set(re.findall(r"^\| `([a-z0-9_]+)` \| `[a-z0-9]+` \|", wire_tables(catalogue()), re.MULTILINE))
    book = catalogue()

    assert {*(f.name for f in book.field if f.on_the_wire), *(i.name for i in book.input)} == rows


def test_every_drop_reason_has_advice() -> None:
    """A reason without advice is a dead end for whoever meets it."""
    assert set(DropReason) == set(ADVICE)
    assert set(Removal) == set(REMOVALS)
    assert [] == [r for r in (*DropReason, *Removal) if f"\n| `{r}` |" not in drop_reasons_page()]


def test_a_reason_without_advice_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds a reason is told where its advice goes."""
    monkeypatch.setattr(reasons, "ADVICE", {r: a for r, a in ADVICE.items() if r is not DropReason.VOID})

    with pytest.raises(DataFault, match=r"reasons\.py: reason 'void': found no advice"):
        drop_reasons_page()


def test_every_metric_and_label_is_on_the_page() -> None:
    """What is declared is documented."""
    page = metrics_page()

    assert [] == [m.name for m in DECLARED if f"\n| `{m.name}` | {m.kind} |" not in page]
    assert {label for m in DECLARED for label in m.labels} <= set(LABELS)


def test_a_label_without_values_is_named() -> None:
    """A label whose values nobody listed may be unbounded."""
    with pytest.raises(DataFault, match="label 'router': found no list of its values"):
        metrics_page([Declared("collector_x", "gauge", "X.", ("router",))])


def test_a_part_goes_between_its_markers() -> None:
    """What stands outside the markers is left alone, what stood inside is replaced."""
    text = "before\n<!-- part:begin -->\nold\n<!-- part:end -->\nafter\n"
    made = filled("page.md", text, {"part": "new"})

    assert "before\n<!-- part:begin -->\n\nnew\n\n<!-- part:end -->\nafter\n" == made
    assert made == filled("page.md", made, {"part": "new"})


@pytest.mark.parametrize("parts", [{}, {"other": "x"}, {"part": "x", "other": "y"}])
def test_markers_without_a_part_are_a_fault(parts: Document) -> None:
    """A page whose markers were renamed is not left stale in silence."""
    with pytest.raises(DataFault, match=r"page\.md: found the markers"):
        filled("page.md", "<!-- part:begin -->\n<!-- part:end -->\n", parts)


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    """A table keeps its columns."""
    assert "| a \\| b |" == table(("x",), [("a | b",)]).splitlines()[-1]
