"""The messages that the parts of the collector are measured with, and an installation that knows them.

Rule 1: with a fixed *now*, everything is the same each time: keys, fleet, messages. So two runs can be compared.
Rule 2: every message has an id of its own, so that nothing is a duplicate.
"""

import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final

from mqtt import publish_packet
from payloads import Kind, fleet, kind_of, time_text

from collector.cli.setup import make_installation
from collector.config import Settings, load_settings, read_keys
from collector.model import Accepted, Message, Record, Region
from collector.pipeline import Rules, process
from collector.pseudonym import KEY_BYTES, Pseudonymiser
from collector.rules import assemble

FIXED: Final = 1_780_000_000.0
"""A time of receipt for counts that are kept: 28 May 2026."""
_READ: Final = 65_536
"""Bytes of one read of the socket."""


class Corpus:
    """An installation in *folder*, a fleet of *routers*, and its messages, received at *now*."""

    def __init__(self, folder: Path, routers: int, now: float | None = None) -> None:
        make_installation(folder)
        for number, key in enumerate(sorted((folder / "keys").glob("*.key"))):
            key.write_bytes(bytes([number + 1]) * KEY_BYTES)
        self.folder = folder
        self.settings: Settings = load_settings(folder / "collector.toml")
        regions = self.settings.regions
        pseudonyms = {region: Pseudonymiser(read_keys(regions.of(region))) for region in regions.enabled}
        self.rules: Rules = assemble(self.settings, pseudonyms, now=int((now or time.time()) * 1000))
        self.now = now
        self._fleet = fleet(routers)
        self._numbers = count()

    def messages(self, number: int, shape: int, *, flagged: bool = True, leaky: bool = False) -> list[Message]:
        """So many messages of one shape from all over the fleet."""
        kinds = (Kind(n % len(self._fleet), shape, flagged, leaky) for n in range(number))
        return [self._message(kind) for kind in kinds]

    def mixed(self, number: int) -> list[Message]:
        """So many messages as the fleet sends them."""
        return [self._message(kind_of(n, len(self._fleet))) for n in range(number)]

    def reads(self, messages: Sequence[Message]) -> list[bytes]:
        """The messages as they come from the broker, in pieces the size of a read."""
        stream = b"".join(
            publish_packet(message.topic.encode(), number % 60_000 + 1, message.payload)
            for number, message in enumerate(messages)
        )
        return [stream[start : start + _READ] for start in range(0, len(stream), _READ)]

    def records(self, region: Region, wanted: int) -> list[Record]:
        """So many new records of a region."""
        found: list[Record] = []
        while len(found) < wanted:
            outcomes = (process(message, self.rules) for message in self.mixed(wanted))
            found += [o.record for o in outcomes if isinstance(o, Accepted) and o.record.region is region]
        return found[:wanted]

    def _message(self, kind: Kind) -> Message:
        router, now = self._fleet[kind.router], self.now or time.time()
        template = router.templates[kind.shape]
        payload = template.payload(next(self._numbers), time_text(now), flagged=kind.flagged, leaky=kind.leaky)
        return Message(router.topic.decode(), payload, retained=False, received_at=int(now * 1000))
