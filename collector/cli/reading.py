"""What the commands that read a router share: they ask why, and write it down before anything is shown."""

import time
from collections.abc import Iterable
from typing import Final

import click

from collector.access.entry import NotAReason, Shown, checked_reason, is_ticket
from collector.access.nouns import Allowed, Purpose, Right, may
from collector.auditing import at_terminal, audit_logs
from collector.config import Settings
from collector.model import Region

reason_option: Final = click.option(
    "--reason", metavar="TEXT", help="Why: a sentence or the number of a ticket, for the audit log."
)
Read = tuple[Region, bytes, Shown]
"""A router that was read: its region and pseudonym, and how much of it."""


class Reading:
    """A read of the routers known by *identifier*, for *reason*.

    Raises:
        click.UsageError: the reason is missing where the settings ask for one, or will not do as one.
    """

    def __init__(self, settings: Settings, right: Right, reason: str | None, identifier: str) -> None:
        self._logs = audit_logs(settings)
        self._right = right
        self._now = int(time.time() * 1000)
        self._viewer = at_terminal(settings)
        self._purpose = self._stated(reason, identifier, required=settings.audit.reason_required)

    def log(self, reads: Iterable[Read]) -> None:
        """Write down what was read of which router, and in which regions none was found.

        Raises:
            AuditUnavailable: it could not be written; show nothing.
        """
        silent = {log.region for log in self._logs if log.region is not None}
        for region, device_ref, shown in reads:
            silent.discard(region)
            self._logs.of(region).write(self._allowed(self._right, region), device_ref=device_ref, shown=shown)
        for region in sorted(silent):
            self._logs.of(region).write(self._allowed(Right.LOOKUP, region), shown={"routers": 0})

    def _allowed(self, right: Right, region: Region) -> Allowed:
        allowed = may(self._viewer, right, region, self._purpose, now=self._now)
        assert isinstance(allowed, Allowed), "the table grants it to whoever is at the terminal"
        return allowed

    def _stated(self, reason: str | None, identifier: str, *, required: bool) -> Purpose | None:
        if reason is None and required:
            raise click.UsageError(
                "expected --reason: the settings ask why a router is looked at (audit.reason_required)"
            )
        if reason is None:
            return None
        try:
            text = checked_reason(reason, (identifier,))
        except NotAReason as error:
            raise click.BadParameter(str(error), param_hint="--reason") from None
        return Purpose(text=text, ticket=is_ticket(text), given_at=self._now, until=self._now)
