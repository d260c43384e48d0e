"""The API for acts of consent, over real HTTP: nothing without the secret, nothing said before it is durable."""

import asyncio
import json
import sqlite3
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme
from msgspec.structs import replace
from notices import later, notice
from office import TOKEN, Office, act, imei_of, mac_of, now
from prometheus_client import generate_latest
from support import ROUTER

from collector.config_files import server_context
from collector.config_http import ApiSettings
from collector.metrics import API_STATUSES
from collector.model import Region
from collector.rights.api import MAX_BYTES
from collector.rights.document import DESK_ONLY


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """A desk at work."""
    async with Office(tmp_path).at_work() as made:
        yield made


PATHS = ["/v1/consent", "/v1/consent/state"]
EXIT = {"router": ROUTER, "action": "exit", "event_id": "e-9", "channel": "app"}


# Who is let in


STRANGERS = [None, "", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), f" {TOKEN} x", "Basic", "ä" * 40, "x" * 5000]


async def test_nobody_is_let_in_without_the_secret(office: Office) -> None:
    """Neither without one, nor with one that is nearly right; nothing reaches a ledger, nothing is said of it."""
    answers = [await office.ask(EXIT, token=token) for token in STRANGERS]

    assert [(401, "Bearer", "unauthorized")] * len(STRANGERS) == [
        (answer.status, answer.headers["www-authenticate"], answer.code) for answer in answers
    ]
    assert [] == await office.acts()
    assert not [answer for answer in answers if TOKEN in answer.text]


async def test_the_secret_is_asked_for_before_the_body_is_read(office: Office) -> None:
    """A body that is too large costs a stranger nothing to send, and us nothing to refuse."""
    answer = await office.ask(b"x" * (MAX_BYTES * 4), token="wrong")

    assert 401 == answer.status


async def test_several_secrets_are_good_while_they_change(office: Office) -> None:
    """Each line of the file opens."""
    answers = [await office.ask(EXIT, token=token) for token in (TOKEN, "another-" + "y" * 32)]

    assert [200, 200] == [answer.status for answer in answers]


# What is taken


async def test_a_join_is_recorded_in_its_countrys_ledger(office: Office) -> None:
    """And the gate is open for what comes next."""
    answer = await office.act("join")
    await office.report()

    assert (200, {"result": "recorded", "regions": {"germany": "recorded"}}) == (answer.status, answer.json())
    assert (["join"], [], 1) == (await office.acts(), await office.acts(Region.CHINA), len(await office.records()))


async def test_what_is_answered_is_durable(office: Office) -> None:
    """Another process finds the act in the ledger when the answer is there."""
    await office.act("join")
    with closing(sqlite3.connect(office.stores[Region.GERMANY].path)) as other:
        found = other.execute("SELECT json_extract(entry, '$.action') FROM ledger").fetchall()

    assert [("join",)] == found


@pytest.mark.parametrize("action", ["exit", "void", "unbind", "cancel"])
async def test_a_router_leaves_by_whatever_it_is_called(office: Office, action: str) -> None:
    """Its serial, IMEI or MAC; without a word of where it is."""
    names: list[Callable[[str], str]] = [str, str.lower, imei_of, mac_of, lambda r: mac_of(r).replace(":", "").upper()]
    routers = [f"ZTE10243{number:04}" for number in range(len(names))]
    for router, name in zip(routers, names, strict=True):
        await office.report(router=router)
        answer = await office.act(action, router=name(router))

        assert (200, "recorded", "recorded") == (answer.status, answer.json()["result"], answer.regions["germany"])
        assert [] == await office.records(router=router)
    assert ["join", action] * len(names) == await office.acts()
    assert [] == await office.acts(Region.CHINA)


async def test_a_restriction_hides_and_its_end_shows(office: Office) -> None:
    """The records stay."""
    await office.report()
    await office.act("restrict", "e-1")
    during = await office.records()
    await office.act("unrestrict", "e-2")

    assert ([], 1) == (during, len(await office.records()))


