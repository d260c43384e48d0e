"""The API: the same answers as commands and pages, nothing that may not be shown, and every look written down."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from consoles import DAYS, ELSEWHERE, HERE, PEOPLE, House, Visit, document, house, now_ms
from records import act

from collector.access.entry import Event
from collector.access.nouns import Purpose
from collector.auditing import audit_logs
from collector.config_console import ConsoleSettings
from collector.console import api, shield
from collector.console import openapi as openapi_module
from collector.console.api import OPERATIONS
from collector.console.openapi import openapi
from collector.console.shield import AT_ONCE, MOST_BYTES
from collector.examination import examine
from collector.lookup import known_routers
from collector.model import Action, Identity
from collector.storage import plain_store
from collector.stores.retention import DAY


def ids_of(findings: list[dict[str, Any]]) -> list[str]:
    return [finding["rule"] for finding in findings]


async def test_the_answer_is_that_of_the_command(visit: Visit) -> None:
    """Findings, their evidence and the timeline: the document of `ueip diagnose --json`."""
    handle = await visit.handle()
    async with visit.client("engineer") as client:
        answer = document(await client.get(f"/api/v1/routers/{handle}", params={"since": "2d"}))
    [examined] = await examine(visit.house.settings, visit.house.ailing, window=2 * DAY)

    assert ids_of(answer["findings"]) == [finding.rule for finding in examined.findings]
    assert "wifi_driver_errors" in ids_of(answer["findings"])
    assert answer["timeline"]
    assert answer["records"] == len(examined.history.samples)


async def test_series_are_on_one_axis(visit: Visit) -> None:
    """A value, or null, for every moment."""
    handle = await visit.handle()
    async with visit.client("engineer") as client:
        answer = document(await client.get(f"/api/v1/routers/{handle}/series", params={"since": "7d"}))

    assert {line["panel"] for line in answer["lines"]} >= {"level", "quality", "traffic", "wifi_errors", "stations"}
    assert {len(line["values"]) for line in answer["lines"]} == {len(answer["times"])}
    assert answer["until"] - answer["since"] == 7 * 86_400
    assert 40 * DAYS <= len(answer["times"]) <= 50 * DAYS


async def test_every_look_is_written_down_before_it_is_answered(visit: Visit) -> None:
    """Who, why, which router and how much of it; no value, no identifier."""
    handle = await visit.handle()
    async with visit.client("engineer") as client:
        shown = document(await client.get(f"/api/v1/routers/{handle}"))
    looked, read = visit.audited()

    assert (looked.what, looked.outcome, looked.device_ref) == ("lookup", "shown", shown["device_ref"])
    assert (read.what, read.who, read.why) == ("diagnosis", "erika", "ticket 4711")
    assert read.device_ref == shown["device_ref"]
    assert read.shown["records"] == shown["records"]
    assert read.shown["findings"] == len(shown["findings"])


async def test_nobody_is_found_and_that_is_written_down(visit: Visit) -> None:
    """So that trying serial numbers leaves a trace."""
    async with visit.client("engineer") as client:
        answer = document(await client.post("/api/v1/lookups", json={"identifier": "ZTENOBODY00001"}))
    [looked] = visit.audited()

    assert answer == {"routers": [], "away": []}
    assert (looked.what, looked.device_ref, looked.shown) == ("lookup", None, {"routers": 0})


async def test_a_look_that_cannot_be_written_down_shows_nothing(visit: Visit, tmp_path: Path) -> None:
    """The disk of the log is full, or somebody removed its head."""
    handle = await visit.handle()
    (tmp_path / "heads" / f"{HERE}.audit.head").write_text("{}")
    async with visit.client("engineer") as client:
        answers = [
            await client.get(f"/api/v1/routers/{handle}"),
            await client.get("/api/v1/fleet"),
            await client.post("/api/v1/lookups", json={"identifier": visit.house.ailing}),
        ]

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert {answer.json()["error"]["code"] for answer in answers} == {"audit_unavailable"}


async def test_a_handle_is_worth_nothing_in_another_session(visit: Visit) -> None:
    """Nor is a pseudonym, nor a serial number."""
    handle = await visit.handle()
    visit.door.let_in("second", visit.door.sessions["engineer"].viewer)
    [known] = await known_routers(visit.house.settings, HERE, visit.house.ailing)
    words = [handle, known.standing.device_ref.hex(), visit.house.ailing]
    async with visit.client("second") as client:
        answers = [await client.get(f"/api/v1/routers/{word}") for word in words]

    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_a_reason_ends(visit: Visit) -> None:
    """And with it what was shown for it; nothing of a session is kept beyond."""
    handle = await visit.handle()
    session = visit.door.sessions["engineer"]
    over = Purpose(text="ticket 1", ticket=True, given_at=now_ms() - 7_200_000, until=now_ms() - 1)
    visit.door.sessions["engineer"] = type(session)(
        digest=session.digest, viewer=session.viewer, begun_at=0, seen_at=0, csrf=session.csrf, purpose=over
    )
    async with visit.client("engineer") as client:
        answer = await client.get(f"/api/v1/routers/{handle}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "purpose_over")
    assert visit.audited()[-1].outcome == "purpose_over"


@pytest.fixture
def own_house(tmp_path: Path) -> House:
    """One that a test may change."""
    return house(tmp_path / "own")


@pytest.mark.parametrize("action", [Action.EXIT, Action.RESTRICT])
async def test_who_left_or_is_restricted_is_not_shown(own_house: House, action: Action) -> None:
    """Whatever is on the disk, at the very next look (K37)."""
    visit = Visit(own_house)
    handle = await visit.handle()
    await _act(own_house, action)
    async with visit.client("engineer") as client:
        shown = document(await client.get(f"/api/v1/routers/{handle}"))
        series = document(await client.get(f"/api/v1/routers/{handle}/series"))

    assert not shown["readable"]
    assert (shown["findings"], shown["timeline"], shown["records"], shown["last_received_at"]) == ([], [], 0, None)
    assert (series["times"], series["lines"], series["marks"], series["readable"]) == ([], [], [], False)


async def _act(made: House, action: Action) -> None:
    """The owner of the ailing router acts, where records are kept after an exit: they stay on the disk."""
    [known] = await known_routers(made.settings, HERE, made.ailing)
    standing = known.standing
    kept = made.settings.consent.model_copy(update={"on_exit": "keep", "keep_reason": "to see that none is shown"})
    store = plain_store(made.settings.model_copy(update={"consent": kept}), HERE)
    await store.open()
    await store.commit([act(action, at=now_ms(), identity=Identity(standing.device_ref, standing.key_id))])
    await store.close()


async def test_expired_records_are_not_shown(visit: Visit) -> None:
    """By their time of receipt, whether they were purged or not (K37)."""
    germany = visit.house.settings.regions.germany
    assert germany is not None
    regions = visit.house.settings.regions.model_copy(
        update={"germany": germany.model_copy(update={"retention_days": 1})}
    )
    shorter = Visit(replace(visit.house, settings=visit.house.settings.model_copy(update={"regions": regions})))
    counts = []
    for one in (visit, shorter):
        async with one.client("engineer") as client:
            counts.append(document(await client.get(f"/api/v1/routers/{await one.handle()}"))["records"])

    assert 0 < counts[1] < counts[0] * 0.6


async def test_groups_under_ten_are_not_shown(visit: Visit) -> None:
    """Five routers are compared with nobody (O25)."""
    handle = await visit.handle()
    async with visit.client("engineer") as client:
        findings = document(await client.get(f"/api/v1/routers/{handle}"))["findings"]

    assert findings
    assert {(*finding["compared"],) for finding in findings} == {()}
    assert {finding["cell"] for finding in findings} == {None}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"identifier":"ZTEAB0A123456"}', "text/plain", 400),
        (b"identifier=ZTEAB0A123456", "application/json", 400),
        (b'{"identifier":"x"}', "application/json", 400),
        (b'{"identifier":"  abc  "}', "application/json", 400),
        (b'{"identifier":"ZTE\\u00e94711"}', "application/json", 400),
        (b'{"identifier":"ZTE-kanarie","more":1}', "application/json", 400),
        (b'{"identifier":5}', "application/json", 400),
        (b'{"identifier":"ZTE-kanarie\xff"}', "application/json", 400),
        (b'{"identifier":"ZTE-kanarie","region":"mars"}', "application/json", 400),
        (b'{"identifier":"' + b"x" * MOST_BYTES + b'"}', "application/json", 413),
    ],
)
async def test_a_body_that_is_not_taken_is_refused_without_repeating_it(
    visit: Visit, body: bytes, kind: str, status: int
) -> None:
    """What was expected is said, never what came."""
    async with visit.client("engineer") as client:
        answer = await client.post("/api/v1/lookups", content=body, headers={"Content-Type": kind})

    assert answer.status_code == status
    assert "kanarie" not in answer.text
    assert "ZTEAB0A123456" not in answer.text
    assert visit.audited() == []


@pytest.mark.parametrize("since", ["", "7", "0d", "401d", "-1d", "7w", "7d7d", "99999d"])
async def test_a_time_that_is_none_is_refused(visit: Visit, since: str) -> None:
    """Nothing is read for it."""
    handle = await visit.handle()
    async with visit.client("engineer") as client:
        answer = await client.get(f"/api/v1/routers/{handle}", params={"since": since})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid")


async def test_a_look_up_without_the_sessions_word_is_refused(visit: Visit) -> None:
    """Another site's page can send the cookie, and not the word."""
    async with visit.client("engineer", **{"X-CSRF-Token": "guess"}) as client:
        answer = await client.post("/api/v1/lookups", json={"identifier": visit.house.ailing})

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf")


