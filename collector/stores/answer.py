"""Tells whoever sent an act what the ledger decided, not only that the act is settled."""

from collections.abc import Callable

from collector.acks import Settling
from collector.consent.ledger import Result
from collector.model import Region

Told = Callable[[Region, Result], None]


class Answer:
    """A `Settling` for a consent event; *told* is called once its commit is durable, then *token* is completed."""

    __slots__ = ("_token", "_told")

    def __init__(self, told: Told, token: Settling | None = None) -> None:
        self._told = told
        self._token = token

    def decided(self, region: Region, result: Result) -> None:
        """The ledger of *region* has decided, durably."""
        self._told(region, result)

    def complete(self) -> None:
        """The act is settled."""
        if self._token is not None:
            self._token.complete()

    def leave(self) -> bool:
        """Leave the message with the broker, if it came from one."""
        return self._token is not None and self._token.leave()
