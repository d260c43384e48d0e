"""Carries out acts of consent in a running collector, through the writers, like those from the consent topic.

Rule 1: nobody is told that an act is recorded before it is durable in the ledger.
Rule 2: an act whose ledger does not answer in time is not taken back: it is still tried, and a caller who sends it
        again is told that it is there (`event_id`), as long as the ledger knows the router by the name given: one
        that is not a topic's is forgotten with the last record.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from collector.clock import Clock
from collector.consent.acts import DATED, OPENING
from collector.consent.ledger import Result
from collector.consent.standing import Standing
from collector.errors import StoreUnavailable
from collector.formats.report import ROUTER, report_topic
from collector.model import Action, ConsentEvent, DropReason, Region
from collector.pseudonym import refs_of
from collector.rights.acts import ActRules, direct_events, further_events, most_telling
from collector.rights.document import DeskDocument
from collector.stores import Router
from collector.stores.answer import Answer
from collector.stores.writer import Writer

MOST_PENDING: Final = 1000
"""Acts that may wait for a ledger at once; bounds memory while one is away."""
_SIZE: Final = 1024
Decision = dict[Region, Result | None]
"""What each region's ledger made of an act; None where it did not answer in time."""


class Desk:
    """Takes acts and says what became of them."""

    def __init__(
        self,
        rules: ActRules,
        writers: Mapping[Region, Writer],
        *,
        patience_seconds: float,
        clock: Clock | None = None,
        clear: Callable[[str], None] = lambda _: None,
    ) -> None:
        """*clear* has the broker forget what it retains for a topic of reports."""
        self._rules = rules
        self._clock = clock or Clock()
        self._writers = writers
        self._patience = patience_seconds
        self._clear = clear
        self._pending: dict[tuple[Region, bytes | None], asyncio.Future[Result]] = {}

    async def act(self, document: DeskDocument, received_at: int) -> Decision | DropReason:
        """Carry an act out in every region it concerns, or say why it is refused."""
        registry = self._rules.registry
        if document.action == "join" and registry is not None and not registry.is_known:
            return dict.fromkeys(self._writers)  # nobody can say yet where it belongs
        direct = direct_events(document, received_at, self._rules, actor_auth="api")
        if isinstance(direct, DropReason):
            return direct
        if document.action in DATED and self._clock.look():
            # It would be dated too early. What closes the gate does not wait for the clock (K38).
            return {region: None for region, _ in direct}
        # Before any router is looked up: what closes the gate must not wait for a store that hangs.
        begun = [(region, event, self._submit(region, event)) for region, event in direct]
        answers = await asyncio.gather(*(self._answer(document, *one) for one in begun))
        self._clear_retained(document, answers)
        return {region: answer for (region, _), answer in zip(direct, answers, strict=True)}

    def _clear_retained(self, document: DeskDocument, answers: Iterable[Result | None]) -> None:
        """The broker must not keep a report of a router that left (4.5); on a repetition too, it may still have one."""
        left = document.action not in OPENING and not {Result.RECORDED, Result.REPEATED}.isdisjoint(answers)
        if left and ROUTER.fullmatch(document.router):
            self._clear(report_topic(document.router))

    async def _answer(
        self, document: DeskDocument, region: Region, event: ConsentEvent, begun: asyncio.Future[Result] | None
    ) -> Result | None:
        """What a region's ledger makes of an act, and of the same for the other routers it knows by that name."""
        waiting = [begun]
        try:
            async with asyncio.timeout(self._patience):
                if event.action is not Action.JOIN:
                    keys = self._rules.pseudonyms[region]
                    known = await self._known(region, document.router)
                    further = further_events(event, document.event_id, known, keys)
                    waiting += [self._submit(region, one) for one in further]
                # Shielded: another caller may wait for the same act.
                results = [await asyncio.shield(one) for one in waiting if one is not None]
        except (TimeoutError, StoreUnavailable):
            return None
        return most_telling(results) if len(results) == len(waiting) else None

    def stop(self) -> None:
        """The writers have stopped: callers that still wait are told that the ledger did not answer."""
        pending, self._pending = self._pending, {}
        for waiting in pending.values():
            _give_up(waiting, "the collector stops")

    async def standings(self, router: str, at: int) -> dict[Region, list[Standing] | None]:
        """The standings, at a time, of the routers known by a name, by region; None where a ledger cannot be read."""
        regions = list(self._writers)
        found = await asyncio.gather(*(self._standings(region, router, at) for region in regions))
        return dict(zip(regions, found, strict=True))

    async def _standings(self, region: Region, router: str, at: int) -> list[Standing] | None:
        try:
            async with asyncio.timeout(self._patience):
                found = await self._known(region, router)
        except (TimeoutError, StoreUnavailable):
            return None
        policies = self._rules.gate.policies
        return [replace(one.standing, state=policies.state(one.standing, at)) for one in found]

    async def _known(self, region: Region, router: str) -> list[Router]:
        return await self._writers[region].store.find(refs_of(router, self._rules.pseudonyms[region]))

    def _submit(self, region: Region, event: ConsentEvent) -> asyncio.Future[Result] | None:
        """Give an event to the writer, unless the same act already waits; None if too many wait."""
        key = region, event.event_ref
        waiting = self._pending.get(key)
        if waiting is not None:
            return waiting
        if len(self._pending) >= MOST_PENDING:
            return None
        made: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._pending[key] = made

        def told(_: Region, result: Result) -> None:
            self._pending.pop(key, None)
            if not made.done():
                made.set_result(result)

        def undecided() -> None:
            if self._pending.get(key) is made:
                del self._pending[key]
                _give_up(made, "the ledger was not asked")

        self._writers[region].submit_event(event, Answer(told, _Settled(undecided)), _SIZE)
        return made


class _Settled:
    """A `Settling` for an act without a message: *done* is called once nothing more comes of it."""

    __slots__ = ("_done",)

    def __init__(self, done: Callable[[], None]) -> None:
        self._done = done

    def complete(self) -> None:
        """It was decided, or there was nothing that it could end."""
        self._done()

    def leave(self) -> bool:
        """No: nobody would send it again."""
        return False


def _give_up(waiting: asyncio.Future[Result], why: str) -> None:
    if not waiting.done():
        waiting.set_exception(StoreUnavailable(why))
        waiting.exception()  # the caller may have gone; that is no error
