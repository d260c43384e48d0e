"""The pages as requests and answers: where they lead, what they refuse, and what is in no address."""

from urllib.parse import quote

import httpx2
import pytest
from consoles import PEOPLE, Visit

from collector.access.accounts import Accounts
from collector.auditing import audit_logs
from collector.console.app import Console, make_console
from collector.console.pages import ConsolePages
from collector.console.reading import Reader
from collector.console.serving import application
from collector.console.shield import MOST_BYTES, MOST_PATH


def browser(visit: Visit, word: str = "", **headers: str) -> httpx2.AsyncClient:
    """A browser that is shown the real pages."""
    console = Console(visit.house.settings.console, visit.reader, visit.door)
    app = make_console(console, ConsolePages(console), [])
    cookies = {"test": word} if word else {}
    transport = httpx2.ASGITransport(app)
    headers = {"Origin": "http://127.0.0.1"} | headers
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", cookies=cookies, headers=headers)


def form(visit: Visit, word: str, **fields: str) -> dict[str, str]:
    return {"csrf": visit.door.sessions[word].csrf, **fields}


async def test_who_is_not_signed_in_is_led_to_the_sign_in_and_shown_nothing(visit: Visit) -> None:
    """At the start by itself, elsewhere in words, and back again afterwards."""
    async with browser(visit) as client:
        start, fleet = await client.get("/"), await client.get("/fleet?region=germany")

    assert (start.status_code, start.headers["location"]) == (303, "/sign-in")
    assert fleet.status_code == 401
    assert f"/sign-in?next={quote('/fleet?region=germany', safe='')}" in fleet.text


async def test_who_gave_no_reason_is_led_to_give_one(visit: Visit) -> None:
    """Before the look-up, and with a look-up."""
    visit.door.let_in("new", PEOPLE["engineer"], reason=False)
    async with browser(visit, "new") as client:
        start = await client.get("/")
        found = await client.post("/lookup", data=form(visit, "new", identifier=visit.house.ailing))

    assert (start.status_code, start.headers["location"]) == (303, "/reason")
    assert (found.status_code, found.headers["location"]) == (303, "/reason?next=%2F")


async def test_a_look_up_leads_to_a_page_whose_address_says_nothing(visit: Visit) -> None:
    """The identifier is posted and forgotten; the audit log has the look."""
    serial = visit.house.ailing
    async with browser(visit, "engineer") as client:
        found = await client.post("/lookup", data=form(visit, "engineer", identifier=f" {serial} ", since="2d"))
        shown = await client.get(found.headers["location"])

    assert found.status_code == 303
    assert found.headers["location"].startswith("/routers/")
    assert found.headers["location"].endswith("?since=2d")
    assert shown.status_code == 200
    assert serial not in found.headers["location"] + shown.text
    assert [entry.what for entry in visit.audited()] == ["lookup", "diagnosis"]


@pytest.mark.parametrize("public", ["https://Console.Example", "https://console.example:443/"])
async def test_a_form_behind_a_proxy_is_ours_however_the_address_is_written(visit: Visit, public: str) -> None:
    """A browser writes it in small letters, without the port that goes without saying (RFC 6454, 6.2)."""
    settings = visit.house.settings
    oidc = settings.console.oidc.model_copy(update={"public_url": public})
    settings = settings.model_copy(update={"console": settings.console.model_copy(update={"oidc": oidc})})
    accounts = Accounts(settings.accounts_file)
    app = application(settings, Reader(settings, audit_logs(settings)), accounts, audit_logs(settings), None)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://console.example") as client:
        form = {"theme": "dark"}
        ours = await client.post("/preferences", data=form, headers={"Origin": "https://console.example"})
        other = await client.post("/preferences", data=form, headers={"Origin": "https://console.example:8443"})

    assert (ours.status_code, other.status_code) == (303, 403)


@pytest.mark.parametrize(
    ("name", "path", "size", "status", "title"),
    [
        ("console.example", "/", 0, 421, "Not by this name"),
        ("127.0.0.1", "/?x=" + "x" * MOST_PATH, 0, 414, "Not accepted"),
        ("127.0.0.1", "/sign-in", MOST_BYTES + 1, 413, "Not accepted"),
        ("127.0.0.1", "/nowhere", 0, 404, "Not there"),
    ],
)
async def test_what_was_asked_wrongly_is_no_mistake_of_the_console(
    visit: Visit, name: str, path: str, size: int, status: int, title: str
) -> None:
    """Above all a name that nobody configured: who set the console up must find out what is missing."""
    async with browser(visit, Host=name) as client:
        answer = await client.request("POST" if size else "GET", path, content=b"x" * size)

    assert answer.status_code == status
    assert f"<h1>{title}</h1>" in answer.text
    assert "The console made a mistake" not in answer.text


