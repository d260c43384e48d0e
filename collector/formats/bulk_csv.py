"""CSV of bulk data reports (TR-369 1.4.1, A.3.2): a row for each parameter, or a column for each.

The profile sets the separator (`CSVEncoding.FieldSeparator`) and the quote around a field that contains it
(`EscapeCharacter`). A report names neither, so both are told from its header. Rows end where lines do.
"""

import csv
import re
from io import StringIO
from typing import Any, Final

from collector.formats.flatten import NotFlat

_SEPARATORS: Final = (",", ";", "\t", "|")
_RARE: Final = (":", " ", "#", "~", "^")
"""Separators that count only if the header has names of the standard."""
_TIME, _NAME, _VALUE = "ReportTimestamp", "ParameterName", "ParameterValue"
_PARAMETER: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,255}")
CsvSample = tuple[str | None, tuple[tuple[str, Any], ...]]
"""The time as the report gives it, and pairs of name and value."""


def csv_samples(text: str) -> list[CsvSample] | None:
    """The samples in a report, one for each time in it; None if the text is no report.

    Raises:
        NotFlat: a parameter occurs twice in one of them.
    """
    tables = (_table(text, separator, quote) for quote in _quotes_of(text) for separator in (*_SEPARATORS, *_RARE))
    table = next((rows for rows in tables if rows), None)
    if table is None:
        return None
    header, *rows = table
    if not rows or any(len(row) != len(header) for row in rows):
        return None
    return _by_row(header, rows) if _NAME in header else _by_column(header, rows)


def _quotes_of(text: str) -> tuple[str, ...]:
    """The quotes that fields may have, the likelier first: beside double quotes, a single one is an apostrophe."""
    return ('"',) if '"' in text else ("'", '"')


def _table(text: str, separator: str, quote: str) -> list[list[str]] | None:
    """The rows, without empty ones and blanks around fields; None if there is no header with this separator."""
    lines = csv.reader(
        StringIO(text, newline=""), delimiter=separator, quotechar=quote, skipinitialspace=True, strict=True
    )
    rows = ([field.strip() for field in row] for row in lines if row)
    try:
        header = next(rows, [])
        # The header first: a text that is no table is not read whole for each separator.
        return [header, *rows] if header and _is_header(header, sure=separator in _SEPARATORS) else None
    except csv.Error:
        return None


def _is_header(fields: list[str], *, sure: bool) -> bool:
    if _NAME in fields or _VALUE in fields:
        return _NAME in fields and _VALUE in fields
    if _TIME in fields:
        return len(fields) > 1
    return sure and all(_PARAMETER.fullmatch(field) for field in fields)


def _by_row(header: list[str], rows: list[list[str]]) -> list[CsvSample]:
    name, value = header.index(_NAME), header.index(_VALUE)
    time = header.index(_TIME) if _TIME in header else None
    samples: dict[str | None, list[tuple[str, Any]]] = {}
    for row in rows:
        samples.setdefault(None if time is None else row[time], []).append((row[name], row[value]))
    return [(when, tuple(pairs)) for when, pairs in samples.items()]


def _by_column(header: list[str], rows: list[list[str]]) -> list[CsvSample]:
    if len(set(header)) != len(header):
        raise NotFlat
    said = [dict(zip(header, row, strict=True)) for row in rows]
    return [(pairs.pop(_TIME, None), tuple(pairs.items())) for pairs in said]
