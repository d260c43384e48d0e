"""The main job with one region's store in PostgreSQL: the real server, broker and commands, and what goes wrong there.

The oracle is the publisher, as in `test_crashes`: what the broker acknowledged is in exactly one store, once.
"""

import contextlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from engines import needs_postgresql
from postgresql import PASSWORD, Server, new_server

from collector.stores import postgres_setup
from collector.stores.postgres_migrations import MIGRATIONS
from collector.stores.postgres_schema import SCHEMA_VERSION

from .harness import (
    REGIONS,
    Collector,
    Site,
    consent,
    disguises,
    environment,
    files_below,
    report,
    traces,
    wait_until,
)
from .test_canary import CANARY, crowded_reports
from .test_crashes import Load
from .test_troubles import wait_closed

pytestmark = needs_postgresql
HERE: Final = "germany"
SERIAL, OTHER = "ZTEAB0A000001", "ZTEAB0A000002"
DATABASE: Final = "ueip_germany"
LONG: Final = 60.0


@pytest.fixture(scope="module")
def server() -> Server:
    """A server for these tests alone: they stop it."""
    made = new_server()
    for name in ("germany_writer", "germany_reader", "germany_rights"):
        made.ask("postgres", f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'", "SELECT 1")
    return made


class DatabaseSite(Site):
    """A site whose German store is a database."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.server = server
        super().__init__(folder)

    def configure(self, **sections: Mapping[str, Any]) -> None:
        """As `Site.configure`, with the database."""
        super().configure(**sections)
        settings = {
            "port": self.server.port,
            "database": DATABASE,
            "user": "germany_writer",
            "password_file": str(self.server.password_file),
        }
        own = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
        text = self.config.read_text().replace('store = "data/germany.sqlite"', 'spool = "spool/germany"')
        self.config.write_text(f"{text}\n[regions.germany.postgresql]\n{own}\n")

    def rows(self, region: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """As `Site.rows`; the statements here are those that both understand."""
        if region != HERE:
            return super().rows(region, sql, *values)
        assert not values
        for table in ("record", "ledger", "lookup", "router"):
            sql = sql.replace(f"FROM {table}", f"FROM ueip.{table}")
        return self.server.ask(DATABASE, sql)

    def spool(self, region: str) -> Path:
        """As `Site.spool`."""
        return self.folder / "spool" / "germany" if region == HERE else super().spool(region)


@pytest.fixture
def site(tmp_path: Path, installation: Path, server: Server) -> Iterator[DatabaseSite]:
    """An installation whose database was made ready by the command."""
    shutil.copytree(installation, tmp_path / "site")
    server.ask("postgres", f"CREATE DATABASE {DATABASE}", "SELECT 1")
    made = DatabaseSite(tmp_path / "site", server)
    done = made.ueip("store", "init", "--region", HERE, "-c", str(made.config))
    assert done.returncode == 0, done.stderr
    for name in ("writer", "reader", "rights"):
        server.ask("postgres", f"GRANT ueip_germany_{name} TO germany_{name}", "SELECT 1")
    yield made
    made.stop()
    server.ask("postgres", f"DROP DATABASE {DATABASE} WITH (FORCE)", "SELECT 1")


def as_role(site: DatabaseSite, name: str) -> str:
    """The path of a configuration that signs in to the database as another role."""
    other = site.folder / f"{name}.toml"
    other.write_text(site.config.read_text().replace('user = "germany_writer"', f'user = "germany_{name}"'))
    return str(other)


def test_the_main_job_with_a_database(site: DatabaseSite) -> None:
    """Reports into all regions, found by an engineer who can only read, erased by a desk that can store nothing."""
    collector = site.start()
    with site.publisher() as router:
        for serial, country in ((SERIAL, "DE"), (OTHER, "DE"), ("ZTEAB0A000003", "CN"), ("ZTEAB0A000004", "HK")):
            router.report(report(serial, country=country))
        router.report(report("ZTEAB0A000005", ueip=None))
        found = collector.wait_settled(5)
        seen = site.ueip("find", SERIAL, "--json", "-c", as_role(site, "reader"))
        denied = site.ueip("exit", OTHER, "-c", as_role(site, "reader"))
        left = site.ueip("exit", SERIAL, "-c", as_role(site, "rights"))
        router.report(report(SERIAL))
        router.publish(f"ueip/v1/{OTHER}/consent", consent("exit"))
        wait_until(lambda: site.count(HERE) == 0, what="the second exit")
        last = collector.wait_settled(6)
    verified = site.ueip("ledger", "verify", "--region", HERE, "-c", as_role(site, "reader"))
    shown = site.ueip("ledger", "show", SERIAL, "-c", as_role(site, "reader"))

    assert {region: 2 if region == HERE else 1 for region in REGIONS} == found.stored
    assert {"flag_absent": 1} == found.dropped
    assert [{"uptime_seconds": 86_400}] == [
        {"uptime_seconds": r["body"]["router"]["uptime_seconds"]} for r in json.loads(seen.stdout)[0]["records"]
    ]
    assert (3, 0) == (denied.returncode, left.returncode)
    assert {"flag_absent": 1, "withdrawn": 1} == last.dropped
    assert (0, True) == (verified.returncode, "germany in order: 4 entries" in verified.stdout), verified.stdout
    assert 0 == shown.returncode
    assert 0 == collector.stop()


def test_check_config_tells_what_is_wrong_with_a_database(site: DatabaseSite) -> None:
    """In order; not made ready; not let in; away. No host, user or secret is in a sentence about the server."""
    good = site.ueip("check-config", "-c", str(site.config))
    text = site.config.read_text()

    def check(old: str, new: str) -> tuple[int, str]:
        other = site.folder / "other.toml"
        other.write_text(text.replace(old, new))
        done = site.ueip("check-config", "-c", str(other))
        return done.returncode, done.stderr

    unmade = check(f'database = "{DATABASE}"', 'database = "postgres"')
    stranger = check('user = "germany_writer"', 'user = "nobody-there"')
    away = check(f"port = {site.server.port}", "port = 1")

    assert good.returncode == 0, good.stderr
    assert unmade[0] == stranger[0] == 2
    assert "regions.germany.postgresql: found a database without a store. Make one with: ueip store init" in unmade[1]
    assert "regions.germany.postgresql: the store of germany did not answer" in stranger[1]
    assert "Correct user and password_file" in stranger[1]
    assert 0 == away[0]
    assert "note: regions.germany.postgresql was not looked at" in away[1]
    assert [] == [secret for secret in (PASSWORD, "127.0.0.1") if secret in unmade[1] + stranger[1] + away[1]]


def test_what_store_init_would_do_can_be_run_by_somebody_else(site: DatabaseSite) -> None:
    """The SQL that it prints makes a store that the collector takes; and for one that is there already, less."""
    server = site.server
    server.ask("postgres", "CREATE DATABASE by_hand", "SELECT 1")
    try:
        text = site.config.read_text().replace(f'database = "{DATABASE}"', 'database = "by_hand"')
        site.config.write_text(text)
        unready = site.ueip("check-config", "-c", str(site.config))
        printed = site.ueip("store", "init", "--region", HERE, "--print", "-c", str(site.config))
        server.ask("by_hand", printed.stdout, "SELECT 1")
        again = [
            site.ueip("store", "init", "--region", HERE, "--print", "--schema", version, "-c", str(site.config))
            for version in ("1", str(SCHEMA_VERSION), str(SCHEMA_VERSION + 1))
        ]
        server.ask("by_hand", again[1].stdout, "SELECT 1")
        checked = site.ueip("check-config", "-c", str(site.config))
    finally:
        server.ask("postgres", "DROP DATABASE by_hand WITH (FORCE)", "SELECT 1")

    assert (2, 0, 0) == (unready.returncode, printed.returncode, checked.returncode), checked.stderr
    assert [] == [done for done in (printed, *again[:2]) if "pg_advisory_xact_lock" not in done.stdout]
    assert [(False, True), (False, False)] == [
        ("CREATE SCHEMA" in done.stdout, "ADD COLUMN floating" in done.stdout) for done in again[:2]
    ]
    assert 0 != again[2].returncode
    assert "expected at most" in again[2].stderr


@pytest.fixture
def older(site: DatabaseSite, monkeypatch: pytest.MonkeyPatch) -> DatabaseSite:
    """A site whose database is of the first schema."""
    server = site.server
    server.ask("postgres", f"DROP DATABASE {DATABASE} WITH (FORCE)", "SELECT 1")
    with monkeypatch.context() as then:
        then.setattr(postgres_setup, "MIGRATIONS", MIGRATIONS[:1])
        then.setattr(postgres_setup, "SCHEMA_VERSION", 1)
        grants = "GRANT USAGE ON SCHEMA ueip TO {0}; GRANT SELECT ON ALL TABLES IN SCHEMA ueip TO {0};"
        then.setattr(postgres_setup, "grants_within", lambda _: grants.format("ueip_germany_writer"))
        server.make(DATABASE)
    return site


def test_a_new_release_takes_a_region_up_once_its_database_is_made_ready(older: DatabaseSite) -> None:
    """Without a restart. Until then the region says what to do, its messages wait, and the other regions go on."""
    older.broker.start()
    collector = older.collector.start()
    wait_closed(collector, "older schema")
    with older.publisher() as router:
        for country in ("DE", "DE", "CN"):
            router.report(report(SERIAL if country == "DE" else OTHER, country=country))
        router.settle()
        wait_until(lambda: collector.metrics().stored, what="the record of China")
        before = collector.metrics()
        done = older.ueip("store", "init", "--region", HERE, "-c", str(older.config))
        after = collector.wait_ready().wait_settled(3)

    assert ({"china": 1}, {"china": 1, HERE: 2}) == (before.stored, after.stored)
    assert "upgraded from 1" in done.stderr
    assert "Make the database ready for this collector, with: ueip store init." in collector.said()


def test_store_init_says_how_the_collector_is_let_in_whatever_its_name_is(site: DatabaseSite) -> None:
    """The statement can be run as it stands, also for a name that has to be quoted."""
    user = "Some.one-else"
    site.config.write_text(site.config.read_text().replace('user = "germany_writer"', f'user = "{user}"'))
    site.server.ask("postgres", f'CREATE ROLE "{user}" LOGIN', "SELECT 1")
    try:
        done = site.ueip("store", "init", "--region", HERE, "-c", str(site.config))
        [statement] = re.findall(r"GRANT [^;]*;", done.stderr)
        [(is_member,)] = site.server.ask(
            "postgres", statement, f"SELECT pg_has_role('{user}', 'ueip_germany_writer', 'MEMBER')"
        )
    finally:
        site.server.ask("postgres", f'DROP ROLE "{user}"', "SELECT 1")

    assert is_member


@contextlib.contextmanager
def stopped(server: Server, mode: str) -> Iterator[None]:
    """The server is gone for the length of a block."""
    server.stop(mode)
    try:
        yield
    finally:
        server.start()


def kept_elsewhere(collector: Collector) -> int:
    """Records of the region in its spool, and messages left with the broker: those of routers it does not know yet."""
    found = collector.metrics()
    names = ("collector_records_spooled_total", "collector_messages_left_total")
    return sum(found.total(name, region=HERE) for name in names)


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_a_server_that_goes_away_and_comes_back_loses_nothing(site: DatabaseSite, mode: str) -> None:
    """As in a crash, or stopped by its operator, under load: the region's records are spooled, the others go on."""
    site.configure(spool={"after_seconds": 0.2}, writer={"max_batch_rows": 50})
    collector, load = site.start(), Load(site)
    with site.publisher() as router:
        load.send(router, 900)
        wait_until(lambda: load.stored_count() > 900 * 0.4, LONG, what="some records")
        with stopped(site.server, mode):
            load.send(router, 600)
            wait_until(lambda: collector.readyz()[1]["spool_germany"] == "in use", LONG, what="the spool")
            wait_until(lambda: collector.readyz()[1]["store_germany"] == "not answering", LONG, what="its name")
            wait_until(lambda: site.count("china") == 500, LONG, what="the other regions")
            wait_until(lambda: kept_elsewhere(collector), LONG, what="records in the spool or left with the broker")
        acknowledged = router.settle(LONG)
        collector.wait_ready()
        found = load.wait_drained(collector)

    assert load.expected(acknowledged) == load.stored()
    assert {"duplicate"} >= found.dropped.keys()
    assert "127.0.0.1:" + str(site.server.port) not in collector.said()


def test_exits_while_the_server_is_away_are_carried_out_when_it_is_back(site: DatabaseSite) -> None:
    """Nothing of the router is stored or can be read afterwards, and a neighbour's records are all there."""
    site.configure(spool={"after_seconds": 0.2})
    collector = site.start()
    with site.publisher() as router:
        router.report(report(SERIAL))
        router.report(report(OTHER))
        collector.wait_settled(2)
        with stopped(site.server, "immediate"):
            router.report(report(SERIAL))
            router.report(report(OTHER))
            wait_until(lambda: collector.readyz()[1]["spool_germany"] == "in use", LONG, what="the spool")
            wait_until(lambda: collector.metrics().total("collector_spool_records", region=HERE) == 2, LONG)
            router.publish(f"ueip/v1/{SERIAL}/consent", consent("exit"))
            wait_until(lambda: collector.metrics().total("collector_spool_records", region=HERE) == 1, LONG)
        collector.wait_ready()
        wait_until(lambda: site.count(HERE) == 2, LONG, what="the neighbour's records")
        wait_until(lambda: not collector.metrics().in_flight, LONG, what="the outcomes")
    acts = site.rows(HERE, "SELECT entry FROM ledger ORDER BY seq")

    assert ["join", "join", "exit"] == [json.loads(row[0])["action"] for row in acts]
    assert collector.metrics().adds_up()


def test_a_collector_that_is_killed_again_and_again_loses_nothing(site: DatabaseSite) -> None:
    """Kill -9 under load: what the broker took is stored once, whatever the database was just doing."""
    site.configure(
        broker={"port": site.broker.port, "reconnect_max_seconds": 0.5, "receive_maximum": 500},
        writer={"max_batch_rows": 50},
    )
    collector, load = site.start(), Load(site)
    with site.publisher() as router:
        for _ in range(3):
            before = load.stored_count()
            load.send(router, 500)
            wait_until(lambda before=before: load.stored_count() > before + 50, LONG, what="some records")  # type: ignore[misc]
            collector.kill()
            collector.start()
        acknowledged = router.settle(LONG)
        load.wait_drained(collector)
    verified = site.ueip("ledger", "verify", "--region", HERE, "-c", str(site.config))

    assert load.expected(acknowledged) == load.stored()
    assert 0 == verified.returncode, verified.stdout


def test_a_ledger_rolled_back_by_a_restore_closes_its_region_until_it_is_repaired(site: DatabaseSite) -> None:
    """K17, K31: the witness knows who left since; `repair` puts it back, and the collector goes on by itself."""
    collector = site.start()
    with site.publisher() as router:
        router.report(report(SERIAL))
        router.report(report(OTHER))
        collector.wait_settled(2)
        router.publish(f"ueip/v1/{SERIAL}/consent", consent("exit"))
        wait_until(lambda: site.count(HERE) == 1, what="the exit")
        wait_until(lambda: collector.metrics().total("collector_witness_lag_entries") == 0, what="the witness")
        back_in_time = (
            "SET session_replication_role = replica",
            "DELETE FROM ueip.ledger WHERE seq = 3",
            """UPDATE ueip.router SET state = 'joined', seq = 1,
                consent_id = (SELECT entry::json->>'consent_id' FROM ueip.ledger WHERE seq = 1),
                effective_at = (SELECT (entry::json->>'effective_at')::bigint FROM ueip.ledger WHERE seq = 1)
                WHERE seq = 3""",
            "DELETE FROM ueip.tombstone",
        )
        site.server.ask(DATABASE, *back_in_time, "SELECT 1")
        wait_until(lambda: collector.readyz()[1]["store_germany"] == "ledger rolled back", what="the state")
        router.report(report(SERIAL))
        repaired = site.ueip("ledger", "repair", "--region", HERE, "-c", str(site.config))
        collector.wait_ready()
        wait_until(lambda: collector.metrics().dropped.get("withdrawn"), LONG, what="the report after the exit")

    assert "germany: 1 entries written" in repaired.stderr
    assert 1 == site.count(HERE)


def test_canaries_are_in_no_byte_of_the_servers_folder(site: DatabaseSite) -> None:
    """Tables, indexes, the write-ahead log and the server's own log: what must not be kept was never sent there."""
    collector = site.start()
    with site.publisher() as router:
        crowded = list(crowded_reports(SERIAL))
        for document in crowded:
            router.report(document)
        control = report(SERIAL)
        control["router"]["software_version"] = "V1.Control-9zQ"
        router.report(control)
        found = collector.wait_settled(len(crowded) + 1)
    site.server.ask(DATABASE, "CHECKPOINT", "SELECT 1")
    everything = [*files_below(site.server.data), *files_below(site.folder / "spool")]
    in_database = [name for text in disguises(CANARY) for name, raw in everything if text in raw]
    said = collector.said() + collector.get("/metrics")[1].decode()

    assert {HERE: len(crowded) + 1} == found.stored
    assert traces("V1.Control-9zQ", everything), "the search does find what is there"
    assert [] == in_database
    assert [] == [word for word in (PASSWORD, CANARY, SERIAL, DATABASE) if word in said]


def test_bytes_of_what_was_erased_are_gone_from_the_servers_folder_after_tidying(site: DatabaseSite) -> None:
    """Tables, indexes and log (O28); the metric says how long they have been there, and that they are gone."""
    collector = site.start()

    def left() -> float:
        return collector.metrics().total("collector_erased_bytes_seconds", region=HERE)

    with site.publisher() as router:
        for serial, marker in ((SERIAL, "V1.Marker-kwx_QZJ"), (OTHER, "V1.Control-9zQ")):
            document = report(serial)
            document["router"]["software_version"] = marker
            router.report(document)
        collector.wait_settled(2)
        router.publish(f"ueip/v1/{SERIAL}/consent", consent("exit"))
        wait_until(lambda: site.count(HERE) == 1, what="the exit")
        wait_until(left, what="the metric")
        before = traces("V1.Marker-kwx_QZJ", files_below(site.server.data))
        tidied = site.ueip("store", "tidy", "--region", HERE, "-c", str(site.config))
        wait_until(lambda: not left(), what="the metric")
        again = site.ueip("store", "tidy", "--region", HERE, "-c", str(site.config))
    after = traces("V1.Marker-kwx_QZJ", files_below(site.server.data))

    assert before
    assert 0 == tidied.returncode, tidied.stderr
    assert "ueip.record_" in tidied.stderr
    assert "nothing was erased since" in again.stderr
    assert [] == after
    assert traces("V1.Control-9zQ", files_below(site.server.data))
    assert 1 == site.count(HERE)


def test_the_password_may_come_from_the_environment(site: DatabaseSite) -> None:
    """PGPASSWORD, for those who keep secrets there; then no file is named."""
    lines = site.config.read_text().splitlines()
    site.config.write_text("\n".join(line for line in lines if not line.startswith("password_file")))
    without = site.ueip("find", SERIAL, "-c", str(site.config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSWORD", PASSWORD)
        assert environment()["PGPASSWORD"] == PASSWORD
        given = site.ueip("find", SERIAL, "-c", str(site.config))

    assert (3, 1) == (without.returncode, given.returncode), given.stderr
    assert PASSWORD not in without.stderr + given.stderr
