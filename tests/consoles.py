"""A console for tests: an installation with records in two regions, and people of every role at its door.

Who is signed in is told by a cookie that the tests set; signing in itself has tests of its own. All else is what
`ueip console` runs.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
from starlette.requests import Request

from collector.access.accounts import Accounts
from collector.access.audit import walk
from collector.access.entry import AuditEntry
from collector.access.nouns import OWNERS_RIGHTS, Purpose, Role, Session, Viewer
from collector.auditing import audit_logs
from collector.cli.setup import make_installation
from collector.config import Settings, load_settings
from collector.console.api import api_routes
from collector.console.app import Console, make_console
from collector.console.pages import ConsolePages
from collector.console.reading import Reader
from collector.console.rendering import Forms
from collector.console.signed_in import SignedIn
from collector.console.signing import Signing
from collector.model import PURPOSE, Accepted, Message, Region
from collector.pipeline import Rules, process
from collector.rules import make_rules
from collector.simulator.ailments import AILMENTS
from collector.simulator.ward import Ward
from collector.simulator.world import PLACES
from collector.storage import plain_store

HERE: Final = Region.GERMANY
ELSEWHERE: Final = Region.HONG_KONG
DAYS: Final = 2
_STEP: Final = timedelta(minutes=30)
_AILING: Final = ("wifi_driver_errors", "disconnects_frequent")
PEOPLE: Final[Mapping[str, Viewer]] = {
    "engineer": Viewer(name="erika", role=Role.ENGINEER, regions=frozenset({HERE})),
    "engineer_elsewhere": Viewer(name="henry", role=Role.ENGINEER, regions=frozenset({ELSEWHERE})),
    "engineer_nowhere": Viewer(name="nils", role=Role.ENGINEER, regions=frozenset()),
    "operator": Viewer(name="otto", role=Role.OPERATOR, regions=frozenset({HERE})),
    "privacy_officer": Viewer(name="paula", role=Role.PRIVACY_OFFICER, regions=frozenset({HERE})),
    "auditor": Viewer(name="anna", role=Role.AUDITOR, regions=frozenset({HERE})),
}


@dataclass
class House:
    """The installation, and the serials of the routers it has records of, by region."""

    settings: Settings
    rules: Rules
    serials: dict[Region, list[str]]
    ailing: str = ""
    """One of HERE that something is wrong with."""


def house(folder: Path) -> House:
    """An installation in *folder*, filled: healthy routers and ailing ones in one region, healthy ones in another."""
    make_installation(folder)
    settings = load_settings(folder / "collector.toml")
    made = House(settings, make_rules(settings), {})
    asyncio.run(_fill(made))
    return made


async def _fill(made: House) -> None:
    begin = datetime.now(UTC) - timedelta(days=DAYS)
    ailments = [one for one in AILMENTS if one.name in _AILING]
    for region, each in ((HERE, 1), (ELSEWHERE, 0)):
        places = [place for place in PLACES if place.region == region]
        ward = Ward(healthy=3, each=each, seed=21, start=begin, ailments=ailments, places=places)
        sent = [(patient, deliveries) for patient, deliveries in ward.days(DAYS, _STEP)]
        made.serials[region] = [patient.serial for patient, _ in sent]
        made.ailing = next((p.serial for p, _ in sent if p.planted == "wifi_driver_errors"), made.ailing)
        await keep(made, region, [(d.topic, d.payload, d.received_at) for _, found in sent for d in found])


async def keep(made: House, region: Region, sent: list[tuple[str, bytes, datetime]]) -> None:
    """Have the collector take these messages."""
    records = []
    for topic, payload, at in sent:
        outcome = process(Message(topic, payload, False, int(at.timestamp() * 1000)), made.rules)
        assert isinstance(outcome, Accepted)
        records.append(outcome.record)
    store = plain_store(made.settings, region)
    await store.open()
    await store.commit(records)
    await store.close()


@dataclass
class Door:
    """Knows who is signed in by a cookie of the tests; `sessions` may be changed. Forms are checked as ever."""

    signed_in: SignedIn
    sessions: dict[str, Session] = field(default_factory=dict)

    def session_of(self, request: Request) -> Session | None:
        """The session that the cookie names."""
        return self.sessions.get(request.cookies.get("test", ""))

    async def form(self, request: Request) -> dict[str, str]:
        """As `SignedIn.form`."""
        return await self.signed_in.form(request)

    async def check(self, request: Request, session: Session) -> dict[str, str]:
        """As `SignedIn.check`."""
        return await self.signed_in.check(request, session)

    def let_in(self, word: str, viewer: Viewer, *, reason: bool = True) -> Session:
        """Somebody signs in, and gives a reason if they are to have one."""
        now = now_ms()
        aim = OWNERS_RIGHTS if viewer.role is Role.PRIVACY_OFFICER else PURPOSE
        purpose = Purpose(text="ticket 4711", ticket=True, given_at=now, until=now + 3_600_000, aim=aim)
        session = Session(
            digest=f"digest of {word}", viewer=viewer, begun_at=now, seen_at=now, csrf=f"csrf of {word}",
            purpose=purpose if reason else None,
        )  # fmt: skip
        self.sessions[word] = session
        return session


class Visit:
    """The console of a house, its door and clients for who is let in."""

    def __init__(self, made: House) -> None:
        self.house = made
        accounts, own = Accounts(made.settings.accounts_file), made.settings.console.sign_in
        signed_in = SignedIn(own, accounts, secure=False)
        # Its routes are there; who is signed in is told by the door.
        signing = Signing(own, signed_in, accounts, audit_logs(made.settings), Forms(), secure=False)
        self.door = Door(signed_in)
        self.reader = Reader(made.settings, audit_logs(made.settings))
        console = Console(made.settings.console, self.reader, self.door)
        self.app = make_console(console, ConsolePages(console), [*api_routes(console), *signing.routes])
        for word, viewer in PEOPLE.items():
            self.door.let_in(word, viewer)

    def client(self, word: str = "", **headers: str) -> httpx2.AsyncClient:
        """A browser with somebody's session, and the word that its requests must carry."""
        session = self.door.sessions.get(word)
        if session is not None:
            headers.setdefault("X-CSRF-Token", session.csrf)
        cookies = {"test": word} if word else {}
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self.app), base_url="http://127.0.0.1", cookies=cookies, headers=headers
        )

    async def handle(self, word: str = "engineer", serial: str = "") -> str:
        """What a look-up gives for a router."""
        async with self.client(word) as client:
            answer = await client.post("/api/v1/lookups", json={"identifier": serial or self.house.ailing})
        [found] = answer.json()["routers"]
        return str(found["handle"])

    def audited(self, region: Region | None = HERE) -> list[AuditEntry]:
        """The audit log of a region, which is whole."""
        walked = walk(audit_logs(self.house.settings).of(region))
        entries = list(walked.entries())
        assert walked.wrong == []
        return [entry for entry in entries if entry.what != "begun"]


def now_ms() -> int:
    """The time in milliseconds."""
    return int(datetime.now(UTC).timestamp() * 1000)


def document(answer: httpx2.Response) -> Any:
    """The JSON of an answer that shows something."""
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content)
