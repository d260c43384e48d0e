"""Every exception of the collector, each with one meaning.

A bad message raises none of these: it becomes a counted drop. These are for faults of the installation.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError


class CollectorError(Exception):
    """Something a person has to mend; its text says where, what was found, what was expected and what to do."""


class DataFault(CollectorError):
    """A file that people write (settings, catalogue, regions) has faults; all of them are listed at once."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))

    @classmethod
    def of(cls, file: str | Path, error: ValidationError, names: Any = None) -> Self:
        """Turn pydantic's findings into sentences; *names* is the raw document, used to call list entries by name."""
        return cls(_sentence(file, dict(found), names) for found in error.errors())


class StoreUnavailable(CollectorError):
    """The store did not answer or refused for now; try again later, the messages stay unacknowledged."""


class StoreUnusable(CollectorError):
    """The store cannot be used at all: wrong schema, not a store, another region's."""


class BrokerRefused(CollectorError):
    """The broker refused the connection or a subscription; the text gives its reason."""


class BrokerUnreachable(CollectorError):
    """The broker was asked for once, by a command, and did not let us in."""


class BrokerNotInstalled(CollectorError):
    """No Mosquitto was found on this machine; the text says how to install one."""


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
    return f"{where}found {_shown(found.get('input'))}, expected {_expected(message)}"


def _expected(message: str) -> str:
    for prefix in ("Input should be ", "Value should "):
        if message.startswith(prefix):
            return message.removeprefix(prefix)
    return message[:1].lower() + message[1:]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - a line a person can read


def _place(loc: tuple[int | str, ...], names: Any) -> str:
    """Spell a location, calling the entries of a list by their `name` or `family` where they have one."""
    words: list[str] = []
    node = names
    for step in loc:
        node = _child(node, step)
        label = node.get("name", node.get("family")) if isinstance(node, dict) and isinstance(step, int) else None
        words.append(f"entry {label!r}" if label else f"entry {step + 1}" if isinstance(step, int) else step)
    return ".".join(words)


def _child(node: Any, step: int | str) -> Any:
    if isinstance(node, dict):
        return node.get(step)
    if isinstance(node, list) and isinstance(step, int) and step < len(node):
        return node[step]
    return None


def where(error: BaseException) -> str:
    """File and line an exception was raised at: what a log may say of it, for its text may quote what a router sent."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "unknown"
