"""`docs/reference/aliases.md`: every name of every alias map, which field it becomes and where it was seen."""

from collections.abc import Iterator, Sequence

from collector.formats.aliases import FORMATS, Alias, AliasMap, load_aliases
from collector.formats.conditions import When
from collector.reference.markdown import code, codes, page, table

_HEADINGS = ("names", "becomes", "conversion", "unset", "instances", "only where", "source")


def aliases_page() -> str:
    """The reference of aliases, a table for each map."""
    return page(
        "Aliases",
        "`schemas/formats/*.toml`",
        "Every name in the formats of [sources](../formats.md) whose value is kept. Any other name is counted and "
        "forgotten. How to write an entry: [alias-maps.md](../alias-maps.md). What becomes of a field: "
        "[fields.md](fields.md).",
        *(part for name in FORMATS for part in _map_parts(load_aliases(name))),
    )


def _map_parts(aliases: AliasMap) -> Iterator[str]:
    yield f"## {aliases.format}"
    unset = codes(_shown(raw) for raw in aliases.unset)
    if unset:
        yield f'Values that mean "not measured" under every name: {unset}.'
    yield table(_HEADINGS, (_row(alias) for alias in aliases.alias))


def _row(alias: Alias) -> Sequence[str]:
    return (
        codes(alias.names),
        _target(alias),
        _conversion(alias),
        codes(_shown(raw) for raw in alias.unset),
        "" if alias.combine == "first" else alias.combine,
        "; ".join(map(_condition, alias.conditions)),
        alias.source,
    )


def _target(alias: Alias) -> str:
    field = code(alias.field or "")
    event = f"event {code(alias.event)}" if alias.event else ""
    return ", ".join(filter(None, (field, event)))


def _conversion(alias: Alias) -> str:
    parts = [code(alias.convert or ""), "rate of a counter" if alias.counter else "", "joined" if alias.joined else ""]
    listed = alias.values or alias.words
    meant = codes(f"{_shown(value)} = {_shown(meaning)}" for value, meaning in listed.items()) if listed else ""
    return "; ".join(filter(None, (*parts, meant)))


def _condition(when: When) -> str:
    asked = {
        "is": when.is_, "is not": when.not_, "has": when.has, "lacks": when.lacks, "is between": when.between,
    }  # fmt: skip
    ways = [f"{word} {codes(_shown(raw) for raw in given)}" for word, given in asked.items() if given is not None]
    if when.absent:
        ways.append("is not there")
    via = f" (by {codes(when.via)})" if when.via else ""
    return f"{code(when.name)}{via} {' or '.join(ways)}"


def _shown(raw: object) -> str:
    return '""' if raw == "" else str(raw)
