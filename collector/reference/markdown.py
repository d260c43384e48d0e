"""Markdown, as little of it as the reference pages need."""

import re
from collections.abc import Iterable, Mapping, Sequence

from collector.errors import DataFault

_PART = re.compile(r"(<!-- (?P<name>[a-z-]+):begin -->\n)(?P<body>.*?)(<!-- (?P=name):end -->)", re.DOTALL)


def page(title: str, source: str, *sections: str) -> str:
    """A made page: the note on how it is made, the title, and the sections, a blank line between them."""
    note = f"<!-- Made by `make docs` from {source}. Change that, not this page. -->"
    return "\n\n".join((note, f"# {title}", *(section.strip() for section in sections))) + "\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar in a cell is escaped."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """*text* as code, empty for nothing."""
    return f"`{text}`" if text else ""


def codes(texts: Iterable[object]) -> str:
    """A list of codes in one line."""
    return ", ".join(code(str(text)) for text in texts)


def block(language: str, text: str) -> str:
    """A fenced block."""
    return f"```{language}\n{text.strip()}\n```"


def filled(name: str, text: str, parts: Mapping[str, str]) -> str:
    """The page *text* with *parts* between their markers, `<!-- part:begin -->` and `<!-- part:end -->`.

    Raises:
        DataFault: the markers of the page are not those of the parts, each once.
    """
    found = sorted(match["name"] for match in _PART.finditer(text))
    if found != sorted(parts):
        raise DataFault([f"{name}: found the markers {found}, expected {sorted(parts)}, each once."])
    return _PART.sub(lambda match: f"{match[1]}\n{parts[match['name']].strip()}\n\n{match[4]}", text)
