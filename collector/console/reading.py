"""The one way from a signed-in person to what is stored: ask `may`, look it up, write it down, and only then show it.

Rule 1: every method asks `may` before it reads and writes the audit log before it answers. What cannot be written down
        is not shown.
Rule 2: the region that is read is the one that `may` allowed.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from collector.access.audit import Logged
from collector.access.entry import Shown
from collector.access.nouns import TABLE, Allowed, Refused, Right, Session, may
from collector.auditing import Logs
from collector.config import Settings
from collector.console import views
from collector.console.building import audit_view, consent_view, rule_view, series_view
from collector.console.fleet import FleetKeeper
from collector.console.handles import Handled, Handles
from collector.console.health import HealthWatch
from collector.console.health_views import HealthView
from collector.console.journal import newest
from collector.derive import text_of
from collector.diagnosis.document import document
from collector.diagnosis.history import DAY
from collector.diagnosis.judging import checked_rules
from collector.diagnosis.series import lines_of
from collector.errors import AuditUnavailable, StoreUnavailable
from collector.examination import Examined, examine_one
from collector.lookup import is_readable, known_routers, ledger_of
from collector.model import Region

LONGEST_WINDOW: Final = 400 * DAY
MOST_ENTRIES: Final = 200
"""Entries of an audit log on one page."""


class NotAllowed(Exception):
    """Nothing may be shown: `refused` says why; it is in the audit log."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason.value)
        self.refused = refused


class NotServed(Exception):
    """A region that is not served here: there is nothing of it, and no log to write into."""


class UnknownHandle(Exception):
    """The session has no such handle: it is another session's, has been forgotten, or never was one."""


