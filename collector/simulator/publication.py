"""What the simulator hands to a broker, and what it expects the collector to make of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

STORED = "stored"
CONSENT = "consent"


def dropped(reason: str) -> str:
    """Return the expectation of a message that the collector drops for *reason*."""
    return f"dropped:{reason}"


@dataclass(frozen=True, slots=True)
class Publication:
    """One MQTT message."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    expectation: str
    """What becomes of it: `stored`, `consent` or `dropped:<reason>`. Never part of the payload."""

    def __repr__(self) -> str:
        return f"<Publication {self.expectation}>"


@dataclass(slots=True)
class Draft:
    """A report on its way to the wire; misbehaviour changes it here, so the router itself stays honest."""

    topic: str
    report: dict[str, object]
    number: int
    """The number of the report among those of its router, from 0; habits that show only at times go by it."""
    expectation: str = STORED
    retain: bool = False
    truncate: bool = False
    repeat: bool = False

    def group(self, name: str) -> dict[str, object]:
        """Return the group *name* to change it; empty, and part of the report, if it had none."""
        found = self.report.setdefault(name, {})
        if not isinstance(found, dict):
            raise TypeError(f"{name} is not a group")
        return found

    def publications(self) -> Iterator[Publication]:
        """Yield the message, and once more if the router sends everything twice."""
        payload = encode(self.report)
        if self.truncate:
            payload = payload[: len(payload) * 2 // 3]
        yield Publication(self.topic, payload, 1, self.retain, self.expectation)
        if self.repeat:
            yield Publication(self.topic, payload, 1, self.retain, dropped("duplicate"))


def encode(document: dict[str, object]) -> bytes:
    """Return *document* as the compact JSON a router sends."""
    return msgspec.json.encode(document)
