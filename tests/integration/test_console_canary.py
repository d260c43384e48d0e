"""Canaries behind the console: what a router must not tell is on no page, in no answer of the API, in no line of a log.

And what somebody types there is kept nowhere: an identifier that is looked up, a password, a wrong handle.
"""

from collections.abc import Iterator
from typing import Final

import httpx2
import pytest

from .harness import Site, files_below, traces, wait_until
from .test_canary import ADDRESS, CANARY, IMEI, NUMBER, crowded_reports, smuggled
from .test_console import PASSWORD, add, browser, console, sign_in

TYPED: Final = "ZTEQXKANARI4711"
"""An identifier of a router that nobody knows."""
PEOPLE: Final = {"erika": "engineer", "otto": "operator", "paula": "privacy_officer", "anna": "auditor"}
PAGES: Final = ("/", "/fleet", "/regions", "/audit", "/reason", "/nowhere", "/routers/somebody-elses", "/sign-in")
ANSWERS: Final = (
    "session",
    "fleet",
    "health",
    "rules",
    "audit?region=germany",
    "audit",
    "routers/somebody-elses",
    "openapi.json",
)


def give_reason(client: httpx2.Client) -> str:
    """The session's word, after a reason was given."""
    csrf: str = client.get("/api/v1/session").json()["csrf"]
    client.post("/reason", data={"csrf": csrf, "reason": "ticket 4711", "hours": "1", "back": "/"})
    return csrf


def everything_shown(client: httpx2.Client, csrf: str) -> Iterator[tuple[str, bytes]]:
    """Every page and every answer, of a router that is known, one that is not, and without a router."""
    for page in PAGES:
        yield page, client.get(page).content
    for asked in ANSWERS:
        yield asked, client.get(f"/api/v1/{asked}").content
    for identifier in (IMEI, TYPED):
        posted = client.post("/lookup", data={"csrf": csrf, "identifier": identifier, "since": "7d"})
        yield "look-up", posted.content + str(posted.headers).encode()
        if "location" in posted.headers:
            yield "router", client.get(posted.headers["location"]).content
        answer = client.post("/api/v1/lookups", json={"identifier": identifier}, headers={"X-CSRF-Token": csrf})
        yield "lookups", answer.content
        for found in answer.json().get("routers", ()):
            for part in ("", "/series", "/consent"):
                yield f"router{part}", client.get(f"/api/v1/routers/{found['handle']}{part}").content


@pytest.fixture
def told(site: Site) -> Site:
    """A site whose store has what was kept of messages full of canaries."""
    site.configure(console={"port": 0})
    collector = site.start()
    with site.publisher() as router:
        sent = [
            *crowded_reports(IMEI),
            *(document for document, outcome in smuggled(IMEI).values() if outcome == "stored"),
        ]
        for document in sent:
            router.publish(f"ueip/v1/{IMEI}/report", document)
        wait_until(lambda: site.count("germany") >= len(sent) or None, what="the records")
    collector.stop()
    return site


def test_no_canary_is_shown_or_logged_and_nothing_typed_is_kept(told: Site) -> None:
    """To nobody, whatever their role; while the console runs and after it."""
    shown: list[tuple[str, bytes]] = []
    for name, role in PEOPLE.items():
        add(told, name, role)
    with console(told) as (address, process):
        for name in PEOPLE:
            with browser(address) as client:
                sign_in(client, name)
                shown += [
                    (f"{name}: {what}", content) for what, content in everything_shown(client, give_reason(client))
                ]
        process.terminate()
        said = process.stderr.read() if process.stderr else ""
        assert process.wait(30) == 0
    logged = [(name, content) for name, content in files_below(told.folder) if ".audit" in name]
    everything = [*shown, *logged, ("standard error", said.encode()), *files_below(told.folder)]

    assert [what for what, content in shown if what == "erika: router" and b"<main" in content]
    assert any(b'"lookup"' in content for _, content in logged)
    for text in (CANARY, str(NUMBER), ADDRESS):
        assert [] == traces(text, everything)
    for text in (TYPED, IMEI, PASSWORD):
        assert [] == traces(text, [*logged, ("standard error", said.encode())])
        assert [] == [what for what, content in shown if text.encode() in content]