class Reader:
    """Shows what may be shown. Every method takes the session it is for."""

    def __init__(self, settings: Settings, logs: Logs, *, clock: Callable[[], int] | None = None) -> None:
        """*clock* gives the time in milliseconds."""
        self.settings = settings
        self.fleets = FleetKeeper(settings)
        self._logs = logs
        self._clock = clock or (lambda: int(time.time() * 1000))
        self._handles = Handles()
        self._health = HealthWatch(settings)

    def handle_of(self, session: Session, region: Region, device_ref: bytes) -> str:
        """The handle of a router in a session. It gives no right: that is asked for with every use of it."""
        return self._handles.give(session.digest, region, device_ref)

    async def viewer(self, session: Session) -> views.ViewerView:
        """Who is signed in."""
        purpose = session.purpose if session.purpose and session.purpose.holds(self._clock()) else None
        return views.ViewerView(
            name=session.viewer.name,
            role=session.viewer.role.value,
            regions=sorted(session.viewer.regions & set(self.settings.regions.enabled)),
            rights=[right.value for right in TABLE.get(session.viewer.role, {})],
            csrf=session.csrf,
            purpose=purpose.text if purpose else None,
            purpose_until=text_of(purpose.until) if purpose else None,
        )

    async def lookup(self, session: Session, identifier: str, region: Region | None = None) -> views.LookupView:
        """The routers known by an identifier in the viewer's regions, or in one of them.

        A region whose store is away keeps nobody from what the others know.

        Raises:
            NotServed: there is no such region here.
            NotAllowed: the viewer may not look there, or gave no reason.
            StoreUnavailable: a store cannot be read, and no other one knows the router.
            AuditUnavailable: it cannot be written down.
        """
        allowed = await self._in_regions(session, Right.LOOKUP, region)
        found, away = [], dict[Region, StoreUnavailable]()
        for one in allowed:
            assert one.region is not None
            try:
                routers = await known_routers(self.settings, one.region, identifier)
            except StoreUnavailable as error:
                away[one.region] = error
                continue
            for router in routers:
                ref = router.standing.device_ref
                handle = self.handle_of(session, one.region, ref)
                known = views.KnownRouter(handle, one.region, ref.hex(), is_readable(router))
                await self._write(one, device_ref=ref, shown={"readable": int(known.readable)})
                found.append(known)
            if not routers:
                await self._write(one, shown={"routers": 0})
        if away and not found:
            raise next(iter(away.values()))
        return views.LookupView(found, list(away))

    async def router(self, session: Session, handle: str, window: int = 7 * DAY) -> views.RouterView:
        """All of a router's page, over the last *window* milliseconds.

        Raises:
            UnknownHandle, NotAllowed, StoreUnavailable, AuditUnavailable: as named.
        """
        handled, allowed = await self._handled(session, handle, Right.DIAGNOSIS)
        assert allowed.region is not None
        now = self._clock()
        examined = await examine_one(
            self.settings, allowed.region, handled.device_ref, window=min(window, LONGEST_WINDOW), now=now
        )
        if examined is None:
            raise UnknownHandle
        shown: Shown = {
            "records": len(examined.history.samples),
            "findings": len(examined.findings),
            "since": examined.history.since,
            "until": now,
        }
        view = await asyncio.to_thread(_router_view, handle, examined)
        await self._write(allowed, device_ref=handled.device_ref, shown=shown)
        return view

    async def consent(self, session: Session, handle: str) -> views.ConsentView:
        """What the ledger says of a router.

        Raises:
            UnknownHandle, NotAllowed, StoreUnavailable, AuditUnavailable: as named.
        """
        handled, allowed = await self._handled(session, handle, Right.CONSENT)
        assert allowed.region is not None
        router, entries = await ledger_of(self.settings, allowed.region, handled.device_ref)
        if router is None:
            raise UnknownHandle
        view = consent_view(allowed.region, router.standing, entries)
        await self._write(allowed, device_ref=handled.device_ref, shown={"entries": len(entries)})
        return view

    async def fleet(self, session: Session, region: Region | None = None) -> list[views.FleetView]:
        """What stands out in the fleets of the viewer's regions, or of one of them.

        Raises:
            NotServed, NotAllowed, AuditUnavailable: as named.
        """
        found = []
        for one in await self._in_regions(session, Right.FLEET, region):
            assert one.region is not None
            view = self.fleets.view(one.region, self._clock())
            await self._write(one, shown={"alarms": len(view.survey.alarms) if view.survey else 0})
            found.append(view)
        return found

    async def audit(self, session: Session, region: Region | None, before: int | None = None) -> views.AuditView:
        """A page of the audit log of a region, or of accounts; the entries numbered below *before*.

        Raises:
            NotServed, NotAllowed, AuditUnavailable: as named.
        """
        allowed = await self._ask(session, Right.AUDIT, region)
        try:
            entries = await asyncio.to_thread(newest, self._logs.of(region), before=before, most=MOST_ENTRIES + 1)
        except OSError as error:
            raise AuditUnavailable(f"the audit log cannot be read: {error.strerror}") from None
        shown = entries[:MOST_ENTRIES]
        await self._write(allowed, shown={"entries": len(shown)})
        return audit_view(region, shown, more=len(entries) > MOST_ENTRIES)

    async def health(self, session: Session) -> HealthView:
        """The health of the regions: nothing personal, so looks at it are not written down.

        Raises:
            NotAllowed: the viewer may not see it.
        """
        await self._ask(session, Right.HEALTH, None)
        return await self._health.view(self._clock())

    async def rules(self, session: Session) -> list[views.RuleView]:
        """The rules of the diagnosis. They are in the documentation too: whoever is signed in may read them."""
        del session
        return [rule_view(rule) for rule in checked_rules().all.values()]

    async def _handled(self, session: Session, handle: str, right: Right) -> tuple[Handled, Allowed]:
        handled = self._handles.of(session.digest, handle)
        if handled is None:
            raise UnknownHandle
        return handled, await self._ask(session, right, handled.region, device_ref=handled.device_ref)

    async def _in_regions(self, session: Session, right: Right, region: Region | None) -> list[Allowed]:
        """What `may` allows in each of the viewer's regions that is served here, or in the one that is asked for."""
        served = self.settings.regions.enabled
        regions = [one for one in served if one in session.viewer.regions] if region is None else [region]
        # Somebody without a region here is refused as well, and that is written down.
        return [await self._ask(session, right, one) for one in regions or served[:1]]

    async def _ask(
        self, session: Session, right: Right, region: Region | None, *, device_ref: bytes | None = None
    ) -> Allowed:
        if region is not None and region not in self.settings.regions.enabled:
            raise NotServed
        asked = may(session.viewer, right, region, session.purpose, now=self._clock())
        if isinstance(asked, Refused):
            await self._write(asked, device_ref=device_ref)
            raise NotAllowed(asked)
        return asked

    async def _write(
        self, asked: Allowed | Refused, *, device_ref: bytes | None = None, shown: Shown | None = None
    ) -> Logged:
        log = self._logs.of(asked.region)
        return await asyncio.to_thread(lambda: log.write(asked, device_ref=device_ref, shown=shown))


def _router_view(handle: str, examined: Examined) -> views.RouterView:
    router, region = examined.found.router, examined.found.region
    ref, readable = router.standing.device_ref, is_readable(router)
    made = document(
        region, ref, examined.history, examined.findings, examined.timeline,
        readable=readable, cut_off=examined.cut_off,
    )  # fmt: skip
    series = series_view(region, ref, examined.history, lines_of(examined.history), readable=readable)
    return views.RouterView(handle, made, series)
