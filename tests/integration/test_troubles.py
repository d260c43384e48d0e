"""A store in trouble: its region is closed and says why, the others go on, nothing is lost, and it mends by itself.

The files, the disks and the broker are real. What the broker acknowledged to the publisher must be stored once.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.stores.sqlite_schema import SCHEMA_VERSION

from .harness import REGIONS, Collector, Publisher, Site, report, wait_until

HERE = "germany"
ROUTER, NEIGHBOUR = "ZTEAB0A000001", "ZTEAB0A000002"


def wait_closed(collector: Collector, cause: str, region: str = HERE) -> None:
    """Wait until /readyz gives this cause, and nothing but it, as what is wrong."""
    wanted = {f"store_{region}": cause}

    def found() -> bool:
        status, parts = collector.readyz()
        # The region's spool may be in use, or out of use for the same reason.
        named = {part: state for part, state in parts.items() if state != "ready" and part != f"spool_{region}"}
        return status == 503 and wanted == named

    wait_until(found, what=f"{wanted} in /readyz")
    assert 1 == collector.metrics().total("collector_store_closed", region=region, cause=cause)
    assert 1 == collector.metrics().total("collector_store_closed")


def left(site: Site) -> int:
    """Deliveries that stay with the broker."""
    return site.collector.metrics().total("collector_messages_left_total", region=HERE)


def waits_while_others_go_on(site: Site, router: Publisher, number: int = 3) -> None:
    """Reports of the closed region stay with the broker, unacknowledged; those of another are stored."""
    before, kept = site.count("hong_kong"), left(site)
    for _ in range(number):
        router.report(report(ROUTER))
        router.report(report(NEIGHBOUR, country="HK"))
    router.settle()
    wait_until(lambda: site.count("hong_kong") == before + number, what="the neighbours' reports")
    # In memory or in the spool; or, once the store has been silent for a while, not taken at all.
    wait_until(lambda: number in {site.collector.metrics().in_flight, left(site) - kept}, what="the region's reports")
    assert site.collector.metrics().adds_up()
    assert site.collector.is_running()


def stored_once(site: Site, number: int) -> None:
    """So many reports of the region are stored, each once, and the ledger is whole."""
    wait_until(lambda: site.count(HERE) >= number, what="the reports that waited")
    assert number == site.count(HERE) == len(set(site.record_ids(HERE)))
    assert site.collector.metrics().dropped.keys() <= {"duplicate"}


def log_of(site: Site) -> str:
    """What the collector said."""
    return site.collector.said()


@contextlib.contextmanager
def changed(path: Path, statement: str, back: str) -> Iterator[None]:
    """The store after a statement of somebody else's, until the end of the block."""
    with contextlib.closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as other:
        other.execute(statement)
    yield
    with contextlib.closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as other:
        other.execute(back)


@contextlib.contextmanager
def replaced(path: Path, content: bytes) -> Iterator[None]:
    """Another file in the store's place, as a backup that went wrong leaves one; in the end the right one again."""
    good = path.with_suffix(".good")
    with contextlib.closing(sqlite3.connect(path)) as store, contextlib.closing(sqlite3.connect(good)) as copy:
        store.backup(copy)
    bad = path.with_suffix(".bad")
    bad.write_bytes(content)
    bad.replace(path)
    yield
    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    good.replace(path)


@contextlib.contextmanager
def disk(folder: Path, size: str = "12m") -> Iterator[Path]:
    """A small disk of its own, mounted on *folder*."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk")
    folder.mkdir(exist_ok=True)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mounting, check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, mode: str) -> None:
    """Make the disk `ro` or `rw`."""
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


def on_disk(site: Site) -> None:
    """Let the region's store lie on the small disk."""
    site.config.write_text(site.config.read_text().replace(f"data/{HERE}.sqlite", f"disk/{HERE}.sqlite"))


def rows_on_disk(site: Site) -> int:
    """Records in the store on the small disk."""
    with contextlib.closing(sqlite3.connect(site.folder / "disk" / f"{HERE}.sqlite", timeout=10)) as connection:
        return int(connection.execute("SELECT count(*) FROM record").fetchone()[0])


@pytest.fixture
def collector(site: Site) -> Collector:
    """A collector that has stored three reports of the region."""
    started = site.start()
    with site.publisher() as router:
        for _ in range(3):
            router.report(report(ROUTER))
        router.settle()
        started.wait_settled(3)
    return started


def test_a_newer_collectors_store_is_a_closed_region(site: Site, collector: Collector) -> None:
    """Brought up to its schema under a running one: named, held back; served again when it is as it was."""
    with site.publisher() as router:
        with changed(site.store(HERE), "PRAGMA user_version = 99", f"PRAGMA user_version = {SCHEMA_VERSION}"):
            wait_closed(collector, "newer schema")
            waits_while_others_go_on(site, router)
        collector.wait_ready()
        stored_once(site, 6)


def test_a_collector_starts_with_a_newer_collectors_store(site: Site, collector: Collector) -> None:
    """No loop of restarts: the process runs, and takes the store up when it can be read again."""
    collector.stop()
    with site.publisher() as router:
        with changed(site.store(HERE), "PRAGMA user_version = 99", f"PRAGMA user_version = {SCHEMA_VERSION}"):
            wait_closed(collector.start(), "newer schema")
            waits_while_others_go_on(site, router)
            checked = site.ueip("check-config", "-c", str(site.config))
        collector.wait_ready()
        stored_once(site, 6)

    assert 2 == checked.returncode
    assert "regions.germany.store" in checked.stderr
    assert "found schema version 99" in checked.stderr
    assert "Run the newer collector that made the store." in log_of(site)


