"""A collector taken apart, so that a test can let something happen between any two of its steps.

Everything is the real thing, the store is on the disk; only the clock, the broker and the event loop's turn are the
test's. `Race` is one process: intake, writer, ledger, acknowledgements. `Command` is another one beside it.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from grounds import HERE as HERE  # noqa: PLC0414 - for those who race
from grounds import IN_FILE, Boundary, Ground, Seen
from notices import DIGEST
from records import SECOND
from support import NOW, POLICY, RECEIVED_AT, ROUTER, Document, encode, minimal_document, settings_of, text_of

from collector.acks import AckRing, Token
from collector.config import Settings, WriterSettings
from collector.consent.standing import MOST_CLOSED, ClosedRouters
from collector.intake import Intake
from collector.metrics import Metrics
from collector.model import Action, Channel, ConsentEvent, DropReason, Identity, Message
from collector.pipeline import Rules, process
from collector.pseudonym import Key, Pseudonymiser
from collector.rules import assemble
from collector.stores.writer import Writer

BOUNDARIES: Final[tuple[Boundary, ...]] = (
    "received", "decoded", "queued", "taken", "inside", "committed", "settled", "acknowledged",
)  # fmt: skip
"""Where a report can be: each is a boundary between two steps of ours."""

START: Final = RECEIVED_AT
MARKER: Final = "V7.Marker-kwx_QZJ"
KEY: Final = Key(b"k" * 32)


class Watched(Token, eq=False, gc=True, kw_only=True):
    """A token that remembers how often it was completed and what was on the disk then."""

    message: Message
    look: Callable[[], Seen]
    seen: list[Seen] = msgspec.field(default_factory=list)

    def complete(self) -> None:
        """The message is settled."""
        self.seen.append(self.look())
        Token.complete(self)


class Race:
    """One collector of one region, driven step by step."""

    def __init__(self, path: Path, *, ground: Ground = IN_FILE, keys: Sequence[Key] = (KEY,), **consent: Any) -> None:
        self.path = path
        self.ground = ground
        self.settings, rules = _standard(tuple(consent.items()))
        self.pseudonyms = Pseudonymiser(keys)
        self.closed = ClosedRouters()
        self.rules: Rules = msgspec.structs.replace(
            rules, pseudonyms={HERE: self.pseudonyms}, closed={HERE: self.closed}
        )
        self.metrics = Metrics((HERE,))
        self.store = ground.store(path, self.settings)
        self.writer = Writer(self.store, WriterSettings(), self.metrics, self.closed)
        self.intake = Intake(
            self.rules,
            {HERE: self.writer},
            self.metrics,
            max_in_flight_bytes=1 << 30,
            pause=lambda: None,
            resume=lambda: None,
        )
        self.connect()

    def connect(self) -> None:
        """A new connection: tokens of the old one acknowledge nothing any more."""
        self.acknowledged: list[int] = []
        self.sent: list[Watched] = []
        self.ring = AckRing(self.acknowledged.extend)

    async def open(self) -> "Race":
        """As the writer does before it takes the first message."""
        await self.store.open()
        self.closed.learn(await self.store.closed(MOST_CLOSED))
        return self

    # What arrives

    def arrives(self, payload: Document | bytes, *, at: int, kind: str = "report", **more: Any) -> Watched:
        """The bytes of a message are here and it has its token; nothing was done with it yet."""
        raw = payload if isinstance(payload, bytes) else encode(payload)
        message = Message(f"ueip/v1/{more.pop('router', ROUTER)}/{kind}", raw, more.pop("retained", False), at)
        return self.token(message)

    def token(self, message: Message) -> Watched:
        """A token for *message*, in order of receipt."""
        token = Watched(self.ring, len(self.sent) + 1, 0.0, message=message, look=self.seen)
        self.ring._waiting.append(token)
        self.sent.append(token)
        return token

    def handle(self, token: Watched) -> Watched:
        """Give the message to the intake."""
        self.intake.receive(token.message, token)
        self.check()
        return token

    def report(self, number: int = 1, *, at: int = START, router: str = ROUTER, **more: Any) -> Watched:
        """A report arrives and is handled."""
        return self.handle(self.arrives(report(number, at=at, serial=router, **more), at=at, router=router))

    def act(self, action: str, *, at: int, event_id: str | None = None, router: str = ROUTER, **more: Any) -> Watched:
        """An act of the owner arrives on the consent topic and is handled."""
        document = act(action, event_id or f"e-{len(self.sent)}-{at}", at=at, **more)
        return self.handle(self.arrives(document, at=at, kind="consent", router=router))

    def again(self, token: Watched, *, at: int) -> Watched:
        """The broker delivers a message once more."""
        return self.handle(self.token(msgspec.structs.replace(token.message, received_at=at)))

    # What is done with it

    async def commit(self) -> None:
        """Commit all that waits."""
        for _ in range(9):
            if self.writer.waiting:
                await self.writer.step()
        assert not self.writer.waiting
        self.check()

    async def at(self, boundary: Boundary, number: int, happens: Callable[[], object], *, at: int = START) -> Watched:
        """Report *number* is received and written; *happens* when it is at *boundary*."""
        token = self.arrives(report(number, at=at), at=at)
        if boundary == "received":
            happens()
        self._handle(token, happens if boundary == "decoded" else None)
        if boundary == "queued":
            happens()
        if boundary in {"taken", "inside", "committed"}:
            self.store.stop_at = boundary
            committing = asyncio.create_task(self.writer.step())
            await self.store.reached()
            happens()
            self.store.let_go()
            await committing
        if boundary == "settled":
            self.ring.hold()
            await self.commit()
            happens()
            self.ring.let_go()
        await self.commit()
        if boundary == "acknowledged":
            happens()
        return token

    def _handle(self, token: Watched, happens: Callable[[], object] | None) -> None:
        """As `handle`; *happens* between the answer of `process` and what is done with it."""
        todo = [happens] if happens else []

        def decided(message: Message, rules: Rules) -> Any:
            outcome = process(message, rules)
            while todo:
                todo.pop()()
            return outcome

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("collector.intake.process", decided)
            self.handle(token)

    # What is seen of it

    def check(self) -> None:
        """Every report has one outcome or is in flight (D21), and no message was settled twice."""
        metrics = self.metrics
        assert metrics.received == metrics.stored[HERE] + metrics.dropped.total() + metrics.in_flight
        assert all(len(token.seen) <= 1 for token in self.sent)
        assert self.acknowledged == list(range(1, len(self.acknowledged) + 1))
        assert all(self.sent[packet_id - 1].seen for packet_id in self.acknowledged)

    @property
    def outcomes(self) -> tuple[int, dict[str, int]]:
        """Stored, and dropped by reason."""
        dropped: dict[DropReason, int] = self.metrics.dropped
        return self.metrics.stored[HERE], {reason.value: count for reason, count in dropped.items() if count}

    def seen(self) -> Seen:
        """What another process finds in the store now."""
        return self.ground.seen(self.path)

    def identity(self, router: str = ROUTER) -> Identity:
        """The router as the ledger knows it."""
        return self.pseudonyms.identity(router)

    def traces(self, numbers: Sequence[int], router: str = ROUTER) -> list[bytes]:
        """What these reports would leave in the files: the marker, their ids, the router's lookup pseudonyms."""
        ids = [self.pseudonyms.uncached_ref("record", f"{router}\0m-{number}") for number in numbers]
        return [MARKER.encode(), *ids, *(ref for _, ref in self.pseudonyms.lookup(router, router, None, None))]

    def found(self, traces: Sequence[bytes]) -> list[bytes]:
        """Which of *traces* are still in the store."""
        return self.ground.found(self.path, traces)


