"""Structured logs: an event name and bounded facts, as JSON or for people.

Rule 1: no payload, key name, topic, identifier or pseudonym, at any level. Facts are counts, durations, regions,
        states and the names of our own settings.
Rule 2: of an exception only its type and place are logged; its text may quote what a router sent.
"""

import logging
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Final, Literal

import orjson

_SELDOM_SECONDS: Final = 10.0
Fact = str | int | float | bool | None


class Logger:
    """Writes events with their facts as keyword arguments."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)
        self._times: Counter[str] = Counter()
        self._quiet_until: dict[str, float] = {}
        self.always: dict[str, Fact] = {}
        """Facts that go with every event."""

    def debug(self, event: str, **facts: Fact) -> None:
        """What only a developer wants to see."""
        self._write(logging.DEBUG, event, facts)

    def info(self, event: str, **facts: Fact) -> None:
        """A change of state an operator may want to see."""
        self._write(logging.INFO, event, facts)

    def warning(self, event: str, **facts: Fact) -> None:
        """Something is wrong and the collector copes."""
        self._write(logging.WARNING, event, facts)

    def error(self, event: str, **facts: Fact) -> None:
        """Something is wrong that a person has to look at."""
        self._write(logging.ERROR, event, facts)

    def seldom(self, event: str, **facts: Fact) -> None:
        """An error that may come with every message: written at most every ten seconds, with how often it came."""
        self._times[event] += 1
        now = time.monotonic()
        if now >= self._quiet_until.get(event, 0.0):
            self._quiet_until[event] = now + _SELDOM_SECONDS
            self.error(event, times=self._times.pop(event), **facts)

    def _write(self, level: int, event: str, facts: dict[str, Fact]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={"facts": {**self.always, **facts}})


LOG: Final = Logger("ueip")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", None) or {}
        line = {"time": _time(record), "level": record.levelname.lower(), "event": _event(record), **facts}
        return orjson.dumps(line).decode()


class _Human(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", None) or {}
        told = "".join(f"  {key}={value}" for key, value in facts.items() if value is not None)
        return f"{_time(record)[11:19]}  {record.levelname.lower():7}  {_event(record)}{told}"


def set_up_logs(*, style: Literal["json", "human"], level: str) -> None:
    """Send our events to standard error; other libraries speak only from warnings up, and only by event name."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Human())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("ueip").setLevel(level.upper())


def _event(record: logging.LogRecord) -> str:
    # A library's message may quote data; its name and level are enough to know where to look.
    return record.msg if record.name == "ueip" else f"library_message:{record.name}"


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