async def test_an_erasure_leaves_the_router_in_the_programme(office: Office) -> None:
    """What was received until the request is gone, what comes later is taken; a retry erases nothing more."""
    await office.report(1)
    await office.report(2)
    erased = await office.act("erase", "d-1", channel="app", reason="owner_request")
    between = await office.records()
    await office.report(3, at=now() + 1000)
    again = await office.act("erase", "d-1", channel="app")

    assert ("recorded", "repeated") == (erased.regions["germany"], again.regions["germany"])
    assert ([], 1) == (between, len(await office.records()))
    assert ["join", "erase"] == await office.acts()


async def test_a_hold_is_not_for_programs(office: Office) -> None:
    """Somebody with a case decides on it, at the command."""
    answers = [await office.act(action, reference="CASE-1") for action in ("hold", "release")]

    assert {400} == {answer.status for answer in answers}


async def test_the_broker_is_asked_to_forget_who_leaves(office: Office) -> None:
    """Once the ledger has it; also when the answer was lost and the act comes again."""
    await office.report()
    await office.act("restrict", "r-1")
    await office.act("unrestrict", "r-2")
    before = list(office.cleared)
    await office.act("exit", "x-1")
    await office.act("exit", "x-1")
    await office.act("exit", "x-2", router="ZTE0000000001")

    assert ([f"ueip/v1/{ROUTER}/report"], [f"ueip/v1/{ROUTER}/report"] * 3) == (before, office.cleared)


async def test_a_router_never_seen_leaves_where_its_country_says(office: Office) -> None:
    """So that the gate is closed before its first report; without a country nothing is kept of it."""
    nowhere = await office.act("exit", "e-1")
    there = await office.act("exit", "e-2", country="HK")

    assert {"without_effect"} == {*nowhere.regions.values()}
    assert "recorded" == there.regions["hong_kong"]
    assert ([], ["exit"]) == (await office.acts(), await office.acts(Region.HONG_KONG))


async def test_an_act_counts_once(office: Office) -> None:
    """However often it is sent: a retry after a lost answer is no new act, and undoes nothing that came between."""
    first = await office.act("join", "j-1")
    left = await office.act("exit", "x-1")
    again = [await office.act("join", "j-1"), await office.act("exit", "x-1")]

    assert ["recorded", "recorded"] == [first.regions["germany"], left.regions["germany"]]
    assert ["repeated", "repeated"] == [answer.regions["germany"] for answer in again]
    assert ["join", "exit"] == await office.acts()


async def test_a_name_that_went_with_the_records_is_nobodys_when_the_act_comes_again(office: Office) -> None:
    """Nothing is done twice. By the topic's name, which the ledger keeps, it would be a repetition."""
    await office.report(router="ZTE1024300077")
    answers = [await office.act("exit", "x-1", router=imei_of("ZTE1024300077")) for _ in range(2)]

    assert ["recorded", "without_effect"] == [answer.json()["result"] for answer in answers]
    assert ["join", "exit"] == await office.acts()


async def test_who_leaves_under_the_id_of_another_act_has_left(office: Office) -> None:
    """A program that gives one id to all its acts can close the gate, and opens it once (K35)."""
    await office.report(1)
    told = [await office.act(action, "same") for action in ("erase", "join", "exit", "join", "exit")]

    assert ["recorded"] * 3 + ["repeated"] * 2 == [answer.regions["germany"] for answer in told]
    assert ["join", "erase", "join", "exit"] == await office.acts()
    assert [] == await office.records()


async def test_two_acts_of_one_id_at_once_are_both_carried_out(office: Office) -> None:
    """The exit does not wait for the join's answer and take it for its own; a join that came after all of it may."""
    join, left = await asyncio.gather(office.act("join", "same"), office.act("exit", "same", country="DE"))

    assert "recorded" == left.regions["germany"]
    assert "exit" in await office.acts()
    assert join.regions["germany"] in {"recorded", "stale", "repeated"}


