"""`docs/reference/fields.md`, and the tables of `docs/firmware.md`: every name of the catalogue."""

from collections.abc import Sequence
from typing import Final

from collector.fields.catalogue import GROUPS, Catalogue, FieldEntry, Group, InputEntry, RefusedFamily
from collector.reference.markdown import code, codes, page, table
from collector.reference.schema import on_the_wire
from collector.reference.shapes import TYPES, bounds

_GROUPS: Final[tuple[Group, ...]] = (*GROUPS, "event")
TREATMENTS: Final = {
    "keep": "Stored as sent.",
    "coarsen": "Stored rounded, or left out if it would describe one person's device.",
    "pseudonymise": "Stored as a keyed pseudonym (`*_ref`); the value itself is forgotten.",
    "derive": "Stored as a class, a yes or no, or a name from a closed list; what it is worked out from is forgotten.",
    "local_only": "Must never leave the router. Removed and counted, with an alert for the operator.",
    "not_collected": "Of no use to the programme. Removed and counted.",
}
"""Every treatment of the catalogue."""


def fields_page(catalogue: Catalogue) -> str:
    """The reference of fields, inputs, events and refused names."""
    return page(
        "Fields",
        "`schemas/fields.toml`",
        "Everything that the collector may keep of a message, and the names of what it must not. A field without an "
        "entry here cannot be stored. `row` and `clause` say which item of the notice a field stands for; `since` is "
        "the schema version that introduced it.",
        "## Treatments",
        table(("treatment", "what becomes of the value"), ((code(n), text) for n, text in TREATMENTS.items())),
        "## Types",
        table(("type", "what it takes"), ((code(name), text) for name, text in TYPES.items())),
        "## Fields of a record",
        *_canonical(catalogue),
        "## Inputs",
        "What a router may send only so that fields can be worked out from it. Inputs are never stored.",
        _inputs(catalogue),
        "## Event kinds",
        _events(catalogue),
        "## Refused names",
        "The protection is the allow-list above; these names only decide as what a removed key is counted. Names are "
        "compared as a whole, and letter case, camel case and separators do not matter.",
        *_refused(catalogue.refused),
    )


def wire_tables(catalogue: Catalogue) -> str:
    """What a router may send, group by group, for the firmware author's guide."""
    used = {entry.type for group in _GROUPS for entry in on_the_wire(catalogue, group)}
    types = table(("type", "what it takes"), ((code(name), text) for name, text in TYPES.items() if name in used))
    groups = (_wire_group(catalogue, group) for group in _GROUPS)
    return "\n\n".join(["### Types", types, *groups, "### Kinds of event", _events(catalogue)])


def _wire_group(catalogue: Catalogue, group: Group) -> str:
    rows = [
        (code(entry.name), code(entry.type), entry.unit or "", bounds(entry), _purpose(entry))
        for entry in on_the_wire(catalogue, group)
    ]
    title = "### Fields of an event" if group == "event" else f"### `{group}`"
    return f"{title}\n\n" + table(("name", "type", "unit", "bounds or values", "meaning"), rows)


def _purpose(entry: FieldEntry | InputEntry) -> str:
    if isinstance(entry, InputEntry):
        return f"{entry.description} Never stored; gives {codes(entry.feeds)}."
    return entry.description


def _canonical(catalogue: Catalogue) -> list[str]:
    headings = ("name", "type", "unit", "bounds or values", "treatment", "sent", "row", "clause", "since", "meaning")
    made = []
    for group in _GROUPS:
        rows = [_field_row(f) for f in catalogue.field if f.group == group or (group == "event" and f.on_events)]
        made += [f"### {group}", table(headings, rows)]
    return made


def _field_row(entry: FieldEntry) -> Sequence[str]:
    sent = "yes" if entry.on_the_wire else "no"
    return (
        code(entry.name), code(entry.type), entry.unit or "", bounds(entry), code(entry.treatment), sent,
        entry.row, entry.clause, str(entry.since), entry.description,
    )  # fmt: skip


def _inputs(catalogue: Catalogue) -> str:
    headings = ("name", "group", "type", "bounds", "treatment", "feeds", "row", "clause", "since", "meaning")
    return table(
        headings,
        (
            (
                code(i.name), code(i.group), code(i.type), bounds(i), code(i.treatment), codes(i.feeds),
                i.row, i.clause, str(i.since), i.description,
            )
            for i in catalogue.input
        ),
    )  # fmt: skip


def _events(catalogue: Catalogue) -> str:
    rows = ((code(e.name), e.row, e.clause, str(e.since), e.description) for e in catalogue.event)
    return table(("event", "row", "clause", "since", "meaning"), rows)


def _refused(families: Sequence[RefusedFamily]) -> list[str]:
    made = []
    for treatment in ("local_only", "not_collected"):
        made.append(f"### {treatment}")
        made += [_family(family) for family in families if family.treatment == treatment]
    return made


def _family(family: RefusedFamily) -> str:
    parts = [f"**{family.family}: {family.title}** ({family.clause})"]
    names = list(dict.fromkeys((*family.names, *family.envelopes, *family.paths)))
    if names:
        parts.append(f"Names: {codes(names)}.")
    if family.bare:
        parts.append(f"Only beside or below one of these: {codes(family.bare)}.")
    return "  \n".join(parts)
