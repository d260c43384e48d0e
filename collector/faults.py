"""What is wrong in a file that people write, as sentences: where, what was found, what was expected, what to do."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from collector.errors import SeveralFaults

_UNQUOTED: Final = {"int_type": "a whole number", "float_type": "a number", "bool_type": "true or false"}
_PLAIN: Final = {
    **_UNQUOTED, "string_type": "a text", "path_type": "a path", "tuple_type": "a list", "dict_type": "a table",
    "model_type": "a table",
}  # fmt: skip
"""What a setting has to be, by the type of pydantic's error."""


def sentences(file: str | Path, findings: Iterable[Mapping[str, Any]], names: Any) -> list[str]:
    """What pydantic finds in *file*; *names* is the raw document, used to call the entries of lists by name."""
    return [_sentence(file, dict(one), names) for found in findings for one in _one_by_one(found)]


def _one_by_one(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    error = found.get("ctx", {}).get("error")
    return [{**found, "msg": fault} for fault in error.faults] if isinstance(error, SeveralFaults) else [found]


def _sentence(file: str | Path, found: dict[str, Any], names: Any) -> str:
    place = _place(found["loc"], names)
    where = f"{file}: {place}: " if place else f"{file}: "
    message = str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "missing":
        return f"{where}missing. Add it."
    if found["type"] == "extra_forbidden":
        return f"{where}unknown setting. Check the spelling or remove it."
    if found["type"] in {"value_error", "assertion_error"}:
        return f"{where}{message}"
    value = found.get("input")
    expected = _PLAIN.get(found["type"]) or _expected(message)
    quoted = ". Remove the quotation marks." if isinstance(value, str) and found["type"] in _UNQUOTED else ""
    return f"{where}found {_shown(value)}, expected {expected}{quoted}"


def _expected(message: str) -> str:
    for prefix in ("Input should be ", "Value should "):
        if message.startswith(prefix):
            return message.removeprefix(prefix)
    return message[:1].lower() + message[1:]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - a line a person can read


def _place(loc: tuple[int | str, ...], names: Any) -> str:
    """Spell a location, calling the entries of a list by their `name`, `family` or `version` where they have one."""
    words: list[str] = []
    node = names
    for step in loc:
        node = _child(node, step)
        label = _label(node) if isinstance(step, int) else None
        words.append(f"entry {label!r}" if label else f"entry {step + 1}" if isinstance(step, int) else step)
    return ".".join(words)


def _label(node: Any) -> str | None:
    found = (node.get(key) for key in ("name", "family", "version")) if isinstance(node, dict) else iter(())
    return next((label for label in found if isinstance(label, str)), None)


def _child(node: Any, step: int | str) -> Any:
    if isinstance(node, dict):
        return node.get(step)
    if isinstance(node, list) and isinstance(step, int) and step < len(node):
        return node[step]
    return None
