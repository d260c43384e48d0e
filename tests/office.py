"""A rights desk and what stands behind it, for tests: writers at work on real stores, the API on a free port."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import lru_cache
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from ssl import SSLContext
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from msgspec.structs import replace
from records import until
from support import ROUTER, make_rules, message, minimal_document, settings_of

from collector.acks import NO_TOKEN
from collector.config import WriterSettings
from collector.config_http import ApiSettings
from collector.consent.standing import ClosedRouters
from collector.http import Listener
from collector.metrics import Metrics
from collector.model import Accepted, Region
from collector.pipeline import Rules, process
from collector.rights.acts import ActRules
from collector.rights.api import make_api
from collector.rights.desk import Desk
from collector.rules import consent_rules
from collector.stores import StoredRecord
from collector.stores.sqlite import SQLiteStore
from collector.stores.writer import Writer

TOKEN: Final = "T0ken-c4n4ry-" + "x" * 32
KEYS: Final = {region: [bytes([number + 1]) * 32] for number, region in enumerate(Region)}
JOIN: Final = {
    "country": "DE",
    "policy_version": "2020-03-14",
    "language": "en",
    "storage_regions": ["germany"],
    "adult_or_guardian": "adult",
}


class Reply(NamedTuple):
    """What the API said."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        """The text as JSON."""
        return json.loads(self.text)

    @property
    def regions(self) -> dict[str, str]:
        """What each region made of the act."""
        found: dict[str, str] = self.json()["regions"]
        return found

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.json()["error"]["code"])


class Office:
    """A collector without a broker."""

    def __init__(self, folder: Path, *, patience: float = 20, tls: SSLContext | None = None, **sections: Any) -> None:
        self.settings = settings_of(**sections)
        rules = _rules(json.dumps(sections))
        self.rules = replace(rules, closed={region: ClosedRouters() for region in Region})
        self.metrics = Metrics()
        self.stores = {region: self.store(folder, region) for region in Region}
        self.writers = {
            region: Writer(store, WriterSettings(), self.metrics, self.rules.closed[region])
            for region, store in self.stores.items()
        }
        acts = ActRules(regions=self.rules.regions, gate=self.rules.gate, pseudonyms=self.rules.pseudonyms)
        self.cleared: list[str] = []
        self.desk = Desk(acts, self.writers, patience_seconds=patience, clear=self.cleared.append)
        app = make_api(self.desk, [b"another-" + b"y" * 32, TOKEN.encode()], self.metrics.api_answers)
        self.listener = Listener(app, "api", ApiSettings(port=0), tls)

    def store(self, folder: Path, region: Region) -> SQLiteStore:
        """The store of a region."""
        return SQLiteStore(folder / f"{region}.sqlite", region, consent_rules(self.settings))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator["Office"]:
        """Everything runs."""
        running = [asyncio.create_task(writer.run()) for writer in self.writers.values()]
        running.append(asyncio.create_task(self.listener.run()))
        await until(lambda: self.listener._server.started and all(self.metrics.store_up.values()))
        try:
            yield self
        finally:
            await self.listener.stop()
            for writer in self.writers.values():
                writer.stop()
            self.desk.stop()
            async with asyncio.timeout(60):
                await asyncio.gather(*running)
            for store in self.stores.values():
                await store.close()

    async def ask(
        self,
        document: Any,
        *,
        path: str = "/v1/consent",
        method: str = "POST",
        token: str | None = TOKEN,
        kind: str | None = "application/json",
        tls: SSLContext | None = None,
    ) -> Reply:
        """Send a request as anybody would; bytes are sent as they are."""
        place = urlsplit(self.listener.address)
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        headers = {"Content-Type": kind or "", **({"Authorization": f"Bearer {token}"} if token is not None else {})}

        def talk() -> Reply:
            host, port = place.hostname or "", place.port
            connection = (
                HTTPSConnection("localhost", port, timeout=60, context=tls)
                if tls
                else HTTPConnection(host, port, timeout=60)
            )
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                return Reply(answer.status, dict(answer.headers.items()), answer.read().decode())
            finally:
                connection.close()

        return await asyncio.to_thread(talk)

    async def act(self, action: str, event_id: str = "e-1", **more: Any) -> Reply:
        """Send an act, with all that a join needs."""
        return await self.ask(act(action, event_id, **more))

    async def report(self, number: int = 1, *, router: str = ROUTER, at: int | None = None, **more: Any) -> None:
        """A report of a router is received and committed."""
        received_at = at or now()
        document = {
            **minimal_document(message_id=f"m-{number}", time=text_of_ms(received_at)),
            "router": {"serial": router, "imei": imei_of(router), "mac": mac_of(router)},
            **more,
        }
        outcome = process(message(document, router=router, received_at=received_at), self.rules)
        assert isinstance(outcome, Accepted), outcome
        self.metrics.in_flight += 1
        settled = self.metrics.stored.total() + self.metrics.dropped.total()
        self.writers[outcome.record.region].submit(outcome.record, NO_TOKEN, 0)
        await until(lambda: self.metrics.stored.total() + self.metrics.dropped.total() > settled)

    async def records(self, region: Region = Region.GERMANY, router: str = ROUTER) -> list[StoredRecord]:
        """What can be read of a router in a region."""
        ref = self.rules.pseudonyms[region].identity(router).device_ref
        return [record async for record in self.stores[region].records(ref)]

    async def acts(self, region: Region = Region.GERMANY) -> list[str]:
        """The acts in a region's ledger."""
        return [entry.action.value for entry in await self.stores[region].ledger()]


def imei_of(router: str) -> str:
    """The IMEI, with software version, of a router whose serial ends in digits."""
    return f"4901542032{router[-4:]}01"


def mac_of(router: str) -> str:
    """Its MAC."""
    return f"d8:0a:e6:01:{router[-4:-2]}:{router[-2:]}"


def act(action: str, event_id: str, **more: Any) -> dict[str, Any]:
    """An act of the router's owner; None leaves a field out."""
    said = {**JOIN, "time": text_of_ms(now())} if action == "join" else {}
    document = {"router": ROUTER, "event_id": event_id, "channel": "rights_desk", **said, **more}
    return {"action": action, **{name: value for name, value in document.items() if value is not None}}


@lru_cache(8)
def _rules(sections: str) -> Rules:
    """Compiling the catalogue takes a while, and but for who left nothing in them changes."""
    return make_rules(keys=KEYS, **json.loads(sections))


def now() -> int:
    """The time, in milliseconds."""
    return int(time.time() * 1000)


def text_of_ms(at: int) -> str:
    """A time in milliseconds as people write it, to the millisecond."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
