"""Canaries behind the console: what a router must not tell is on no page, in no answer of the API, in no line of a log.

And what somebody types there is kept nowhere: an identifier that is looked up, a password, an address, a header. People
of every role go through every route of the running program; one that is not gone through fails the test.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from provider import OwnProvider
from starlette.routing import Mount, Route

from collector.access.accounts import Accounts
from collector.access.oidc import provider_of
from collector.auditing import audit_logs
from collector.broker import free_port
from collector.config import load_settings
from collector.console.reading import Reader
from collector.console.serving import application

from .harness import Site, files_below, traces, wait_until
from .test_canary import ADDRESS, CANARY, IMEI, NUMBER, plant, smuggled
from .test_console import PASSWORD, add, browser, console, sign_in, wait_for_health

TYPED: Final = "ZTEQXKANARI4711"
"""An identifier of a router that nobody knows; typed into forms."""
STRAYED: Final = "ZTEQXIRRWEG0815"
"""Where nobody should write one: in addresses, headers and cookies. A page may lead back to where one was."""
PEOPLE: Final = {
    # who, as what, in which language
    "erika": ("engineer", "zh"),
    "otto": ("operator", "de"),
    "paula": ("privacy_officer", "de"),
    "anna": ("auditor", "en"),
}
SHOWN: Final[Mapping[str, set[str]]] = {
    "erika": {
        "GET /", "GET /routers/{handle}", "GET /fleet", "GET /regions", "POST /api/v1/lookups",
        "GET /api/v1/routers/{handle}", "GET /api/v1/routers/{handle}/series", "GET /api/v1/fleet",
        "GET /api/v1/health",
    },
    "otto": {"GET /regions", "GET /api/v1/health"},
    "paula": {
        "GET /routers/{handle}", "GET /audit", "POST /api/v1/lookups", "GET /api/v1/routers/{handle}/consent",
        "GET /api/v1/audit",
    },
    "anna": {"GET /audit", "GET /api/v1/audit"},
}  # fmt: skip
"""What each of them is really shown, lest the search be one of refusals only."""
STATIC: Final = Path(str(files("collector.console"))) / "static"
API: Final = "/api/v1"


class Patient(httpx2.HTTPTransport):
    """Asks again when it is told to wait."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, which is none of too many requests."""
        for _ in range(60):
            answer = super().handle_request(request)
            if answer.status_code != 429:
                return answer
            answer.close()
            time.sleep(float(answer.headers["Retry-After"]))
        pytest.fail("always too many requests")


