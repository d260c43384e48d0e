"""A region's store moves from a file to a database beside its running collector, and though it is killed meanwhile.

The oracle is the publisher, as in `test_crashes`: what the broker acknowledged is stored once, of who did not leave.
"""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from engines import needs_postgresql
from postgresql import PASSWORD, Server
from records import HOUR, record

from collector.config import load_settings, read_keys
from collector.model import Region
from collector.pseudonym import Pseudonymiser
from collector.storage import open_store

from .harness import Site, consent, environment, report, ueip_program, wait_until
from .test_postgresql import DATABASE, server

__all__ = ["server"]
pytestmark = needs_postgresql
HERE: Final = "germany"
LONG: Final = 90.0
SERIALS: Final = [f"ZTEMOV{number:06}" for number in range(20)]


class MovingSite(Site):
    """A site whose German store is a file, and a configuration in which it is a database."""

    def __init__(self, folder: Path, server: Server) -> None:
        super().__init__(folder)
        self.server = server
        self.new = folder / "new.toml"
        self.write_new()

    def write_new(self) -> None:
        """The configuration to move to: the same spool, the same witness."""
        settings = {"port": self.server.port, "database": DATABASE, "user": "germany_writer"}
        settings |= {"password_file": str(self.server.password_file)}
        own = "\n".join(f"{name} = {json.dumps(value)}" for name, value in settings.items())
        old = 'store = "data/germany.sqlite"'
        text = self.config.read_text().replace(old, 'spool = "data/germany.sqlite.spool"')
        self.new.write_text(f"{text}\n[regions.germany.postgresql]\n{own}\n")

    @property
    def words(self) -> list[str]:
        """The command that moves the store."""
        return ["store", "migrate", "--from", str(self.config), "--to", str(self.new), "--region", HERE]

    def in_database(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query of the database gives."""
        return self.server.ask(DATABASE, sql)


@pytest.fixture
def site(tmp_path: Path, installation: Path, server: Server) -> Iterator[MovingSite]:
    """An installation, and a database that was made ready by the command."""
    shutil.copytree(installation, tmp_path / "site")
    server.ask("postgres", f"CREATE DATABASE {DATABASE}", "SELECT 1")
    made = MovingSite(tmp_path / "site", server)
    done = made.ueip("store", "init", "--region", HERE, "-c", str(made.new))
    assert done.returncode == 0, done.stderr
    server.ask("postgres", "GRANT ueip_germany_writer TO germany_writer", "SELECT 1")
    yield made
    made.stop()
    server.ask("postgres", f"DROP DATABASE {DATABASE} WITH (FORCE)", "SELECT 1")


def test_a_store_moves_beside_its_running_collector(site: MovingSite) -> None:
    """What comes meanwhile waits, an exit among it; with the new configuration it is where it belongs, once."""
    site.configure(spool={"after_seconds": 0.2})
    site.write_new()
    collector = site.start()
    documents: dict[str, list[dict[str, Any]]] = {serial: [] for serial in SERIALS}

    def send() -> None:
        for serial in SERIALS:
            documents[serial].append(report(serial))
            router.report(documents[serial][-1])

    with site.publisher() as router:
        for _ in range(3):
            send()
        collector.wait_settled(60)
        before = site.ueip("find", SERIALS[5], "--json").stdout
        moved = site.ueip(*site.words)
        after = site.ueip("find", SERIALS[5], "--json", "-c", str(site.new)).stdout
        wait_until(lambda: collector.readyz()[1]["store_germany"] == "moved", LONG, what="the state")
        router.publish(f"ueip/v1/{SERIALS[0]}/consent", consent("exit"))
        send()
        router.settle(LONG)
        too_late = site.ueip("exit", SERIALS[1], "--yes")
        collector.stop()
        collector.config = site.new
        collector.start().wait_ready()
        send()
        router.settle(LONG)
        expected = {
            site.expected_id(HERE, serial, document["message_id"])
            for serial in SERIALS[1:]
            for document in documents[serial]
        }
        wait_until(lambda: len(stored(site)) == len(expected), LONG, what="the last record")
        wait_until(lambda: not collector.metrics().in_flight, LONG, what="the outcomes")
    verified = site.ueip("ledger", "verify", "--region", HERE, "-c", str(site.new))

    assert 0 == moved.returncode, moved.stderr
    assert "moved and verified" in moved.stderr
    assert before == after
    assert 3 == too_late.returncode
    assert expected == set(stored(site))
    assert 0 == verified.returncode, verified.stdout
    assert collector.metrics().adds_up()


def stored(site: MovingSite) -> list[bytes]:
    """The ids of the records in the database."""
    return [row[0] for row in site.in_database("SELECT record_id FROM ueip.record")]


def test_a_move_that_is_killed_again_and_again_ends_with_all_of_it(site: MovingSite) -> None:
    """Kill -9 whenever it has come a little further; what it says names nobody."""
    asyncio.run(fill(site, routers=300, each=40))
    before = [told(site, site.config, serial) for serial in SERIALS[:3]]
    last: list[tuple[Any, ...]] = []
    for _ in range(3):
        running = subprocess.Popen(
            [ueip_program(), *site.words],
            cwd=site.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        wait_until(lambda: site.in_database(PROGRESS) != last or running.poll() is not None, LONG, what="progress")  # noqa: B023
        running.kill()
        running.communicate()
        last = site.in_database(PROGRESS)
        assert last, "killed too late to show anything"
        assert 3 == told(site, site.new, SERIALS[0])[0], "what is half there is no store"
        assert 3 == told(site, site.config, SERIALS[0])[0], "nothing is taken behind its back"
    done = site.ueip(*site.words)
    verified = site.ueip("ledger", "verify", "--region", HERE, "-c", str(site.new))

    assert 0 == done.returncode, done.stderr
    assert 300 * 40 == len(set(stored(site)))
    assert before == [told(site, site.new, serial) for serial in SERIALS[:3]]
    assert 0 == verified.returncode, verified.stdout
    refs = [row[0].hex() for row in site.in_database("SELECT device_ref FROM ueip.router LIMIT 50")]
    assert [] == [word for word in (*refs, *SERIALS, PASSWORD) if word in done.stdout + done.stderr]


PROGRESS: Final = "SELECT name, value FROM ueip.note WHERE name LIKE 'moved %' ORDER BY name"


def told(site: MovingSite, config: Path, serial: str) -> tuple[int, str]:
    """What an engineer is told of a router."""
    done = site.ueip("find", serial, "--json", "--limit", "100", "-c", str(config))
    return done.returncode, done.stdout


async def fill(site: MovingSite, *, routers: int, each: int) -> None:
    """So many records, committed as a collector does."""
    settings, at = load_settings(site.config), int(time.time() * 1000) - HOUR
    pseudonyms = Pseudonymiser(read_keys(settings.regions.of(Region.GERMANY)))
    identities = [pseudonyms.identity(f"ZTEMOV{number:06}") for number in range(routers)]
    store = open_store(settings, Region.GERMANY)
    await store.open()
    for number in range(each):
        await store.commit([record(str(name), number, identity=of, at=at) for name, of in enumerate(identities)])
    await store.close()