async def test_the_same_act_sent_at_once_by_many_counts_once(office: Office) -> None:
    """All of them are told what became of it."""
    answers = await asyncio.gather(*(office.act("exit", "x-1", country="DE") for _ in range(12)))

    assert {200} == {answer.status for answer in answers}
    assert {"recorded", "repeated"} >= {answer.regions["germany"] for answer in answers}
    assert ["exit"] == await office.acts()


async def test_a_join_from_before_the_exit_is_stale(office: Office) -> None:
    """A sync is not a join (K20)."""
    await office.act("exit", "x-1", country="DE")
    answer = await office.act("join", "j-1", time="2026-01-01T00:00:00Z")

    assert {"result": "stale", "regions": {"germany": "stale"}} == answer.json()


async def test_an_act_is_kept_as_evidence_of_who_sent_it(office: Office) -> None:
    """The channel it names, and that it came by the API; no identifier."""
    await office.act("join", channel="app")
    entry = (await office.stores[Region.GERMANY].ledger())[0]

    assert ("app", "api") == (entry.channel.value, entry.actor_auth)
    assert ("2020-03-14", "adult") == (entry.policy_version, entry.adult_or_guardian)


async def test_it_says_what_the_ledgers_say(office: Office) -> None:
    """Asked forward, by an identifier in the body: none stands in an address that others log."""
    await office.report()
    answer = await office.ask({"router": imei_of(ROUTER)}, path="/v1/consent/state")
    regions = answer.json()["regions"]

    assert 200 == answer.status
    assert ([], []) == (regions["china"], regions["hong_kong"])
    assert ["joined"] == [found["state"] for found in regions["germany"]]
    assert ROUTER not in answer.text


async def test_it_says_that_a_consent_has_ended_with_a_new_notice(office: Office) -> None:
    """The ledger has no entry for that: a service that is told `joined` would not ask the owner again."""
    await office.act("join")
    rules = office.desk._rules
    office.desk._rules = replace(rules, gate=replace(rules.gate, policies=notice(later("v2", at=now()))))
    answer = await office.ask({"router": ROUTER}, path="/v1/consent/state")

    assert ["outdated"] == [found["state"] for found in answer.json()["regions"]["germany"]]


# What is refused


NO_ACTS: list[tuple[bytes, int, str]] = [
    (b"", 400, "malformed"),
    (b"{", 400, "malformed"),
    (b"[]", 400, "malformed"),
    (b"null", 400, "malformed"),
    (b'{"router": "a", "router": "b"}', 400, "malformed"),
    (b'{"router": NaN}', 400, "malformed"),
    (b"\xff\xfe", 400, "malformed"),
    (b'{"router": {"a": {"b": {"c": 1}}}}', 400, "malformed"),
    (b"{}", 400, "invalid"),
    (b" " * (MAX_BYTES + 1), 413, "oversize"),
    (b'{"router": "' + b"a" * MAX_BYTES + b'"}', 413, "oversize"),
]


async def test_what_is_no_act_is_refused(office: Office) -> None:
    """In one form, with a code; nothing reaches a ledger."""
    answers = [await office.ask(body) for body, _, _ in NO_ACTS]

    assert [(status, code) for _, status, code in NO_ACTS] == [(answer.status, answer.code) for answer in answers]
    assert {"no-store"} == {answer.headers["cache-control"] for answer in answers}
    assert [] == await office.acts()