class Walk:
    """Somebody who goes everywhere. All that is asked and answered is kept, whole."""

    def __init__(self, address: str, name: str) -> None:
        self.name = name
        self.addresses: list[tuple[str, bytes]] = []
        self.said: list[tuple[str, bytes]] = []
        self.asked: list[tuple[str, str, int]] = []
        self.client = browser(address, transport=Patient(), event_hooks={"response": [self._keep]})
        strayed = {"User-Agent": STRAYED, "Referer": f"{address}/{STRAYED}", "Accept-Language": PEOPLE[name][1]}
        self.client.headers.update(strayed)
        self.client.cookies.set("strayed", STRAYED)

    def _keep(self, answer: httpx2.Response) -> None:
        request = answer.request
        what = f"{self.name}: {request.method} {request.url.path} {answer.status_code}"
        headers = b"\n".join(name + b": " + value for name, value in answer.headers.raw)
        self.said.append((what, headers + b"\n\n" + answer.read()))
        self.addresses.append((what, str(request.url).encode()))
        self.asked.append((request.method, request.url.path, answer.status_code))

    def everywhere(self) -> None:
        """Through every route, from the sign-in to the sign-out."""
        with self.client:
            self._at_the_door()
            csrf = self._reason()
            handles = [*self._look_up(csrf), STRAYED]
            self._pages(csrf)
            for handle in dict.fromkeys(handles):
                for place in (f"/routers/{handle}", f"{API}/routers/{handle}"):
                    self._get(place, f"{place}?since=30d", f"{place}?since={STRAYED}")
                self._get(f"{API}/routers/{handle}/series", f"{API}/routers/{handle}/consent")
            self.client.post("/sign-out", data={"csrf": csrf})
            self._get("/", "/fleet")

    def _get(self, *places: str) -> None:
        for place in places:
            self.client.get(place)

    def _at_the_door(self) -> None:
        self._get("/", "/reason", f"/sign-in?next=/{STRAYED}", f"/sign-in/oidc?next=/{STRAYED}")
        self._get(f"/sign-in/oidc/callback?code={STRAYED}&state={STRAYED}")
        word = re.search(r'name="csrf" value="([^"]+)"', self.client.get("/sign-in").text)
        assert word is not None
        wrong = {"csrf": word[1], "name": TYPED, "password": TYPED, "next": f"/{STRAYED}"}
        assert self.client.post("/sign-in", data=wrong).status_code == 403
        sign_in(self.client, self.name)

    def _reason(self) -> str:
        csrf: str = self.client.get(f"{API}/session").json()["csrf"]
        self._get("/reason")
        self.client.post("/reason", data={"csrf": csrf, "reason": "", "hours": TYPED})
        given = {"csrf": csrf, "reason": "ticket 4711", "hours": "1", "back": "/"}
        assert self.client.post("/reason", data=given).status_code == 303
        return csrf

    def _look_up(self, csrf: str) -> Iterator[str]:
        """The handles of the routers that are found."""
        word = {"X-CSRF-Token": csrf}
        for identifier in (IMEI, CANARY, TYPED):
            form = {"csrf": csrf, "identifier": identifier, "since": TYPED}
            posted = self.client.post("/lookup", data=form)
            yield from re.findall(r"^/routers/([^?]+)", posted.headers.get("location", ""))
            self.client.post("/lookup", data=form | {"csrf": TYPED})
            answer = self.client.post(f"{API}/lookups", json={"identifier": identifier}, headers=word)
            self.client.post(f"{API}/lookups", json={"identifier": identifier, "region": TYPED}, headers=word)
            yield from (found["handle"] for found in answer.json().get("routers", ()))

    def _pages(self, csrf: str) -> None:
        self._get("/", f"/nowhere/{STRAYED}", f"{API}/{STRAYED}", "/fleet", "/fleet?region=germany", "/regions")
        self._get("/audit", "/audit?log=germany", "/audit?log=accounts", f"/audit?log={STRAYED}&before={STRAYED}")
        self.client.post("/preferences", data={"language": TYPED, "theme": TYPED, "back": f"/{STRAYED}", "csrf": csrf})
        wait_for_health(self.client) if self.name == "otto" else self._get(f"{API}/health")
        if self.name == "erika":
            wait_until(lambda: self._is_surveyed() or None, what="the survey of the fleet")
        self._get(*(f"{API}/{one}" for one in ("fleet", "fleet?region=germany", "rules", "rules/signal_weak")))
        self._get(*(f"{API}/{one}" for one in (f"rules/{STRAYED}", "audit", "audit?region=germany", "openapi.json")))
        self._get(f"{API}/audit?before={STRAYED}", f"{API}/fleet?region={STRAYED}", f"{API}/health?{STRAYED}={STRAYED}")
        if self.name == "otto":  # what everybody is given alike
            self._get(*(f"/static/{path.relative_to(STATIC)}" for path in STATIC.rglob("*") if path.is_file()))

    def _is_surveyed(self) -> bool:
        germany: list[dict[str, Any]] = self.client.get(f"{API}/fleet?region=germany").json()
        return bool(germany[0]["state"] == "ready")


