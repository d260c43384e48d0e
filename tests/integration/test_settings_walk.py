"""No path, setting, mode or tool stores without consent (D6, O09).

Every setting is walked by its model: each value of a choice, and values of all others at their bounds and between.
Under each configuration a whole collector gets everything that is no consent, and every command is run on its stores;
then every byte of every file is searched. What a router that joined sends is there, so the search does find things.
"""

import asyncio
import gc
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, cast, get_args

import click
import pytest
from click.testing import CliRunner
from notices import DIGEST
from pydantic import BaseModel
from walk import is_choice, plain_fields, values_of

from collector.acks import NO_TOKEN
from collector.cli import ueip
from collector.config import Settings
from collector.formats.adapters import KINDS
from collector.model import Message, Region
from collector.service import Service

from .harness import POLICY, consent, files_below, now_text, report, traces
from .walked import ROUNDS, loaded

CANARY: Final = "K7.kanarie-zonder-ja"
STORED: Final = "K7.marker-met-ja"
NO_YES: Final[tuple[Any, ...]] = (
    False, None, "null", 0, "0", "true", "True", "1", 1, 1.0, 2, -1, "yes", "on", "", " ", "true ", [], [True], {},
    {"value": True},
)  # fmt: skip
"""Catalogue 4.2; None leaves the flag out."""
SPELLINGS: Final = ("ueip_opt_in", "UEIP", "uEIP", "ueip ", "u\u200beip", "tr069_user_improv_flag")
LOOK_ALIKES: Final = ("privacy_read_flag", "dm_user_grant_flag", "HAS_GDPR")
CLOSED: Final = ("left", "refused", "restricted", "void", "unbound", "cancelled")
"""Routers that had joined, by what became of them."""
TOOLS: Final[dict[str, list[str] | None]] = {
    "init": ["{folder}"],
    "check-config": ["-c", "{config}"],
    "find": ["left", "-c", "{config}", "--json"],
    "diagnose": ["left", "-c", "{config}", "--json"],
    "fleet": ["-c", "{config}"],
    "explain-rule": [],
    "explain": ["{message}", "-c", "{config}"],
    "exit": ["left", "-c", "{config}", "--yes", "--country", "DE"],
    "consent exit": ["refused", "-c", "{config}", "--yes"],
    "consent void": ["void", "-c", "{config}", "--yes"],
    "consent unbind": ["unbound", "-c", "{config}", "--yes"],
    "consent cancel": ["cancelled", "-c", "{config}", "--yes"],
    "consent restrict": ["restricted", "-c", "{config}"],
    "consent unrestrict": ["nobody", "-c", "{config}"],
    "consent erase": ["nobody", "-c", "{config}", "--yes"],
    "consent hold": ["nobody", "-c", "{config}", "--reference", "CASE-1"],
    "consent release": ["nobody", "-c", "{config}", "--reference", "CASE-1", "--yes"],
    "consent join": ["nobody", "-c", "{config}", "--country", "DE"],
    "ledger verify": ["-c", "{config}"],
    "ledger head": ["-c", "{config}"],
    "ledger show": ["left", "-c", "{config}"],
    "ledger repair": ["-c", "{config}"],
    "ledger accept": ["-c", "{config}", "--region", "germany", "--reason", "a test that walks the tools"],
    "registry add": ["left", "-c", "{config}", "--country", "DE"],
    "registry show": ["left", "-c", "{config}"],
    "registry remove": ["left", "-c", "{config}"],
    "registry import": ["{list}", "-c", "{config}"],
    "audit verify": ["-c", "{config}"],
    "audit show": ["-c", "{config}"],
    "audit begin-anew": ["-c", "{config}", "--log", "germany", "--reason", "a test that walks the tools"],
    "user list": ["-c", "{config}"],
    "user add": None,  # asks for a password; tests/unit/cli
    "user change": None,
    "user lock": None,
    "user unlock": None,
    "user password": None,
    "user remove": None,
    "user sign-out": None,
    "console": None,  # only reads; test_console.py
    "run": None,  # is what runs here, by `Service`
    "store init": None,  # of a database; test_postgresql.py
    "store tidy": None,
    "store migrate": None,  # needs a second configuration; test_moving.py
    "simulate": None,  # publishes, and stores nothing
    "up": None,  # `run` with a broker; test_demo.py
}
"""How each command is run here; a new one has to be added."""