class Command:
    """`ueip consent` by the rights desk: another connection to the store, in a thread of its own."""

    def __init__(self, race: Race, *, at: int, action: Action = Action.EXIT) -> None:
        self._race = race
        self._event = ConsentEvent(action=action, channel=Channel.RIGHTS_DESK, identity=race.identity(), received_at=at)
        self._opened, self._begin, self._asked = threading.Event(), threading.Event(), threading.Event()
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._opened.wait(20)

    def start(self) -> None:
        """Get as far as asking for the store's lock; the store is open already, which takes the lock too."""
        self._begin.set()
        assert self._asked.wait(20)

    def finish(self) -> None:
        """Wait for its end."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert not self._failed

    def run(self) -> None:
        """Begin and end."""
        self.start()
        self.finish()

    def _run(self) -> None:
        try:
            asyncio.run(self._leave())
        except BaseException as error:  # noqa: BLE001 - told in the thread of the test
            self._failed.append(error)
            self._opened.set()
            self._asked.set()

    async def _leave(self) -> None:
        store = await self._race.ground.commanded(self._race.path, self._race.settings, self._asked.set)
        self._opened.set()
        assert self._begin.wait(20)
        await store.commit([self._event])
        await store.close()


def report(number: int = 1, *, at: int = START, serial: str = ROUTER, **more: Any) -> Document:
    """A report with the marker in it, measured *at*."""
    usual = {"message_id": f"m-{number}", "time": text_of_ms(at)}
    return minimal_document(**usual, router={"serial": serial, "software_version": MARKER}) | more


def act(action: str, event_id: str, *, at: int, **more: Any) -> Document:
    """An act of the owner, with all that a join must say."""
    shown = {"policy_version": POLICY, "policy_digest": DIGEST, "language": "en"}
    joins = {**shown, "storage_regions": ["germany"], "adult_or_guardian": "adult"} if action == "join" else {}
    document = {"schema_version": 1, "event_id": event_id, "action": action, "time": text_of_ms(at), "country": "DE"}
    return {name: value for name, value in (document | joins | more).items() if value is not None}


def text_of_ms(at: int) -> str:
    """A time in milliseconds as routers write it, to the second."""
    return text_of(NOW.fromtimestamp(at / SECOND, NOW.tzinfo))


@lru_cache(16)
def _standard(consent: tuple[tuple[str, Any], ...]) -> tuple[Settings, Rules]:
    """Settings and rules for one region; compiling them takes a while, and they keep no state of a race."""
    settings = settings_of((HERE,), consent=dict(consent))
    return settings, assemble(settings, {HERE: Pseudonymiser([KEY])})