@pytest.mark.parametrize("content", [b"To whom it may concern, " * 400, b"SQLite format 3\0" + b"\x10\0" * 4000])
def test_a_store_that_is_overwritten_is_a_closed_region(site: Site, collector: Collector, content: bytes) -> None:
    """The file's place was taken: nothing is written to the one that is gone; put right, it is served again."""
    with site.publisher() as router:
        with replaced(site.store(HERE), content):
            wait_closed(collector, "corrupt")
            waits_while_others_go_on(site, router)
        collector.wait_ready()
        stored_once(site, 6)


def test_a_collector_starts_with_damaged_stores_only(site: Site, collector: Collector) -> None:
    """Every region closed: the process runs, /readyz is 503 and names them, and each comes back by itself."""
    collector.stop()
    site.configure(spool={"after_seconds": 1})
    damaged = b"no database at all" * 300
    with contextlib.ExitStack() as stores, site.publisher() as router:
        for region in REGIONS:
            stores.enter_context(replaced(site.store(region), damaged))
        collector.start()
        wait_until(lambda: set(collector.readyz()[1].values()) == {"ready", "corrupt"}, what="the state of all")
        for country in ("DE", "CN", "HK"):
            router.report(report(ROUTER, country=country))
        router.settle()
        wait_until(lambda: collector.metrics().total("collector_messages_left_total") >= 3, what="the reports")
        closed = collector.readyz()
        stores.close()
        collector.wait_ready()
        stored_once(site, 4)

    status, parts = closed
    assert 503 == status
    assert {f"store_{region}": "corrupt" for region in REGIONS} == {
        part: state for part, state in parts.items() if part.startswith("store_")
    }
    assert [1, 1] == [site.count(region) for region in ("hong_kong", "china")]


def test_the_store_of_another_region_is_a_closed_region(site: Site, collector: Collector) -> None:
    """An operator's mistake: an error in `check-config`; under a supervisor it costs no other region."""
    collector.stop()
    text = site.config.read_text()
    site.config.write_text(text.replace(f"data/{HERE}.sqlite", "data/china.copy"))
    shutil.copy(site.store("china"), site.folder / "data" / "china.copy")
    wait_closed(collector.start(), "wrong store")
    with site.publisher() as router:
        waits_while_others_go_on(site, router)
    checked = site.ueip("check-config", "-c", str(site.config))
    collector.stop()
    site.config.write_text(text)
    collector.start().wait_ready()
    stored_once(site, 6)

    assert 2 == checked.returncode
    assert "found the store of region china, expected germany" in checked.stderr


def test_a_full_disk_is_a_closed_region_until_there_is_room(site: Site) -> None:
    """Nothing of the region is acknowledged; when there is room everything is stored, once, without a restart."""
    with disk(site.folder / "disk") as folder:
        on_disk(site)
        collector = site.start()
        filler = folder / "filler"
        with site.publisher() as router:
            router.report(report(ROUTER))
            router.settle()
            collector.wait_settled(1)
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            for _ in range(200):
                router.report(report(ROUTER))
            router.report(report(NEIGHBOUR, country="HK"))
            router.settle()
            wait_closed(collector, "disk full")
            wait_until(lambda: site.count("hong_kong") == 1, what="the neighbour's report")
            held = collector.metrics()
            filler.unlink()
            collector.wait_ready()
            wait_until(lambda: rows_on_disk(site) == 201, what="the reports that waited")
            assert held.adds_up()
            assert held.in_flight > 0
            assert {} == collector.wait_settled(202).dropped
        site.stop()


def test_a_read_only_disk_is_a_closed_region_until_it_can_be_written(site: Site) -> None:
    """As a volume that was mounted wrongly: named at the start, taken up without a restart."""
    with disk(site.folder / "disk") as folder:
        on_disk(site)
        collector = site.start()
        with site.publisher() as router:
            router.report(report(ROUTER))
            router.settle()
            collector.wait_settled(1)
            collector.stop()
            remount(folder, "ro")
            wait_closed(collector.start(), "read-only")
            for _ in range(3):
                router.report(report(ROUTER))
            router.report(report(NEIGHBOUR, country="HK"))
            router.settle()
            wait_until(lambda: site.count("hong_kong") == 1, what="the neighbour's report")
            assert 3 == collector.metrics().in_flight
            remount(folder, "rw")
            collector.wait_ready()
            wait_until(lambda: rows_on_disk(site) == 4, what="the reports that waited")
        site.stop()


def test_a_witness_on_a_full_disk_is_told_and_keeps_nothing_waiting(site: Site) -> None:
    """Reports and exits go on; when there is room the witness catches up."""
    with disk(site.folder / "disk", "256k") as folder:
        text = site.config.read_text()
        keys = f'key_files = ["keys/{HERE}.key"]'
        assert keys in text
        site.config.write_text(text.replace(keys, f'{keys}\nwitness = "disk/{HERE}.witness"'))
        collector = site.start()
        filler = folder / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with site.publisher() as router:
            for number in range(20):
                router.report(report(f"ZTEAB0A1{number:05}"))
            router.settle()
            collector.wait_settled(20)
            wait_until(lambda: collector.readyz()[1].get(f"witness_{HERE}") == "disk full", what="the witness's state")
            behind = collector.metrics().total("collector_witness_lag_entries")
            filler.unlink()
            collector.wait_ready()
            wait_until(lambda: not collector.metrics().total("collector_witness_lag_entries"), what="the witness")
        verified = site.ueip("ledger", "verify", "-c", str(site.config))
        site.stop()

    assert behind > 0
    assert 20 == site.count(HERE)
    assert 0 == verified.returncode