@pytest.mark.parametrize("who", ["engineer", "privacy_officer"])
async def test_a_browser_s_history_has_nothing_of_a_router(visit: Visit, who: str) -> None:
    """Of a page it keeps the address and the title."""
    handle = await visit.handle(who)
    async with browser(visit, who) as client:
        page = await client.get(f"/routers/{handle}")
    title = page.text.partition("<title>")[2].partition("</title>")[0]
    [*_, looked] = visit.audited()

    assert page.status_code == 200
    assert looked.device_ref is not None
    assert looked.device_ref[:6] in page.text
    assert looked.device_ref[:6] not in title


@pytest.mark.parametrize("word", ["", "wrong"])
async def test_a_look_up_without_the_session_s_word_is_none(visit: Visit, word: str) -> None:
    """Another site's page can not look a router up, nor have it written that somebody did."""
    async with browser(visit, "engineer") as client:
        answer = await client.post("/lookup", data={"csrf": word, "identifier": visit.house.ailing})

    assert answer.status_code == 403
    assert "Form too old" in answer.text
    assert visit.audited() == []


@pytest.mark.parametrize("path", ["/lookup", "/preferences"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1.evil.example", "https://127.0.0.1", "null"]
)
async def test_a_form_of_another_site_is_none(visit: Visit, origin: str, path: str) -> None:
    """Not even with the session's word."""
    fields = form(visit, "engineer", identifier=visit.house.ailing, language="de")
    async with browser(visit, "engineer") as client:
        answer = await client.post(path, data=fields, headers={"Origin": origin})

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert visit.audited() == []


async def test_what_is_not_known_is_said_and_not_repeated(visit: Visit) -> None:
    """An unknown identifier, a handle of nobody, a page or a log that is not there."""
    async with browser(visit, "engineer") as client:
        unknown = await client.post("/lookup", data=form(visit, "engineer", identifier="NOBODY4711"))
        handle, page = await client.get("/routers/nothing"), await client.get("/nothing-here")
    async with browser(visit, "auditor") as client:
        log = await client.get("/audit?log=atlantis")

    assert [unknown.status_code, handle.status_code, page.status_code, log.status_code] == [404] * 4
    assert "NOBODY4711" not in unknown.text
    assert "Not there" in handle.text


UNLIKE = ["", "   ", "abc", "  abc  ", "Z" * 65, "ZTE\u00e9471", "\uff3a\uff34\uff25\uff11\uff12", "ZTE\n4711"]
"""Too short, too long, or of signs that no label has."""


@pytest.mark.parametrize("identifier", UNLIKE)
async def test_what_is_like_no_identifier_is_not_looked_up(visit: Visit, identifier: str) -> None:
    """By the same measure as the API's: it is said, and neither asked of a store nor written down nor repeated."""
    async with browser(visit, "engineer") as client:
        answer = await client.post("/lookup", data=form(visit, "engineer", identifier=identifier))

    assert answer.status_code == 400
    assert "This is not a serial number" in answer.text
    assert len(identifier) < 8 or identifier not in answer.text
    assert visit.audited() == []


async def test_a_form_with_very_many_fields_is_no_form(visit: Visit) -> None:
    """Nor is it a fault of ours."""
    async with browser(visit, "engineer") as client:
        answer = await client.post("/lookup", data={f"field{n}": "1" for n in range(50)})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("back", "leads"),
    [("/fleet", "/fleet"), ("//evil.example", "/"), ("https://evil.example", "/"), ("/\\evil.example", "/"), ("", "/")],
)
async def test_preferences_are_kept_and_lead_nowhere_else(visit: Visit, back: str, leads: str) -> None:
    """In cookies that no script reads; what is not known is forgotten."""
    async with browser(visit) as client:
        chosen = await client.post("/preferences", data={"language": "de", "theme": "dark", "back": back})
        page = await client.get("/nothing")
        await client.post("/preferences", data={"language": "xx", "theme": "system"})
        again = await client.get("/nothing", headers={"Accept-Language": "zh"})

    assert chosen.headers["location"] == leads
    assert all("HttpOnly" in one and "SameSite=lax" in one for one in chosen.headers.get_list("set-cookie"))
    assert '<html lang="de" data-theme="dark">' in page.text
    assert '<html lang="zh-Hans">' in again.text


@pytest.mark.parametrize(
    ("word", "leads", "refused"),
    [("operator", "/regions", "/fleet"), ("auditor", "/audit", "/regions"), ("privacy_officer", None, "/fleet")],
)
async def test_every_role_begins_where_it_may(visit: Visit, word: str, leads: str | None, refused: str) -> None:
    """And is refused in words elsewhere."""
    async with browser(visit, word) as client:
        start, other = await client.get("/"), await client.get(refused)

    assert start.headers.get("location") == leads
    assert other.status_code == 403
    assert "Not for your role" in other.text