def routes_of(site: Site) -> dict[str, Route]:
    """All that a console of these settings answers, as `METHOD path`; and static files, which all are asked for."""
    settings = load_settings(site.config)
    logs = audit_logs(settings)
    accounts, provider = Accounts(settings.accounts_file), provider_of(settings.console.oidc)
    app = application(settings, Reader(settings, logs), accounts, logs, provider)
    mounts = [route for route in app.routes if not isinstance(route, Route)]
    assert ["/static"] == [mount.path for mount in mounts if isinstance(mount, Mount)]
    assert len(mounts) == 1
    routes = [route for route in app.routes if isinstance(route, Route)]
    return {f"{method} {r.path}": r for r in routes for method in r.methods or () if method != "HEAD"}


def gone_through(walk: Walk, routes: Mapping[str, Route], *, shown: bool = False) -> set[str]:
    """The routes that were asked for; only those that showed something if *shown*."""
    return {
        name
        for name, route in routes.items()
        for method, path, status in walk.asked
        if method in (route.methods or ()) and route.path_regex.match(path) and (status == 200 or not shown)
    }


@pytest.fixture(scope="module")
def provider() -> Iterator[OwnProvider]:
    """Somebody to sign in at."""
    made = OwnProvider()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def elsewhere(site: Site, provider: OwnProvider) -> Callable[[], None]:
    """Puts the console on a free port, each time on another one; browsers are to be sent back there."""
    http = free_port()
    known = {"enabled": True, "issuer": provider.issuer, "client_id": "console"}

    def put() -> None:
        port = free_port()
        oidc = known | {"public_url": f"http://127.0.0.1:{port}"}
        site.configure(http={"port": http}, console={"port": port}, **{"console.oidc": oidc})

    return put


@pytest.fixture
def told(site: Site, elsewhere: Callable[[], None]) -> Site:
    """A site that goes on collecting; its store has what was kept of messages full of canaries."""
    elsewhere()
    collector = site.start()
    plant(site, collector)
    with site.publisher() as router:
        for document, outcome in smuggled(IMEI).values():
            if outcome == "stored":
                router.publish(f"ueip/v1/{IMEI}/report", document)
        router.settle()
    for name, (role, _) in PEOPLE.items():
        add(site, name, role)
    return site


def test_no_canary_is_shown_or_logged_and_nothing_typed_is_kept(told: Site, elsewhere: Callable[[], None]) -> None:
    """To nobody, whatever their role and language; while console and collector run and after it."""
    routes = routes_of(told)
    with console(told, elsewhere=elsewhere) as (address, process):
        walks = [Walk(address, name) for name in PEOPLE]
        for walk in walks:
            walk.everywhere()
        running = [*files_below(told.folder), ("metrics", told.collector.get("/metrics")[1])]
        process.terminate()
        said = (process.stderr.read() if process.stderr else "").encode()
        assert process.wait(30) == 0
    told.collector.stop()
    kept = [*running, ("standard error", said), *files_below(told.folder)]
    answers = [one for walk in walks for one in walk.said]
    audited = [content for name, content in kept if ".audit" in name]

    for walk in walks:
        assert set(routes) == gone_through(walk, routes), walk.name
        assert gone_through(walk, routes, shown=True) >= SHOWN[walk.name], walk.name
    assert any(b'"lookup"' in content for content in audited)
    for text in (CANARY, str(NUMBER), ADDRESS, TYPED, IMEI, PASSWORD):
        assert [] == traces(text, answers)
        assert [] == traces(text, kept)
        assert [] == traces(text, (one for walk in walks for one in walk.addresses))
    assert [] == traces(STRAYED, kept)


def test_a_route_that_nobody_went_through_is_noticed(site: Site) -> None:
    """The control of the walk: it is the routes that are counted, not what was asked for."""
    routes = routes_of(site)
    walk = Walk("http://127.0.0.1:9", "otto")
    walk.asked = [("GET", "/routers/abc", 303), ("POST", "/fleet", 405), ("GET", "/regions", 200)]

    assert gone_through(walk, routes) == {"GET /routers/{handle}", "GET /regions"}
    assert gone_through(walk, routes, shown=True) == {"GET /regions"}
