"""The health of the regions: from the stores, and from what a running collector says; what nobody says is null."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from consoles import ELSEWHERE, HERE, PEOPLE, House, Visit, document
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.cli.setup import make_installation
from collector.config import Settings, load_settings
from collector.consent.policy_file import default_policies_path
from collector.console import health
from collector.console.health import HealthWatch
from collector.console.health_views import RegionHealth
from collector.errors import Cause
from collector.http import READY, make_app
from collector.metrics import Metrics
from collector.model import Region
from collector.rules import make_rules
from collector.storage import plain_store

NOW = 1_800_000_000_000


@contextmanager
def collector(settings: Settings, metrics: Metrics) -> Iterator[Settings]:
    """A collector's pages with these numbers, and the settings that name its port."""
    app = make_app(metrics.registry, lambda: {"broker": READY, "germany": "closed"})
    with serving(settings, app) as named:
        yield named


@contextmanager
def serving(settings: Settings, app: Starlette) -> Iterator[Settings]:
    """Something at a port, and the settings that take it for the collector's."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()  # so that who asks before the server runs waits for it
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])), daemon=True)
        thread.start()
        port = bound.getsockname()[1]
        yield settings.model_copy(update={"http": settings.http.model_copy(update={"port": port})})
        server.should_exit = True
        thread.join(20)


def of(found: list[RegionHealth], region: Region) -> RegionHealth:
    return next(one for one in found if one.region is region)


@pytest.mark.parametrize("found", [None, b"half a key"], ids=["gone", "another"])
async def test_a_key_that_cannot_be_read_closes_its_own_region_alone(found: bytes | None, tmp_path: Path) -> None:
    """It is read with each look; the others are shown, and looked up in."""
    make_installation(tmp_path)
    settings = load_settings(tmp_path / "collector.toml")
    for region in Region:
        store = plain_store(settings, region)
        await store.open()
        await store.close()
    visit = Visit(House(settings, make_rules(settings), {}))
    visit.door.let_in("both", replace(PEOPLE["engineer"], regions=frozenset({HERE, ELSEWHERE})))
    [key] = settings.regions.of(HERE).key_files
    key.unlink() if found is None else key.write_bytes(found)
    async with visit.client("both") as client:
        seen = document(await client.get("/api/v1/health"))
        looked = await client.post("/api/v1/lookups", json={"identifier": "nobody-knows"})

    states = {one["region"]: one["store"]["state"] for one in seen["regions"]}
    assert states == dict.fromkeys(Region, READY) | {HERE: Cause.LOST_KEY}
    assert (looked.status_code, looked.json()["error"]["code"]) == (503, "store_unavailable")
    assert [entry.outcome for entry in visit.audited(ELSEWHERE)] == ["shown"]


async def test_a_notice_that_cannot_be_read_is_told_as_such_until_it_can(tmp_path: Path) -> None:
    """It is read with each look: while somebody writes it, nobody is told that the console has a bug."""
    make_installation(tmp_path)
    settings = load_settings(tmp_path / "collector.toml")
    policies = tmp_path / "policies.toml"
    settings = settings.model_copy(update={"consent": settings.consent.model_copy(update={"policies": policies})})
    policies.write_bytes(default_policies_path().read_bytes())
    store = plain_store(settings, HERE)
    await store.open()
    await store.close()
    visit = Visit(House(settings, make_rules(settings), {}))
    sound, seen = policies.read_bytes(), list[object]()
    for found in (b"[[policy]]\nversion =", sound):
        policies.write_bytes(found)
        async with visit.client("engineer") as client:
            looked = await client.post("/api/v1/lookups", json={"identifier": "nobody-knows"})
        seen.append((looked.status_code, looked.json().get("error", {}).get("message")))
        here = of((await HealthWatch(settings).view(NOW)).regions, HERE)
        seen.append((here.store.state, here.store.advice))

    assert seen == [
        (503, "The region's store is away: notice unreadable."),
        (Cause.BAD_NOTICE, Cause.BAD_NOTICE.advice),
        (200, None),
        (READY, None),
    ]


async def test_a_stopped_collector_says_nothing_and_the_stores_do(a_house: House) -> None:
    """Nothing is made up: no rate, no exits, no spool."""
    nowhere = a_house.settings.http.model_copy(update={"port": 1})
    view = await HealthWatch(a_house.settings.model_copy(update={"http": nowhere})).view(NOW)
    here = of(view.regions, HERE)

    assert view.collector is None
    assert {one.running for one in view.regions} == {None}
    assert (here.store.state, here.store.ledger, here.store.ledger_entries) == (READY, "agrees with its witness", 5)
    assert here.store.last_received_at is not None
    assert of(view.regions, Region.CHINA).store.state == "not made yet"


@pytest.mark.parametrize(
    ("status", "text"),
    [(200, "<html>a page"), (200, "{}"), (200, '{"parts":[]}'), (404, "not here"), (200, b"\xff\xfe"), (503, "")],
)
async def test_what_answers_and_is_no_collector_says_nothing(a_house: House, status: int, text: str | bytes) -> None:
    """Its port may be another service's while it is stopped; the stores are told all the same."""

    async def other(_: Request) -> Response:
        return Response(text, status)

    with serving(a_house.settings, Starlette(routes=[Route("/{path}", other)])) as settings:
        view = await HealthWatch(settings).view(NOW)

    assert view.collector is None
    assert {one.running for one in view.regions} == {None}
    assert of(view.regions, HERE).store.state == READY


async def test_a_running_collector_says_how_it_goes(a_house: House) -> None:
    """Per region: what it stored, what waits, how long exits took, why its store is closed."""
    metrics = Metrics()
    metrics.stored[HERE] = 600
    metrics.store_up[HERE] = True
    metrics.store_cause[Region.CHINA] = Cause.DISK_FULL
    metrics.exits.waiting[HERE] = lambda: (Counter({"topic": 1, "api": 1}), 1.5)
    metrics.exits.seconds.labels(HERE).observe(0.5)
    with collector(a_house.settings, metrics) as settings:
        view = await HealthWatch(settings).view(NOW)
    here, china = (of(view.regions, region).running for region in (HERE, Region.CHINA))

    assert view.collector == {"broker": READY, "germany": "closed"}
    assert here is not None
    assert china is not None
    assert (here.store, here.records_stored, here.records_per_minute) == (READY, 600, None)
    assert (here.exits.waiting, here.exits.oldest_seconds, here.exits.done, here.exits.mean_seconds) == (2, 1.5, 1, 0.5)
    assert (china.store, china.exits.done, china.exits.mean_seconds) == ("disk full", 0, None)


async def test_a_rate_is_between_two_looks_and_begins_anew_with_the_collector(a_house: House) -> None:
    """A counter that fell is that of another process."""
    metrics = Metrics()
    metrics.stored[HERE] = 600
    rates = []
    with collector(a_house.settings, metrics) as settings:
        watch = HealthWatch(settings)
        for stored in (600, 900, 10):
            metrics.stored[HERE] = stored
            watch._kept = None
            running = of((await watch.view(NOW)).regions, HERE).running
            assert running is not None
            rates.append(running.records_per_minute)

    assert rates[0] is None
    assert rates[1] is not None
    assert rates[1] > 0
    assert rates[2] is None


async def test_many_who_look_are_served_by_one_look(a_house: House) -> None:
    """Pages that look again by themselves do not add up."""
    watch = HealthWatch(a_house.settings)
    one, two = await asyncio.gather(watch.view(NOW), watch.view(NOW))

    assert one is two
    assert health.KEPT_SECONDS > 0
