"""Signing in, out, and giving a reason, over HTTP: what a browser gets, and what another site's page does not."""

import json
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from argon2 import PasswordHasher
from provider import OwnProvider
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from collector.access import passwords
from collector.access.accounts import Account, Accounts, Book, new_stamp
from collector.access.audit import AuditLog, walk
from collector.access.nouns import ACCOUNT_ROLES, OWNERS_RIGHTS, Role, Session
from collector.access.oidc import Provider
from collector.access.passwords import Passwords
from collector.auditing import Logs
from collector.config_access import OidcSettings, SignInSettings
from collector.console.browser import after_of
from collector.console.failures import Busy, CsrfMissing, Invalid, NotSignedIn, failure_of
from collector.console.signed_in import SignedIn
from collector.console.signing import Signing
from collector.errors import AuditUnavailable
from collector.model import PURPOSE, Region

PASSWORD = "correct horse battery"
OWN = "http://testserver"
OWN_PUBLIC = "http://127.0.0.1:9466"
CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class Plain:
    """What is said to a page, and the words that its form would hold."""

    def form(
        self, request: Request, template: str, *, status: int = 200, session: Session | None = None, **said: Any
    ) -> Response:
        told = {"template": template, **said}
        word = session.csrf if session else said.get("csrf")
        return HTMLResponse(f"csrf={word}\n{json.dumps(told)}", status)


class Site:
    """A console that knows nothing but signing in, and a browser."""

    def __init__(self, folder: Path, **said: Any) -> None:
        self.now = 1_800_000_000.0
        self.accounts = Accounts(folder / "accounts.json")
        self.log = AuditLog(folder / "console.audit", folder / "head", None, wall=lambda: self.now)
        settings = SignInSettings(attempts=3, lock_out_seconds=60, **said.pop("settings", {}))
        secure, origins = said.pop("secure", False), said.pop("origins", frozenset())
        self.signed_in = SignedIn(settings, self.accounts, secure=secure, origins=origins, wall=lambda: self.now)
        signing = Signing(
            settings,
            self.signed_in,
            self.accounts,
            Logs({None: self.log}),
            Plain(),
            passwords=CHEAP,
            wall=lambda: self.now,
            secure=secure,
            **said,
        )

        async def who(request: Request) -> Response:
            session = self.signed_in.session_of(request)
            if session is None:
                raise NotSignedIn
            purpose = session.purpose
            return JSONResponse(
                {
                    "name": session.viewer.name,
                    "role": session.viewer.role,
                    "csrf": session.csrf,
                    "purpose": purpose and [purpose.text, purpose.aim, purpose.until - purpose.given_at],
                }
            )

        async def refuse(_: Request, error: Exception) -> Response:
            return PlainTextResponse(type(error).__name__, failure_of(error).status)

        handled = dict.fromkeys((NotSignedIn, CsrfMissing, Invalid, AuditUnavailable, Busy), refuse)
        self.app = Starlette(routes=[*signing.routes, Route("/who", who)], exception_handlers=handled)

    def browser(self, address: str = "192.0.2.1", base: str = OWN) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app, client=(address, 1234))
        return httpx2.AsyncClient(transport=transport, base_url=base, headers={"Origin": base})

    def add(self, name: str = "ada", role: Role = Role.ENGINEER, **said: Any) -> None:
        made = Account(
            name=name, role=role, regions=(Region.GERMANY,), password=CHEAP.hash(PASSWORD), stamp=new_stamp()
        )
        self.accounts.change(lambda book: book.having(msgspec.structs.replace(made, **said)))

    def entries(self) -> list[tuple[str, str, str]]:
        return [(entry.what, entry.who, entry.outcome) for entry in walk(self.log).entries()][1:]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.add()
    return made


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with site.browser() as made:
        yield made


async def word(browser: httpx2.AsyncClient, path: str = "/sign-in") -> str:
    found = re.match(r"csrf=(\S+)", (await browser.get(path)).text)
    assert found
    return found[1]


async def sign_in(
    browser: httpx2.AsyncClient, name: str = "ada", password: str = PASSWORD, **said: str
) -> httpx2.Response:
    form = {"csrf": await word(browser), "name": name, "password": password, **said}
    return await browser.post("/sign-in", data=form)


def said(answer: httpx2.Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.text.partition("\n")[2])
    return found