def with_a_broken_store(visit: Visit, folder: Path) -> Visit:
    """A console of the same house with HERE's store away."""
    germany = visit.house.settings.regions.germany
    assert germany is not None
    (folder / "broken.sqlite").write_bytes(b"no database" * 1000)
    regions = visit.house.settings.regions.model_copy(
        update={"germany": germany.model_copy(update={"store": folder / "broken.sqlite"})}
    )
    return Visit(replace(visit.house, settings=visit.house.settings.model_copy(update={"regions": regions})))


async def test_a_store_that_is_away_hides_nothing_of_the_others(visit: Visit, tmp_path: Path) -> None:
    """A region's outage stays that region's; that it was not asked is said, in the API and on the page."""
    broken = with_a_broken_store(visit, tmp_path)
    broken.door.let_in("both", msgspec.structs.replace(PEOPLE["engineer"], regions=frozenset({HERE, ELSEWHERE})))
    serial = visit.house.serials[ELSEWHERE][0]
    async with broken.client("both", Origin="http://127.0.0.1") as client:
        found = document(await client.post("/api/v1/lookups", json={"identifier": serial}))
        nowhere = await client.post("/api/v1/lookups", json={"identifier": "nobody-knows"})
        form = {"csrf": broken.door.sessions["both"].csrf, "identifier": serial}
        page = await client.post("/lookup", data=form)

    assert ([one["region"] for one in found["routers"]], found["away"]) == ([ELSEWHERE], [HERE])
    assert (nowhere.status_code, nowhere.json()["error"]["code"]) == (503, "store_unavailable")
    assert page.status_code == 200
    assert "Germany was not searched: its store is away" in page.text
    assert page.text.count('<a href="/routers/') == 1


