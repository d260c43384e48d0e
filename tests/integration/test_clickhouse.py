"""The main job with one region's records in ClickHouse: the real commands and broker, and what goes wrong there.

They reach the engine, which is in the process of the tests, by HTTP; see `clickhouse_http`.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from engines import HAS_CLICKHOUSE, needs_clickhouse
from postgresql import Server

from .harness import REGIONS, consent, environment, report, ueip_program, wait_until
from .test_crashes import Load
from .test_postgresql import DATABASE, HERE, LONG, OTHER, SERIAL, DatabaseSite, kept_elsewhere, server

if HAS_CLICKHOUSE:
    from clickhouse import ask, tell
    from clickhouse_http import PASSWORD, USER, served

if TYPE_CHECKING:
    from clickhouse_http import Served

__all__ = ["server"]
pytestmark = needs_clickhouse
RECORDS: Final = "ueip_germany"


class ClickHouseSite(DatabaseSite):
    """A site whose German records are in ClickHouse."""

    def __init__(self, folder: Path, server: Server, records: "Served") -> None:
        self.records = records
        super().__init__(folder, server)

    def configure(self, **sections: Mapping[str, Any]) -> None:
        """As `DatabaseSite.configure`, with the database of records."""
        super().configure(**sections)
        settings = {"port": self.records.port, "database": RECORDS, "user": USER}
        settings |= {"password_file": str(self.records.password_file)}
        own = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
        self.config.write_text(f"{self.config.read_text()}\n[regions.germany.clickhouse]\n{own}\n")

    def rows(self, region: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """As `Site.rows`; the statements here are those that all understand."""
        if region == HERE and "FROM record" in sql:
            return ask(sql.replace("FROM record", f"FROM {RECORDS}.record FINAL"))
        return super().rows(region, sql, *values)

    def by_admin(self, does: str) -> subprocess.CompletedProcess[str]:
        """`ueip store init` or `tidy`, of both databases."""
        words = ["store", does, "--region", HERE, "--clickhouse-admin", USER, "-c", str(self.config)]
        return subprocess.run(
            [ueip_program(), *words], cwd=self.folder, env=environment(CLICKHOUSE_PASSWORD=PASSWORD),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture
def site(tmp_path: Path, installation: Path, server: Server) -> Iterator[ClickHouseSite]:
    """An installation whose databases are there, and empty."""
    shutil.copytree(installation, tmp_path / "site")
    server.ask("postgres", f"CREATE DATABASE {DATABASE}", "SELECT 1")
    with served(tmp_path) as records:
        made = ClickHouseSite(tmp_path / "site", server, records)
        yield made
        made.stop()
    tell(f"DROP DATABASE IF EXISTS {RECORDS} SYNC")
    server.ask("postgres", f"DROP DATABASE {DATABASE} WITH (FORCE)", "SELECT 1")


def let_in(site: ClickHouseSite) -> str:
    """Make the databases ready, and let the collector sign in to PostgreSQL; what the command said."""
    done = site.by_admin("init")
    assert done.returncode == 0, done.stderr
    site.server.ask("postgres", "GRANT ueip_germany_writer TO germany_writer", "SELECT 1")
    return done.stderr


def test_the_main_job_with_records_in_clickhouse(site: ClickHouseSite) -> None:
    """Made ready by the command, filled by the collector, found, erased by an exit, in order."""
    # First reports are left with the broker where a commit takes longer than that, and come again as duplicates.
    site.configure(spool={"after_seconds": LONG})
    unready = site.ueip("check-config", "-c", str(site.config))
    said = [let_in(site), let_in(site)]
    ready = site.ueip("check-config", "-c", str(site.config))
    collector = site.start()
    with site.publisher() as router:
        for serial, country in ((SERIAL, "DE"), (OTHER, "DE"), ("ZTEAB0A000003", "CN"), ("ZTEAB0A000004", "HK")):
            router.report(report(serial, country=country))
        found = collector.wait_settled(4)
        seen = site.ueip("find", SERIAL, "--json", "-c", str(site.config))
        left = site.ueip("exit", SERIAL, "-c", str(site.config))
        router.report(report(SERIAL))
        router.publish(f"ueip/v1/{OTHER}/consent", consent("exit"))
        wait_until(lambda: site.count(HERE) == 0, LONG, what="the purge of both")
        last = collector.wait_settled(5)
        wait_until(
            lambda: collector.metrics().total("collector_purges_waiting", region=HERE), what="a purge that is told"
        )
    verified = site.ueip("ledger", "verify", "--region", HERE, "-c", str(site.config))
    tidied = site.by_admin("tidy")

    assert unready.returncode
    assert "found a database without a store. Make one with: ueip store init" in unready.stderr
    assert [True, True] == ["ClickHouse made ready" in said[0], "ClickHouse up to date" in said[1]]
    assert 0 == ready.returncode, ready.stderr
    assert {region: 2 if region == HERE else 1 for region in REGIONS} == found.stored
    assert [86_400] == [r["body"]["router"]["uptime_seconds"] for r in json.loads(seen.stdout)[0]["records"]]
    assert (0, {"withdrawn": 1}) == (left.returncode, last.dropped)
    assert (0, True) == (verified.returncode, "germany in order: 4 entries" in verified.stdout), verified.stdout
    assert 0 == tidied.returncode, tidied.stderr
    assert 0 == collector.stop()


def test_clickhouse_that_goes_away_and_a_collector_that_is_killed_lose_nothing(site: ClickHouseSite) -> None:
    """Under load: records are spooled meanwhile; what the broker took is stored, and once."""
    let_in(site)
    site.configure(
        broker={"port": site.broker.port, "reconnect_max_seconds": 0.5, "receive_maximum": 500},
        spool={"after_seconds": 0.2},
        writer={"max_batch_rows": 50},
    )
    collector, load = site.start(), Load(site)
    with site.publisher() as router:
        load.send(router, 400)
        wait_until(lambda: load.stored_count() > 50, LONG, what="some records")
        collector.kill()
        collector.start().wait_ready()
        with site.records.away():
            load.send(router, 400)
            wait_until(lambda: kept_elsewhere(collector), LONG, what="records in the spool or left with the broker")
            # What a slow commit delayed is kept elsewhere too.
            wait_until(lambda: collector.readyz()[1]["store_germany"] == "not answering", LONG, what="its name")
        acknowledged = router.settle(LONG)
        collector.wait_ready()
        load.wait_drained(collector)
    verified = site.ueip("ledger", "verify", "--region", HERE, "-c", str(site.config))

    assert load.expected(acknowledged) == load.stored()
    assert 0 == verified.returncode, verified.stdout
    assert str(site.records.port) not in collector.said()