async def test_accounts_that_cannot_be_written_keep_nobody_out(site: Site, browser: httpx2.AsyncClient) -> None:
    """Of a hash with older parameters: it is made anew at the next sign-in, or at the next after that."""
    older = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash(PASSWORD)
    site.add(password=older)
    lock = site.accounts.path.with_name(f"{site.accounts.path.name}.lock")
    lock.unlink()
    lock.mkdir()  # as on a disk that is mounted for reading
    assert 303 == (await sign_in(browser)).status_code
    assert older == site.accounts.book().accounts[0].password

    lock.rmdir()
    browser.cookies.clear()
    assert 303 == (await sign_in(browser)).status_code
    assert older != site.accounts.book().accounts[0].password


async def test_a_flood_of_passwords_locks_nobody_out(
    site: Site, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is sent away because others fill the room has given no wrong password, and may come in when there is room."""
    with monkeypatch.context() as crowded:
        crowded.setattr(passwords, "MOST_WAITING", 0)
        answers = [(await sign_in(browser)).status_code for _ in range(5)]

    assert [429] * 5 == answers
    assert 303 == (await sign_in(browser)).status_code
    assert [("signed_in", "ada", "done")] == site.entries()


async def test_who_signs_in_is_somebody_until_they_sign_out(site: Site, browser: httpx2.AsyncClient) -> None:
    """And both are written down."""
    assert 401 == (await browser.get("/who")).status_code

    answer = await sign_in(browser, next="/fleet?since=7d")
    who = (await browser.get("/who")).json()
    left = await browser.post("/sign-out", data={"csrf": who["csrf"]})

    assert (303, "/fleet?since=7d") == (answer.status_code, answer.headers["location"])
    assert ("ada", "engineer") == (who["name"], who["role"])
    assert (303, "/sign-in?notice=signed_out") == (left.status_code, left.headers["location"])
    assert 401 == (await browser.get("/who")).status_code
    assert [("signed_in", "ada", "done"), ("signed_out", "ada", "done")] == site.entries()


async def test_the_name_is_taken_however_it_is_written(browser: httpx2.AsyncClient) -> None:
    assert 303 == (await sign_in(browser, " Ada ")).status_code


async def test_the_cookie_is_for_this_host_no_script_and_this_run_of_the_browser(tmp_path: Path) -> None:
    """Over TLS also for TLS alone, by its prefix (RFC 6265bis)."""
    for secure, prefix in ((True, "__Host-"), (False, "")):
        site = Site(tmp_path / str(secure), secure=secure)
        site.add()
        async with site.browser(base="https://testserver" if secure else OWN) as browser:
            cookies = (await sign_in(browser)).headers.get_list("set-cookie")
        (cookie,) = [text for text in cookies if text.startswith(f"{prefix}ueip=") and "Max-Age" not in text]
        parts = {part.strip().lower() for part in cookie.split(";")[1:]}

        assert {"httponly", "path=/", "samesite=lax", *({"secure"} if secure else ())} == parts


async def test_nothing_of_anybody_is_in_a_cookie(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)

    assert not any(canary in str(browser.cookies) for canary in ("ada", "engineer", "germany", PASSWORD))


async def test_the_session_is_a_new_one_with_every_sign_in(site: Site) -> None:
    """Who planted an id in a browser has nothing of it; the session before has ended."""
    async with site.browser() as browser:
        page = await browser.get("/sign-in")
        tied = f"ueip-browser={browser.cookies['ueip-browser']}"
        form = {"csrf": page.text.split()[0].removeprefix("csrf="), "name": "ada", "password": PASSWORD}
    held = ["planted"]
    for _ in range(3):
        async with site.browser() as browser:
            headers = {"Cookie": f"{tied}; ueip={held[-1]}"}
            answer = await browser.post("/sign-in", data=form, headers=headers)
            assert 303 == answer.status_code
            held.append(browser.cookies["ueip"])

    async with site.browser() as browser:
        answers = [(await browser.get("/who", headers={"Cookie": f"ueip={one}"})).status_code for one in held]
    assert [401, 401, 401, 200] == answers
    assert 4 == len(set(held))


@pytest.mark.parametrize("name", ["ada", "nobody", "locked", "", "ada\x00", "x" * 500, "nö"])
async def test_wrong_answers_are_one_answer(name: str, site: Site, browser: httpx2.AsyncClient) -> None:
    """Whether the name is known, locked or no name at all: what comes back is the same, byte for byte."""
    site.add("locked", locked=True)
    password = PASSWORD if name == "locked" else "a wrong password"

    expected = await sign_in(browser, "somebody.else", password)
    answer = await sign_in(browser, name, password)

    assert (403, expected.text) == (answer.status_code, answer.text)
    assert "wrong" == said(answer)["fault"]
    assert expected.headers.get("set-cookie") == answer.headers.get("set-cookie")


async def test_what_was_wrong_is_in_the_log_without_what_was_typed(site: Site, browser: httpx2.AsyncClient) -> None:
    """A name that is none may be a password that went into the wrong field."""
    site.add("locked", locked=True)
    await sign_in(browser, "my secret password", "a wrong password")
    await sign_in(browser, "ada", "a wrong password")
    await sign_in(browser, "locked")

    assert [
        ("sign_in_refused", "-", "unknown"),
        ("sign_in_refused", "ada", "wrong_password"),
        ("sign_in_refused", "locked", "locked"),
    ] == site.entries()
    text = b"".join(path.read_bytes() for path in site.log.folder.iterdir())
    assert not any(canary in text for canary in (b"secret", b"a wrong password", b"192.0.2.1"))


async def test_after_a_few_wrong_ones_not_even_the_right_one_is_taken_for_a_while(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    """The same for a name that is none; and from another address, which nobody signed in from, too."""
    for name in ("ada", "nobody"):
        for _ in range(3):
            await sign_in(browser, name, "a wrong password")
        answer = await sign_in(browser, name)

        assert (429, "locked") == (answer.status_code, said(answer)["fault"])
        assert 0 < int(answer.headers["retry-after"]) <= 61
    async with site.browser("192.0.2.2") as other:
        assert 429 == (await sign_in(other)).status_code
    assert ["wrong_password", "wrong_password", "locked_out"] == [why for _, who, why in site.entries() if who == "ada"]


async def test_unlocking_an_account_forgives(site: Site, browser: httpx2.AsyncClient) -> None:
    """The command changes the stamp; what was counted was of the old one."""
    for _ in range(3):
        await sign_in(browser, "ada", "a wrong password")
    site.accounts.change(lambda book: book.having(msgspec.structs.replace(book.accounts[0], stamp=new_stamp())))

    assert 303 == (await sign_in(browser)).status_code


@pytest.mark.parametrize(
    "change",
    [
        lambda book: book.without("ada"),
        lambda book: book.having(msgspec.structs.replace(book.accounts[0], locked=True, stamp="other")),
        lambda book: book.having(msgspec.structs.replace(book.accounts[0], role=Role.AUDITOR, stamp="other")),
        lambda book: Book(accounts=book.accounts, ended={"ada": 1_800_000_000_001}),
    ],
    ids=["removed", "locked", "another role", "signed out by command"],
)
async def test_a_session_ends_when_its_account_changes(change: Any, site: Site, browser: httpx2.AsyncClient) -> None:
    """With the next request, without a restart."""
    await sign_in(browser)
    assert 200 == (await browser.get("/who")).status_code

    site.accounts.change(change)

    assert 401 == (await browser.get("/who")).status_code
    assert "expired" == said(await browser.get("/sign-in"))["notice"]


async def test_accounts_that_cannot_be_read_let_nobody_go_on(site: Site, browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    site.accounts.path.chmod(0o644)

    assert 401 == (await browser.get("/who")).status_code


async def test_a_session_ends_by_itself(site: Site, browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)
    site.now += 31 * 60

    assert 401 == (await browser.get("/who")).status_code


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://testserver.evil.example"},
        {"Origin": "https://testserver"},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/reason"])
async def test_another_sites_page_changes_nothing(
    path: str, headers: dict[str, str], site: Site, browser: httpx2.AsyncClient
) -> None:
    """Not even with the right word, which it could not know."""
    await sign_in(browser)
    csrf = (await browser.get("/who")).json()["csrf"]
    form = {"csrf": csrf, "reason": "INC-1", "name": "ada", "password": PASSWORD}

    answer = await browser.post(path, data=form, headers=headers)

    assert (403, "CsrfMissing") == (answer.status_code, answer.text)
    assert None is (await browser.get("/who")).json()["purpose"]


async def test_a_browser_that_hides_where_from_may_say_that_it_is_ours(browser: httpx2.AsyncClient) -> None:
    """As it does under Referrer-Policy: no-referrer (Fetch, 3.2)."""
    await sign_in(browser)
    csrf = (await browser.get("/who")).json()["csrf"]
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}

    assert 303 == (await browser.post("/sign-out", data={"csrf": csrf}, headers=headers)).status_code


@pytest.mark.parametrize("path", ["/sign-out", "/reason"])
@pytest.mark.parametrize("csrf", ["", "x", "ü", None])
async def test_a_form_without_the_sessions_word_changes_nothing(
    path: str, csrf: str | None, site: Site, browser: httpx2.AsyncClient
) -> None:
    """Nor with the word of another session."""
    await sign_in(browser)
    async with site.browser() as other:
        await sign_in(other)
        theirs = (await other.get("/who")).json()["csrf"]

    answer = await browser.post(path, data={"csrf": theirs if csrf is None else csrf, "reason": "INC-1"})

    assert 403 == answer.status_code
    assert 200 == (await browser.get("/who")).status_code


async def test_a_sign_in_form_of_another_browser_is_not_taken(site: Site, browser: httpx2.AsyncClient) -> None:
    """So that nobody is signed in as somebody else without knowing."""
    async with site.browser() as other:
        theirs = await word(other)
    await word(browser)
    form = {"name": "ada", "password": PASSWORD}

    for csrf in (theirs, "", "ü"):
        answer = await browser.post("/sign-in", data={**form, "csrf": csrf})
        assert (403, "expired") == (answer.status_code, said(answer)["fault"])
    browser.cookies.clear()
    assert 403 == (await browser.post("/sign-in", data={**form, "csrf": theirs})).status_code
    assert [] == site.entries()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{}", "application/json"),
        (b"csrf=a&csrf=b", "application/x-www-form-urlencoded"),
        (b"\xff=\xff", "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % number for number in range(50)), "application/x-www-form-urlencoded"),
    ],
)
async def test_what_is_no_form_is_refused(content: bytes, kind: str, browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/sign-in", content=content, headers={"Content-Type": kind})

    assert (400, "Invalid") == (answer.status_code, answer.text)


async def test_a_sign_in_that_cannot_be_written_down_is_none(site: Site, browser: httpx2.AsyncClient) -> None:
    csrf = await word(browser)
    site.log.folder.parent.joinpath("console.audit").write_text("a file where the folder should be")

    answer = await browser.post("/sign-in", data={"csrf": csrf, "name": "ada", "password": PASSWORD})

    assert "AuditUnavailable" == answer.text
    assert 401 == (await browser.get("/who")).status_code


async def test_a_reason_is_given_for_a_time(site: Site, browser: httpx2.AsyncClient) -> None:
    """The time asked for, a working day at most; then it is asked for again."""
    await sign_in(browser)
    for hours, expected in (("1", 1), ("4", 4), ("100", 8), ("-5", 1)):
        csrf = await word(browser, "/reason")
        form = {"csrf": csrf, "reason": " INC-4711 ", "hours": hours, "back": "/routers/x"}
        answer = await browser.post("/reason", data=form)

        assert (303, "/routers/x") == (answer.status_code, answer.headers["location"])
        assert ["INC-4711", PURPOSE, expected * 3_600_000] == (await browser.get("/who")).json()["purpose"]
    assert [("purpose_given", "ada", "done")] * 4 == site.entries()[1:]
    for _ in range(3):
        site.now += 25 * 60
        await browser.get("/who")
    assert "over" == said(await browser.get("/reason"))["fault"]


@pytest.mark.parametrize(
    "form",
    [{"reason": ""}, {"reason": "short"}, {"reason": "the router 490154203237518"}, {"reason": "INC-1", "hours": "x"}],
)
async def test_what_is_no_reason_is_refused(form: dict[str, str], browser: httpx2.AsyncClient) -> None:
    """And what was typed is not said again."""
    await sign_in(browser)

    answer = await browser.post("/reason", data={"csrf": await word(browser, "/reason"), **form})

    assert (400, "invalid") == (answer.status_code, said(answer)["fault"])
    assert "490154203237518" not in answer.text
    assert None is (await browser.get("/who")).json()["purpose"]


@pytest.mark.parametrize("role", ACCOUNT_ROLES)
async def test_the_aim_of_a_reason_is_that_of_the_role(role: Role, site: Site, browser: httpx2.AsyncClient) -> None:
    site.add("bob", role)
    await sign_in(browser, "bob")
    await browser.post("/reason", data={"csrf": await word(browser, "/reason"), "reason": "INC-4711"})

    purpose = (await browser.get("/who")).json()["purpose"]

    assert (OWNERS_RIGHTS if role is Role.PRIVACY_OFFICER else PURPOSE) == purpose[1]


async def test_a_reason_is_for_somebody(browser: httpx2.AsyncClient) -> None:
    assert 401 == (await browser.get("/reason")).status_code
    assert 401 == (await browser.post("/reason", data={"reason": "INC-1"})).status_code


async def test_who_is_signed_in_already_goes_on(browser: httpx2.AsyncClient) -> None:
    await sign_in(browser)

    answer = await browser.get("/sign-in?next=/fleet")

    assert (303, "/fleet") == (answer.status_code, answer.headers["location"])


async def test_signing_out_twice_is_no_fault(browser: httpx2.AsyncClient) -> None:
    assert 303 == (await browser.post("/sign-out", data={})).status_code


@pytest.fixture(scope="module")
def vouching() -> Iterator[OwnProvider]:
    made = OwnProvider()
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def both(vouching: OwnProvider, tmp_path: Path) -> AsyncIterator[Site]:
    """A console with a provider beside local accounts."""
    settings = OidcSettings(enabled=True, issuer=vouching.issuer, client_id="console", public_url=OWN_PUBLIC)
    provider = Provider(settings, secret="sécret", tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    (tmp_path / "both").mkdir()
    site = Site(tmp_path / "both", provider=provider)
    yield site
    await provider.close()


async def test_a_provider_signs_somebody_in_who_then_is_like_anybody(both: Site, vouching: OwnProvider) -> None:
    """Until a command signs them out: there is no account of ours to lock."""
    async with both.browser() as browser:
        sent = await browser.get("/sign-in/oidc?next=/fleet")
        answer = await browser.get("/sign-in/oidc/callback", params=vouching.approve(sent.headers["location"]))
        who = await browser.get("/who")
        both.accounts.change(lambda book: msgspec.structs.replace(book, ended={"ada": int(both.now * 1000)}))

        assert (303, "/fleet") == (answer.status_code, answer.headers["location"])
        assert ("ada", "engineer") == (who.json()["name"], who.json()["role"])
        assert 401 == (await browser.get("/who")).status_code
    assert [("signed_in", "ada", "done")] == both.entries()


async def test_an_answer_of_a_provider_that_is_not_taken_says_nothing_but_that(
    both: Site, vouching: OwnProvider
) -> None:
    """Another browser's, one with a parameter twice, one that nobody waits for; why is in the log."""
    async with both.browser() as browser, both.browser() as other:
        params = vouching.approve((await browser.get("/sign-in/oidc")).headers["location"])
        answers = [
            await other.get("/sign-in/oidc/callback", params=params),
            await browser.get("/sign-in/oidc/callback", params=[*params.items(), ("state", params["state"])]),
            await browser.get("/sign-in/oidc/callback"),
        ]

        assert {(403, "failed")} == {(answer.status_code, said(answer)["fault"]) for answer in answers}
        assert not any(params["code"] in answer.text for answer in answers)
        assert 401 == (await browser.get("/who")).status_code
    assert [("sign_in_refused", "-", "oidc_state")] * 3 == both.entries()


async def test_nobody_fills_the_log_by_answers_of_no_provider(both: Site) -> None:
    """Of one address some are written down, then no more for a while; from elsewhere one is still heard."""
    async with both.browser() as browser, both.browser("198.51.100.7") as elsewhere:
        statuses = [(await browser.get("/sign-in/oidc/callback")).status_code for _ in range(40)]
        other = (await elsewhere.get("/sign-in/oidc/callback")).status_code

    assert statuses == [403] * 30 + [429] * 10
    assert other == 403
    assert len(both.entries()) == 31


async def test_the_sign_in_page_offers_what_there_is(both: Site, site: Site) -> None:
    """The provider; a form as soon as there is an account, and where there is no provider."""
    async with both.browser() as browser:
        alone = said(await browser.get("/sign-in?next=/fleet"))
        both.add()
        beside = said(await browser.get("/sign-in"))
    async with site.browser() as browser:
        local = said(await browser.get("/sign-in"))

    assert ("/sign-in/oidc?next=%2Ffleet", False) == (alone["sso"], alone["local"])
    assert ("/sign-in/oidc?next=%2F", True) == (beside["sso"], beside["local"])
    assert (None, True) == (local["sso"], local["local"])


async def test_a_hash_of_older_parameters_is_made_anew_at_sign_in(site: Site, browser: httpx2.AsyncClient) -> None:
    older = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash(PASSWORD)
    site.add(password=older)

    assert 303 == (await sign_in(browser)).status_code

    kept = site.accounts.book().accounts[0].password
    assert older != kept
    assert not CHEAP.is_outdated(kept)
    assert 200 == (await browser.get("/who")).status_code


@pytest.mark.parametrize(
    ("asked", "after"),
    [
        (None, "/"),
        ("/fleet?since=7d", "/fleet?since=7d"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/ok\r\nSet-Cookie: x", "/"),
        ("/" + "x" * 600, "/"),
        ("", "/"),
    ],
)
def test_nobody_is_sent_elsewhere(asked: str | None, after: str) -> None:
    assert after == after_of(asked)