async def test_a_store_that_is_away_is_said_to_be(visit: Visit, tmp_path: Path) -> None:
    """And not taken for one in which nobody is known."""
    broken = with_a_broken_store(visit, tmp_path)
    async with broken.client("engineer") as client:
        answer = await client.post("/api/v1/lookups", json={"identifier": visit.house.ailing})

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")
    assert answer.headers["retry-after"]


async def test_the_description_is_made_once(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is nobody may ask for it as often as for anything."""
    made = openapi_module.openapi()
    api._described.cache_clear()
    answers = [made]
    monkeypatch.setattr(openapi_module, "openapi", answers.pop)
    async with visit.client() as client:
        told = [document(await client.get("/api/v1/openapi.json")) for _ in range(2)]

    assert told == [made, made]


async def test_answers_are_as_the_description_says(visit: Visit) -> None:
    """Every operation's answer fits its schema."""
    described = openapi()
    handle = await visit.handle()
    people = {"consent": "privacy_officer", "audit": "auditor"}
    for operation in OPERATIONS:
        person = people.get(operation.path.rpartition("/")[2], "engineer")
        own = await visit.handle(person) if person == "privacy_officer" else handle
        path = operation.path.replace("{handle}", own).replace("{rule}", "signal_weak")
        body = {"identifier": visit.house.ailing} if operation.body else None
        async with visit.client(person) as client:
            answer = document(await client.request(operation.method, f"/api/v1{path}", json=body))
        of = described["paths"][f"/api/v1{operation.path}"][operation.method.lower()]["responses"]["200"]
        schema = {**of["content"]["application/json"]["schema"], "components": described["components"]}

        jsonschema.validate(answer, schema)


async def test_the_audit_log_is_read_page_by_page(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest first, older ones when asked for; reading is an entry too."""
    monkeypatch.setattr("collector.console.reading.MOST_ENTRIES", 3)
    for _ in range(5):
        await visit.handle()
    async with visit.client("auditor") as client:
        first = document(await client.get("/api/v1/audit", params={"region": HERE}))
        last = first["entries"][-1]["seq"]
        second = document(await client.get("/api/v1/audit", params={"region": HERE, "before": last}))

    assert [entry["what"] for entry in first["entries"]] == ["lookup"] * 3
    assert first["more"]
    assert [entry["seq"] for entry in second["entries"]] == [last - 1, last - 2, last - 3]
    assert visit.audited()[-1].what == "audit"


async def test_the_audit_log_says_whose_account_was_changed(visit: Visit) -> None:
    """In the API and on the page, as the command says it."""
    log = audit_logs(visit.house.settings).of(None)
    log.note(Event.ACCOUNT_CHANGED, PEOPLE["operator"], whom="<i>erika")
    async with visit.client("auditor") as client:
        [changed, _] = document(await client.get("/api/v1/audit"))["entries"]  # and that the log begins
        page = (await client.get("/audit?log=accounts")).text

    assert (changed["what"], changed["who"], changed["whom"]) == ("account_changed", "otto", "<i>erika")
    assert "account_changed &lt;i&gt;erika" in page


async def test_the_headers_leave_no_room(visit: Visit) -> None:
    """For scripts of others, frames, caches and referrers; on refusals too."""
    async with visit.client("engineer") as client:
        answers = [await client.get(path) for path in ("/api/v1/session", "/api/v1/nowhere", "/nowhere")]

    for answer in answers:
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert [answer.status_code for answer in answers] == [200, 404, 404]


async def test_what_is_no_file_of_ours_is_kept_by_nobody(visit: Visit) -> None:
    """A page that says so names who is signed in, and has the session's word."""
    async with visit.client("engineer") as client:
        refused = [await client.get("/static/nothing"), await client.post("/static/console.js")]
        given = await client.get("/static/console.js")

    assert [(answer.status_code, answer.headers["cache-control"]) for answer in refused] == [
        (404, "no-store"),
        (405, "no-store"),
    ]
    assert given.headers["cache-control"] == "public, max-age=3600"


async def test_a_method_that_is_not_taken_is_told_which_are(visit: Visit) -> None:
    """RFC 9110, 15.5.6: by the API, by pages and by static files."""
    async with visit.client("engineer") as client:
        refused = [await client.put(path) for path in ("/api/v1/lookups", "/preferences", "/static/console.js")]

    assert [(answer.status_code, answer.headers["allow"]) for answer in refused] == [
        (405, "POST"),
        (405, "POST"),
        (405, "GET, HEAD"),
    ]


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:9466", 200), ("localhost", 200), ("[::1]:9466", 200), ("evil.example", 421), ("", 421)],
)
async def test_a_request_for_another_name_is_refused(visit: Visit, host: str, status: int) -> None:
    """A page of somebody else must not reach a console on this machine by a name of its own."""
    async with visit.client("engineer", Host=host) as client:
        assert (await client.get("/api/v1/session")).status_code == status


@pytest.mark.parametrize(("pause", "size", "status"), [(0.0, 10, 400), (30.0, 10, 408), (0.0, MOST_BYTES, 413)])
async def test_a_body_in_pieces_is_limited_in_time_and_size(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, pause: float, size: int, status: int
) -> None:
    """Whoever says nothing of its length, or sends a byte now and then, keeps nobody busy."""
    monkeypatch.setattr(shield, "BODY_SECONDS", 0.5)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * size
            await asyncio.sleep(pause)

    async with visit.client("engineer") as client:
        kind = {"Content-Type": "application/json"}
        answer = await client.post("/api/v1/lookups", content=pieces(), headers=kind)

    assert answer.status_code == status


async def test_many_requests_from_one_address_are_slowed_down(visit: Visit) -> None:
    """Whoever tries words for handles does so for long."""
    async with visit.client("engineer") as client:
        statuses = [(await client.get("/api/v1/routers/guess")).status_code for _ in range(int(AT_ONCE) + 40)]

    assert statuses[: int(AT_ONCE)] == [404] * int(AT_ONCE)
    assert 429 in statuses


async def test_a_console_beyond_this_machine_needs_tls() -> None:
    """What is shown there is personal (O78)."""
    with pytest.raises(ValueError, match="expected cert_file and key_file"):
        ConsoleSettings(host="192.0.2.1")
