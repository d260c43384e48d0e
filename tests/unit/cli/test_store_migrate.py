"""`ueip store migrate`: what operators see, and that nobody can tell afterwards which engine a store lay in before."""

import asyncio
import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import pytest
from click.testing import CliRunner
from engines import HAS_CLICKHOUSE, let_go, needs_clickhouse, needs_postgresql
from postgresql import DATABASES, PASSWORD, shared
from records import HOUR, START, act, join, record

from collector import moving
from collector.cli import ueip
from collector.cli.setup import make_installation
from collector.config import load_settings, read_keys
from collector.errors import CollectorError
from collector.model import Action, Region
from collector.pseudonym import Pseudonymiser
from collector.registry import Entry
from collector.storage import open_registry, open_store
from collector.stores.sqlite_schema import connect

if HAS_CLICKHOUSE:
    from clickhouse import RECORDS
    from clickhouse_http import served

    from collector.stores import clickhouse_purge

HERE: Final = Region.GERMANY
SERIAL, LEFT, HELD = "ZTE1024300012", "ZTE1024300013", "ZTE1024300014"
IMEI: Final = "49015420323751"
LATER: Final = START + HOUR


class Answer(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation whose German ledger knows who is in, who left, whose records are held, and a registry."""
    folder = tmp_path_factory.mktemp("made") / "site"
    make_installation(folder)
    path = folder / "collector.toml"
    path.write_text(re.sub(r"(?m)^retention_days = .*$", "retention_days = 3650", path.read_text()))
    asyncio.run(_history(folder))
    return folder


async def _history(folder: Path) -> None:
    settings = load_settings(folder / "collector.toml")
    pseudonyms = Pseudonymiser(read_keys(settings.regions.of(HERE)))
    mine, left, held = (pseudonyms.identity(name) for name in (SERIAL, LEFT, HELD))
    store = open_store(settings, HERE)
    await store.open()
    lookup = (("imei", pseudonyms.ref("imei", IMEI)),)
    await store.commit([record("a", number, identity=mine, lookup=lookup) for number in range(1, 6)])
    await store.commit([record("b", 1, identity=left), record("c", 1, identity=held)])
    await store.commit([act(Action.EXIT, at=LATER, identity=left), join(at=LATER + HOUR, identity=mine)])
    await store.commit([act(Action.HOLD, at=LATER, identity=held, reference="CASE-4711")])
    await store.close()
    open_registry(settings, HERE).put([(mine, Entry("DE", 1)), (left, Entry("AT", 1))])


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it."""
    yield shutil.copytree(made, tmp_path / "site")
    let_go(tmp_path)


@pytest.fixture
def clickhouse(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The section that puts the German records into ClickHouse, beside a ledger in a database."""
    monkeypatch.setattr(clickhouse_purge, "LONGEST_WRITE", 0.0)  # nobody writes here meanwhile
    with served(site) as server:
        settings = server.settings(RECORDS.at(site / "new"))
        own = {"port": settings.port, "database": settings.database, "user": settings.user}
        own |= {"password_file": str(settings.password_file)}
        lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in own.items())
        yield f"\n[regions.germany.clickhouse]\n{lines}\n"


def to_file(site: Path) -> Path:
    """A configuration that has the German store in another file."""
    text = (site / "collector.toml").read_text().replace('"data/germany.sqlite"', '"data/moved.sqlite"')
    return _written(site, text)


def to_database(site: Path, **changes: Any) -> Path:
    """A configuration that has the German store in a database."""
    settings = DATABASES.settings(site / "new")
    own = {"port": settings.port, "database": settings.database, "user": settings.user}
    own |= {"password_file": str(settings.password_file)} | changes
    text = (site / "collector.toml").read_text()
    text = text.replace('store = "data/germany.sqlite"', "")
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in own.items())
    return _written(site, f"{text}\n[regions.germany.postgresql]\n{lines}\n")


def _written(site: Path, text: str) -> Path:
    path = site / "new.toml"
    path.write_text(text)
    return path


def run(*words: str) -> Answer:
    """The command; faults as `ueip` shows them."""
    done = CliRunner().invoke(ueip, words)
    if done.exception is not None and not isinstance(done.exception, CollectorError | SystemExit):
        raise done.exception
    return Answer(done.exit_code, done.stdout, done.stderr + str(done.exception or ""))


def migrate(site: Path, new: Path, *more: str) -> Answer:
    """The move of the German store."""
    old = str(site / "collector.toml")
    return run("store", "migrate", "--from", old, "--to", str(new), "--region", HERE.value, *more)


def told(config: Path) -> list[Any]:
    """What the commands say of the store that a configuration names."""
    words: list[tuple[str, ...]] = [("find", name, "--json") for name in (SERIAL, IMEI, LEFT, HELD)]
    words += [("ledger", "show", name, "--json") for name in (SERIAL, LEFT, HELD)]
    words += [("ledger", "verify", "--json", "--region", HERE.value), ("ledger", "head", "--region", HERE.value)]
    words += [("registry", "show", name) for name in (SERIAL, LEFT, HELD)]
    return [run(*some, "-c", str(config))[:2] for some in words]


@pytest.mark.parametrize("way", [to_file, pytest.param(to_database, marks=needs_postgresql)])
def test_every_command_says_the_same_of_a_store_that_was_moved(site: Path, way: Any) -> None:
    """`find`, `ledger show`, `verify`, `head` and `registry show`, whoever is asked about; and back again."""
    _says_the_same(site, way(site))


@pytest.mark.parametrize("way", [to_file, pytest.param(to_database, marks=needs_postgresql)])
def test_a_clock_that_is_far_ahead_takes_nothing_for_expired(
    site: Path, way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever moves a store on a machine whose clock is years ahead, and deletes the old one, loses no record."""
    new, before = way(site), told(site / "collector.toml")
    monkeypatch.setattr(moving, "time", SimpleNamespace(time=lambda: LATER / 1000 + 4000 * 86_400))
    done = migrate(site, new)

    assert 0 == done.code, done.err
    assert before == told(new)


@pytest.mark.parametrize("way", [to_file, pytest.param(to_database, marks=needs_postgresql)])
def test_a_clock_that_has_been_far_ahead_for_a_while_costs_a_move_no_more_than_a_sweep(
    site: Path, way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the collector received under it does not speak for that clock: of the other records only the first go."""
    day = 86_400_000
    _commit(site, LATER + 20 * day, LATER + 4000 * day)
    new = way(site)
    monkeypatch.setattr(moving, "time", SimpleNamespace(time=lambda: (LATER + 4000 * day + HOUR) / 1000))
    done = migrate(site, new)
    [found] = json.loads(run("find", SERIAL, "--json", "-c", str(new)).out)

    assert 0 == done.code, done.err
    assert 2 == found["records_stored"]


@needs_clickhouse
def test_every_command_says_the_same_of_a_store_whose_records_were_moved_to_clickhouse(
    site: Path, clickhouse: str
) -> None:
    """There and back again, over HTTP; and never into, or out of, a database that both name."""
    plain = to_database(site).rename(site / "plain.toml")
    beside = _written(site, plain.read_text() + clickhouse)
    same = run("store", "migrate", "--from", str(plain), "--to", str(beside), "--region", HERE.value)

    assert "regions.germany: found the store of" in same.err
    _says_the_same(site, beside)


def _says_the_same(site: Path, new: Path) -> None:
    before = told(site / "collector.toml")
    done = migrate(site, new)

    assert 0 == done.code, done.err
    assert "germany: moved and verified: 6 entries up to 6:" in done.err
    assert "3 routers of which 1 have joined, 6 records" in done.err
    assert before == told(new)
    again = to_back(site)
    moved_back = run("store", "migrate", "--from", str(new), "--to", str(again), "--region", HERE.value)
    assert 0 == moved_back.code, moved_back.err
    assert before == told(again)


@pytest.mark.parametrize("to", [to_file, pytest.param(to_database, marks=needs_postgresql)])
def test_a_store_with_an_id_that_was_used_twice_is_moved_and_in_order(site: Path, to: Callable[[Path], Path]) -> None:
    """Both go over, though the two say the same, and nothing is said of them."""
    _use_an_id_twice(site)
    done = migrate(site, to(site))

    assert (0, True) == (done.code, "8 records" in done.err), done.err
    assert "did not go over" not in done.err


def test_a_store_with_a_mark_that_nobody_can_read_is_refused_in_a_sentence(site: Path) -> None:
    """And not with a traceback."""
    path = site / "data" / "germany.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("INSERT INTO meta VALUES ('move', 'no mark')")
    done = migrate(site, to_file(site))

    assert "source: a note of the store cannot be read" == done.err


@needs_clickhouse
def test_what_clickhouse_has_no_room_for_is_told_at_the_end_of_a_move(site: Path, clickhouse: str) -> None:
    """How many, and why."""
    _use_an_id_twice(site)
    done = migrate(site, _written(site, to_database(site).read_text() + clickhouse))

    assert (0, True) == (done.code, "7 records" in done.err), done.err
    assert "1 records did not go over: each has the id of another one, because its router used a message_id" in done.err


def _use_an_id_twice(site: Path) -> None:
    _commit(site, LATER + 2 * HOUR, LATER + 3 * HOUR)


def _commit(site: Path, *times: int) -> None:
    """Records of one router, under one id, received then."""
    settings = load_settings(site / "collector.toml")
    mine = Pseudonymiser(read_keys(settings.regions.of(HERE))).identity(SERIAL)

    async def commit() -> None:
        store = open_store(settings, HERE)
        await store.open()
        for at in times:
            await store.commit([record("a", 9, at=at, measured=at, identity=mine)])
        await store.close()

    asyncio.run(commit())


def to_back(site: Path) -> Path:
    """A configuration that has the German store in a third place."""
    path = site / "back.toml"
    path.write_text((site / "collector.toml").read_text().replace('"data/germany.sqlite"', '"data/back.sqlite"'))
    return path


def test_what_is_left_behind_is_no_store_any_more(site: Path) -> None:
    """No command works on it but those that look at its ledger; each says where to look."""
    migrate(site, to_file(site))
    old = str(site / "collector.toml")
    found, left, checked = (
        run("find", SERIAL, "-c", old),
        run("exit", SERIAL, "--yes", "-c", old),
        run("check-config", "-c", old),
    )
    again = migrate(site, to_file(site))

    assert [True] * 4 == ["was moved to another store" in one.err for one in (found, left, checked, again)]
    assert 0 not in {found.code, left.code, checked.code, again.code}
    assert 0 == run("ledger", "verify", "--region", HERE.value, "-c", old).code


def test_nothing_of_anybody_is_said(site: Path) -> None:
    """Neither an identifier nor a pseudonym nor the reference of a case."""
    with closing(sqlite3.connect(site / "data" / "germany.sqlite")) as store:
        refs = [row[0].hex() for row in store.execute("SELECT device_ref FROM router UNION SELECT ref FROM lookup")]
    done = migrate(site, to_file(site))
    twice = migrate(site, to_file(site))

    said = done.out + done.err + twice.out + twice.err
    assert len(refs) > 3
    assert [] == [word for word in (*refs, SERIAL, LEFT, HELD, IMEI, "CASE-4711", PASSWORD) if word in said]


# What is looked at before anything is touched


def test_faults_of_the_two_configurations_are_told_at_once(site: Path) -> None:
    """Where, what was found, what was expected, what to do."""
    (site / "spool" / "germany").mkdir()
    (site / "keys" / "other").mkdir()
    (site / "keys" / "other" / "new.key").write_bytes(bytes(range(32)))
    (site / "keys" / "other" / "new.key").chmod(0o600)
    text = (
        to_file(site)
        .read_text()
        .replace("keys/germany.key", "keys/other/new.key")
        .replace("spool/germany", "spool/new")
    )
    done = migrate(site, _written(site, text))
    same = migrate(site, site / "collector.toml")

    assert "new.toml: regions.germany.key_files: found no key" in done.err
    assert "new.toml: regions.germany.spool: found" in done.err
    assert "spool/new, expected" in done.err
    assert "new.toml: regions.germany.witness: found" in done.err
    assert "regions.germany: found the store of" in same.err
    assert 0 == run("find", SERIAL, "-c", str(site / "collector.toml")).code


def test_a_region_that_is_not_served_by_both_is_refused(site: Path) -> None:
    """Records never move between regions: there is one --region, and both have to have it."""
    text = re.sub(r"(?m)^enabled = .*germany.*$", 'enabled = ["china"]', to_file(site).read_text(), count=1)
    done = migrate(site, _written(site, text))

    assert "new.toml: regions.enabled: found no germany, expected it in both configurations" in done.err


def test_the_store_of_another_region_is_refused_as_a_target(site: Path) -> None:
    """By what stands in it."""
    settings = load_settings(site / "collector.toml")

    async def china() -> None:
        store = open_store(settings, Region.CHINA)
        await store.open()
        await store.close()

    asyncio.run(china())
    (site / "data" / "china.sqlite").rename(site / "data" / "moved.sqlite")
    done = migrate(site, to_file(site))

    assert "found the store of region china, expected germany. Records never move between regions" in done.err
    assert "germany: exit recorded" in run("exit", SERIAL, "--yes", "-c", str(site / "collector.toml")).err


def test_a_source_that_is_not_there_is_told(site: Path) -> None:
    """With a witness it is lost, and nothing is made in its place."""
    (site / "data" / "germany.sqlite").unlink()
    done = migrate(site, to_file(site))

    assert "found no store" in done.err
    assert not (site / "data" / "germany.sqlite").exists()


def test_a_source_that_its_witness_does_not_know_is_refused(site: Path) -> None:
    """A restored store would let in again who has left since (K31)."""
    path = site / "data" / "germany.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("DROP TRIGGER ledger_loses_nothing")
        store.execute("DELETE FROM ledger WHERE seq = 6")
    done = migrate(site, to_file(site))

    assert "found a ledger that ends at entry 5, expected at least entry 6" in done.err
    assert "ueip ledger repair" in done.err


@needs_postgresql
def test_a_database_that_cannot_be_used_is_told_and_nothing_was_begun(site: Path) -> None:
    """Away, not made ready, of another schema; each by its cause, and the store goes on."""
    away = migrate(site, to_database(site, port=1))
    shared().ask("postgres", "CREATE DATABASE never_made_ready", "SELECT 1")
    empty = migrate(site, to_database(site, database="never_made_ready"))
    nowhere = migrate(site, to_database(site, database="nowhere"))
    name = DATABASES.at(site / "new")
    shared().ask(name, "UPDATE ueip.about SET schema = schema + 1", "SELECT 1")
    newer = migrate(site, to_database(site))
    shared().ask(name, "UPDATE ueip.about SET schema = schema - 1", "SELECT 1")

    assert "did not answer" in away.err
    assert "Make one with: ueip store init" in empty.err
    assert "SQLSTATE 3D000" in nowhere.err
    assert "A newer collector made it" in newer.err
    assert 0 == run("find", SERIAL, "-c", str(site / "collector.toml")).code


def test_a_move_that_was_begun_can_be_given_up(site: Path) -> None:
    """The store goes on; what was half there is not taken for one."""
    new = to_file(site)
    with closing(sqlite3.connect(site / "data" / "germany.sqlite", isolation_level=None)) as store:
        store.execute("INSERT INTO meta VALUES ('move', 'out 1f 0')")
    stuck = run("find", SERIAL, "-c", str(site / "collector.toml"))
    given_up = migrate(site, new, "--give-up")
    nothing = migrate(site, new, "--give-up")

    assert "is being moved to another store" in stuck.err
    assert "germany: given up" in given_up.err
    assert "found none, expected a move that is under way" in nothing.err
    assert 0 == run("find", SERIAL, "-c", str(site / "collector.toml")).code


def test_a_move_of_a_region_that_is_not_served_cannot_be_given_up(site: Path) -> None:
    """The wrong configuration was named."""
    old = site / "collector.toml"
    enabled = 'enabled = ["china"]'
    old.write_text(re.sub(r"(?m)^enabled = \[.*$", enabled, old.read_text(), count=1))
    given_up = migrate(site, old, "--give-up")

    assert enabled in old.read_text()
    assert (1, True) == (given_up.code, "regions.enabled: found no germany" in given_up.err)


def test_a_full_disk_is_told_and_the_move_goes_on_once_there_is_room(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At which end it was; nothing works meanwhile."""

    def small(path: Path, *args: Any) -> sqlite3.Connection:
        made = connect(path, *args)
        if path.name == "moved.sqlite":
            pages = made.execute("PRAGMA page_count").fetchone()[0]
            made.execute(f"PRAGMA max_page_count = {pages}")
        return made

    monkeypatch.setattr("collector.stores.sqlite_end.connect", small)
    body = {"body": b'{"router":{"uptime_seconds":1' + b" " * 20_000 + b"}}"}
    asyncio.run(_one_more(site, body))
    new = to_file(site)
    full = migrate(site, new)
    waits = run("find", SERIAL, "-c", str(site / "collector.toml"))
    monkeypatch.undo()
    done = migrate(site, new)

    assert "target: the store of germany did not answer: database or disk is full" in full.err
    assert "is being moved" in waits.err
    assert 0 == done.code, done.err


async def _one_more(site: Path, what: dict[str, Any]) -> None:
    settings = load_settings(site / "collector.toml")
    identity = Pseudonymiser(read_keys(settings.regions.of(HERE))).identity(SERIAL)
    store = open_store(settings, HERE)
    await store.open()
    await store.commit([record("a", 9, at=LATER + HOUR, identity=identity, **what)])
    await store.close()