def commands(group: click.Group = ueip, before: str = "") -> Iterator[str]:
    """Every command, those of groups with the name of their group."""
    here = click.Context(group)
    for name in group.list_commands(here):
        command = group.get_command(here, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


class Collector:
    """A whole collector of this process, without a broker: messages are put where the connection puts them."""

    def __init__(self, settings: Settings, path: Path, spare: Path) -> None:
        self.service = Service(settings)
        self.settings = settings
        self.path, self.spare = path, spare
        self.said: list[tuple[str, bytes]] = []

    def gets(self, router: str, document: Any, *, kind: str = "report", topic: str | None = None, **more: Any) -> None:
        """A message arrives now."""
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        now = int(time.time() * 1000)
        self.service._intake.receive(
            Message(topic or f"ueip/v1/{router}/{kind}", raw, more.get("retained", False), now), NO_TOKEN
        )

    async def opens(self) -> None:
        """Until all that decides on messages has been read."""
        async with asyncio.timeout(60):
            while not all(self.service.metrics.store_up.values()):  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.01)
            if self.service._watch is not None:
                await self.service._watch.known(or_else=asyncio.Event())

    async def settles(self) -> None:
        """Until nothing waits."""
        async with asyncio.timeout(60):
            while self.service.metrics.in_flight or any(len(w._queue) for w in self.service._writers.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            # A commit of consent events alone is not in flight.
            await asyncio.gather(*(writer.store.head() for writer in self.service._writers.values()))

    async def tool(self, name: str) -> None:
        """Run a command beside the collector, as an operator would."""
        places = {
            "folder": self.path.parent,
            "config": self.path,
            "message": self.spare / "m.json",
            "list": self.spare / "l.csv",
        }
        words = [word.format(**places) for word in TOOLS[name] or ()]
        done = await asyncio.to_thread(CliRunner().invoke, ueip, [*name.split(), *words])
        self.said.append((f"ueip {name}", done.output.encode()))


async def owners_decide(collector: Collector) -> None:
    """Everybody joins and sends a report; then all but one leave, each in another way."""
    evidence = {"policy_version": POLICY, "policy_digest": DIGEST, "language": "en", "adult_or_guardian": "adult"}
    for router in ("joined", *CLOSED):
        collector.gets(router, consent("join", storage_regions=["germany"], **evidence), kind="consent")
    await asyncio.sleep(0.01)  # what is measured at the very moment of a join is from before it
    collector.gets("joined", report("joined", router={"serial": "joined", "software_version": STORED}))
    await collector.settles()
    collector.gets("left", consent("exit"), kind="consent")
    collector.gets("refused", report("refused", ueip=False))
    await collector.settles()
    for act in ("restrict", "void", "unbind", "cancel"):
        await collector.tool(f"consent {act}")


def canaries(mode: str) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Router, document, and what else: all that must not be stored."""
    usual: dict[str, Any] = {"router": {"software_version": CANARY}}
    for router in ("joined", "stranger"):
        for value in NO_YES[router == "joined" :]:  # a plain false would be an exit
            yield router, report(router, ueip=value, **usual), {}
        for name in (*SPELLINGS, *LOOK_ALIKES):
            yield router, report(router, ueip=None, **usual) | {name: True}, {}
        for name in SPELLINGS:
            yield router, report(router, **usual) | {name: False}, {}
        yield router, report(router, ueip=None, **usual) | {"consent": {"ueip": True}}, {}
        yield router, b'{"ueip":false,' + json.dumps(report(router, **usual)).encode()[1:], {}
        yield router, report(router, **usual), {"retained": True}
    for router in CLOSED:
        yield router, report(router, **usual), {}
    if mode == "registered":
        yield "stranger", report("stranger", **usual), {}
    yield "joined", report("joined", time="2020-01-01T00:00:00Z", **usual), {}
    yield "joined", report("joined", time=now_text().replace("20", "19", 1), **usual), {}
    yield "joined", report("joined", policy_version="none-of-ours", **usual), {}
    for body in (report("stranger", **usual), {"CANARY": CANARY}, f"1:{CANARY}".encode()):
        yield "stranger", body, {"topic": "other/stranger/x/y"}


@pytest.fixture
def calm() -> Iterator[None]:
    """The service tunes the garbage collector of its process, which here is that of all tests."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_nothing_is_stored_without_consent_whatever_is_set(number: int, tmp_path: Path, calm: None) -> None:
    """Not one byte of it, in any file, nor in what any command or page says."""
    site, spare = tmp_path / "site", tmp_path / "spare"
    spare.mkdir()
    path, settings = loaded(number, site)
    (spare / "m.json").write_text(json.dumps(report("left", router={"software_version": CANARY}, ueip=False)))
    (spare / "l.csv").write_text("router,country\nleft,DE\n")
    collector = Collector(settings, path, spare)
    running = asyncio.create_task(collector.service.run())
    await collector.opens()
    await owners_decide(collector)
    for router, document, more in canaries(settings.consent.mode):
        collector.gets(router, document, **more)
    await collector.settles()
    for name in TOOLS:
        if TOOLS[name] is not None:
            await collector.tool(name)
    for router in CLOSED:
        collector.gets(router, report(router, router={"software_version": CANARY}))
    await collector.settles()
    collector.service.stop()
    await running
    places = [*files_below(site), *((name, said) for name, said in collector.said if name != "ueip explain")]

    assert [] == traces(CANARY, places)
    assert keeps_the_control(settings) == bool(traces(STORED, places))
    assert ([1] if keeps_the_control(settings) else []) == [n for n in map(rows, site.glob("data/*.sqlite")) if n]


def keeps_the_control(settings: Settings) -> bool:
    """Whether the one report of the router that joined may be stored under these settings."""
    listed = settings.regions.registry != "required"
    return Region.GERMANY in settings.regions.enabled and "DE" not in settings.regions.blocked and listed


def rows(store: Path) -> int:
    """The records in a store."""
    with closing(sqlite3.connect(store)) as reader:
        count: int = reader.execute("SELECT count(*) FROM record").fetchone()[0]
    return count


def test_every_choice_of_every_setting_is_walked(tmp_path: Path) -> None:
    """And every format; and some rounds keep the control and some do not."""
    found = [loaded(number, tmp_path / str(number))[1] for number in range(ROUNDS)]
    missed: list[tuple[str, str, Any]] = []
    tables = {name: field.annotation for name, field in Settings.model_fields.items() if not get_args(field.annotation)}
    for name, model in tables.items():
        for setting, field in plain_fields(cast("type[BaseModel]", model)):
            seen = [getattr(getattr(settings, name), setting) for settings in found]
            missed += [(name, setting, v) for v in values_of(field) if is_choice(field) and v not in seen]

    assert [] == missed
    assert set(KINDS) == {source.format for settings in found for source in settings.sources}
    assert {True, False} == {keeps_the_control(settings) for settings in found}


def test_every_command_is_walked() -> None:
    """A new one has to say how it is run here, or why not."""
    assert set(TOOLS) == set(commands())