async def test_what_does_not_say_it_is_json_is_refused(office: Office) -> None:
    """A form on some page in a browser cannot send it."""
    kinds = [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"]
    answers = [await office.ask(EXIT, kind=kind) for kind in kinds]

    assert {(415, "content_type")} == {(answer.status, answer.code) for answer in answers}


WRONG: list[tuple[str, Any]] = [
    ("router", "c4n4ry with blanks"),
    ("router", "c4n4ry" * 20),
    ("router", 7),
    ("action", "c4n4ry"),
    ("action", "JOIN"),
    ("event_id", ""),
    ("event_id", "c4n4ry/" * 20),
    ("event_id", None),
    ("channel", "c4n4ry"),
    ("channel", "telemetry_flag"),
    ("channel", "system"),
    ("time", "c4n4ry"),
    ("time", "2026-11-21T16:58:12"),
    ("time", "1795280292"),
    ("time", "-1"),
    ("time", 1795280292),
    ("time", "2026-11-21"),
    ("country", ["c4n4ry"]),
    ("policy_version", "c4n4ry c4n4ry"),
    ("policy_digest", "c4n4ry"),
    ("language", "c4n4ry-c4n4ry-c4n4ry-c4n4ry"),
    ("storage_regions", ["c4n4ry"]),
    ("storage_regions", "germany"),
    ("adult_or_guardian", "c4n4ry"),
]


async def test_a_fault_names_the_field_and_not_what_was_sent(office: Office) -> None:
    """What was expected, for people to mend it."""
    answers = [(name, await office.ask(act("join", "e-1") | {name: value})) for name, value in WRONG]

    assert {(400, "invalid")} == {(answer.status, answer.code) for _, answer in answers}
    assert [[name] for name, _ in WRONG] == [list(answer.json()["error"]["fields"]) for _, answer in answers]
    assert not [name for name, answer in answers if "c4n4ry" in answer.text.lower() or ROUTER in answer.text]
    assert [] == await office.acts()


async def test_a_key_that_is_not_known_is_refused_without_naming_it(office: Office) -> None:
    """A misspelt field must not be taken for one left out; the key may hold anything, so it is not said again."""
    answer = await office.act("exit", **{"c4n4ry-key": "c4n4ry-value"})

    assert (400, {"body": "a field is not known here"}) == (answer.status, answer.json()["error"]["fields"])


async def test_what_is_decided_is_not_clicked(office: Office) -> None:
    """An app cannot restrict or void."""
    answers = [await office.act(what, channel=channel) for what in sorted(DESK_ONLY) for channel in ("app", "webui")]

    assert {(400, ("channel",))} == {(answer.status, tuple(answer.json()["error"]["fields"])) for answer in answers}


NO_JOINS: list[tuple[dict[str, Any], str]] = [
    ({"country": "XX"}, "region_unknown"),
    ({"country": None}, "region_unknown"),
    ({"time": None}, "clock_invalid"),
    ({"time": "2999-01-01T00:00:00Z"}, "future"),
    ({"policy_version": "1999-01-01"}, "policy_outdated"),
    ({"router": "d8:0a:e6:01:02:03"}, "unknown_topic"),
]


async def test_a_join_meets_the_demands_of_the_consent_topic(office: Office) -> None:
    """It is refused for the same reasons, by their names."""
    answers = [await office.act("join", **said) for said, _ in NO_JOINS]

    assert [(422, code) for _, code in NO_JOINS] == [(answer.status, answer.code) for answer in answers]
    assert [] == await office.acts()


async def test_there_is_nothing_but_to_post(office: Office) -> None:
    """Not even a GET with an identifier in its address."""
    methods = ["GET", "PUT", "DELETE", "PATCH"]
    answers = [await office.ask(b"", path=path, method=method) for path in PATHS for method in methods]

    found = {(answer.status, answer.code, answer.headers["allow"]) for answer in answers}
    assert {(405, "method_not_allowed", "POST")} == found


async def test_there_is_nothing_else(office: Office) -> None:
    """Two places and no more; the operators' pages are on another listener."""
    paths = ["/", "/v1", "/v1/consent/x", "/metrics", "/docs", "/openapi.json", "/v2/consent"]
    answers = [await office.ask(EXIT, path=path) for path in paths]

    assert {(404, "not_found")} == {(answer.status, answer.code) for answer in answers}


# When a ledger is away


async def test_an_act_that_is_not_durable_is_never_called_recorded(tmp_path: Path) -> None:
    """503, with when to try again and which region it was; sent again, it is answered, and counted once."""
    async with Office(tmp_path, patience=0.5).at_work() as office:
        await office.report()
        with closing(sqlite3.connect(office.stores[Region.GERMANY].path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = [await office.act("exit", "x-1") for _ in range(3)]
            other.execute("ROLLBACK")
        answer = await office.act("exit", "x-1")
        while answer.status == 503:
            answer = await office.act("exit", "x-1")
        acts = await office.acts()

    assert {(503, "ledger_unavailable", "5")} == {(r.status, r.code, r.headers["retry-after"]) for r in refused}
    assert {"unavailable"} == {r.regions["germany"] for r in refused}
    assert answer.regions["germany"] in {"recorded", "repeated"}
    assert ["join", "exit"] == acts


async def test_a_state_that_cannot_be_read_is_not_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 as well."""
    async with Office(tmp_path, patience=0.2).at_work() as office:

        async def hangs(_: object) -> Any:
            await asyncio.sleep(60)

        monkeypatch.setattr(office.stores[Region.CHINA], "find", hangs)
        answer = await office.ask({"router": ROUTER}, path="/v1/consent/state")

    assert (503, "ledger_unavailable") == (answer.status, answer.code)


async def test_memory_is_bounded_while_a_ledger_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes beyond the bound is told to come again; what waits already is not held twice."""
    monkeypatch.setattr("collector.rights.desk.MOST_PENDING", 3)
    async with Office(tmp_path, patience=0.3).at_work() as office:
        with closing(sqlite3.connect(office.stores[Region.GERMANY].path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answers = [await office.act("exit", f"x-{number % 5}", country="DE") for number in range(10)]
            waiting = len(office.desk._pending)
            other.execute("ROLLBACK")

    assert {503} == {answer.status for answer in answers}
    assert waiting <= 3


# What is left of a request


async def test_nothing_of_a_request_is_in_logs_or_metrics(
    office: Office, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """No secret, no identifier: whatever was sent and however it failed."""
    caplog.set_level("DEBUG")
    await office.act("join")
    await office.act("exit", "e-2")
    await office.act("exit", "c4n4ry" * 99)
    await office.ask(EXIT, token=TOKEN + "c4n4ry")
    await office.ask(json.dumps(EXIT).encode() + b"c4n4ry")
    await office.ask(b"", path=f"/v1/consent?router={ROUTER}", method="GET")
    out, err = capfd.readouterr()
    found = "\n".join([caplog.text, out, err, generate_latest(office.metrics.registry).decode()])

    assert not [text for text in (TOKEN, ROUTER, "c4n4ry", "e-9") if text in found]
    assert {200: 2, 400: 2, 401: 1, 405: 1} == dict(office.metrics.api_answers)


async def test_a_failure_of_ours_says_nothing_of_the_request(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its text may quote what was sent."""

    async def fails(*_: object) -> None:
        raise KeyError(ROUTER)

    monkeypatch.setattr(office.desk, "act", fails)
    caplog.set_level("DEBUG")
    answer = await office.ask(EXIT)

    assert (500, "internal_error") == (answer.status, answer.code)
    assert ROUTER not in answer.text + caplog.text
    assert any("api_failed" in record.message for record in caplog.records)


async def test_every_status_is_declared(office: Office) -> None:
    """The label has no values but those of the reference."""
    await office.ask(EXIT)
    await office.ask(EXIT, token="no")
    await office.ask(b"{")

    assert set(office.metrics.api_answers) <= set(API_STATUSES)


# TLS


async def test_it_speaks_tls(tmp_path: Path) -> None:
    """With a certificate of its own, 1.2 at the least."""
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    cert, key = tmp_path / "api.crt", tmp_path / "api.key"
    cert.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(key)
    context = server_context(ApiSettings(cert_file=cert, key_file=key))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with Office(tmp_path, tls=context).at_work() as office:
        answer = await office.ask(EXIT, tls=trusting)
        address = office.listener.address

    assert 200 == answer.status
    assert address.startswith("https://")
    assert context is not None
    assert ssl.TLSVersion.TLSv1_2 == context.minimum_version
