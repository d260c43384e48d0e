"""The races of catalogue 4.6 about a ledger that is not what it was: restored from a backup, put back in time.

With a real broker and real files; a backup is a copy, as operators make it.
"""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from integration.harness import Publisher, Site, consent, files_below, report, traces, wait_until
from test_broker_races import site

__all__ = ["site"]

HERE: Final = "germany"
LEAVES, STAYS, COMES, NEIGHBOUR = "ZTEAB0A000001", "ZTEAB0A000002", "ZTEAB0A000003", "ZTEAB0A000004"
HELD: Final = {"stopped": 3, "live": 2}
"""Reports of three routers that stay with the broker: a running collector remembers who left, and drops that one's."""
MARKER: Final = "V7.Marker-kwx_QZJ"


@pytest.fixture(autouse=True)
def soon(site: Site) -> None:
    """What a store that is closed has not taken is left with the broker after a second."""
    site.configure(spool={"after_seconds": 1})


def send(router: Publisher, serial: str, country: str = "DE") -> None:
    """A report; what the leaving router says carries the marker."""
    document = report(serial, country=country)
    document["router"]["software_version"] = MARKER if serial == LEAVES else "V1.Other"
    router.report(document)


def back_up(site: Site) -> Path:
    """A copy of the store while the collector runs, by SQLite's own backup."""
    copy = site.folder / "backup.sqlite"
    with (
        contextlib.closing(sqlite3.connect(site.store(HERE))) as store,
        contextlib.closing(sqlite3.connect(copy)) as made,
    ):
        store.backup(made)
    return copy


def put_back(site: Site, copy: Path) -> None:
    """The copy takes the store's place, while nobody has it open."""
    for name in ("-wal", "-shm"):
        site.store(HERE).with_name(site.store(HERE).name + name).unlink(missing_ok=True)
    shutil.copy(copy, site.store(HERE))


def put_back_live(site: Site, copy: Path) -> None:
    """The copy is written over the store through SQLite, under the running collector, as `.restore` does."""
    with (
        contextlib.closing(sqlite3.connect(copy)) as old,
        contextlib.closing(sqlite3.connect(site.store(HERE))) as store,
    ):
        old.backup(store)


def state(site: Site) -> str:
    """What /readyz says of the region."""
    return site.collector.readyz()[1][f"store_{HERE}"]


def left(site: Site) -> int:
    """Deliveries that stay with the broker: from memory at first, straight away once the region has been silent."""
    return site.collector.metrics().total("collector_messages_left_total", region=HERE)


def outcomes(site: Site) -> bool:
    """Whether what stayed with the broker has come again: the report of the one that left, that is, and all others."""
    metrics = site.collector.metrics()
    return metrics.dropped.get("withdrawn", 0) > 0 and not metrics.in_flight


@contextlib.contextmanager
def restored(site: Site, how: str) -> Iterator[Publisher]:
    """One router left and one came since the backup that the region's store was put back to."""
    collector = site.start()
    with site.publisher() as router:
        for serial in (LEAVES, STAYS):
            send(router, serial)
        router.settle()
        collector.wait_settled(2)
        copy = back_up(site)
        router.publish(f"ueip/v1/{LEAVES}/consent", consent("exit"))
        send(router, COMES)
        router.settle()
        collector.wait_settled(3)
        wait_until(lambda: len(site.rows(HERE, "SELECT seq FROM ledger")) == 4, what="the exit")
        # As a collector that is killed right then would, this one may not have copied the exit yet: wait for it.
        wait_until(lambda: collector.metrics().total("collector_witness_lag_entries") == 0, what="the witness")
        if how == "live":
            put_back_live(site, copy)
        else:
            collector.stop()
            put_back(site, copy)
            collector.start()
        yield router


@pytest.mark.parametrize("how", ["stopped", "live"])
def test_k17_a_ledger_rolled_back_by_a_restore_closes_its_region(site: Site, how: str) -> None:
    """Nothing of the region is stored, acknowledged or read; the others go on; /readyz and the log say what it is."""
    with restored(site, how) as router:
        wait_until(lambda: state(site) == "ledger rolled back", what="the state of the region")
        before = site.collector.metrics().stored.get("hong_kong", 0)
        for serial in (LEAVES, STAYS, COMES):
            send(router, serial)
        send(router, NEIGHBOUR, "HK")
        router.settle()
        wait_until(lambda: site.collector.metrics().stored.get("hong_kong", 0) == before + 1, what="the neighbour")
        wait_until(lambda: left(site) >= HELD[how], what="the reports")
        held = site.collector.metrics()
        found, gone = (site.ueip(word, STAYS, "-c", str(site.config)) for word in ("find", "exit"))

    assert held.dropped.keys() <= ({"withdrawn"} if how == "live" else set())
    assert held.adds_up()
    assert 2 == site.count(HERE)  # what was in the backup, and nothing more
    assert (3, "") == (found.returncode, found.stdout)
    assert 3 == gone.returncode
    assert "ueip ledger repair" in site.collector.said()


@pytest.mark.parametrize("how", ["stopped", "live"])
def test_k31_what_was_erased_since_a_backup_is_erased_again_before_anything_is_read(site: Site, how: str) -> None:
    """`ueip ledger repair` puts the exits back, word for word; the region opens by itself and lets nobody in again."""
    with restored(site, how) as router:
        wait_until(lambda: state(site) == "ledger rolled back", what="the state of the region")
        for serial in (LEAVES, STAYS, COMES):
            send(router, serial)
        router.settle()
        wait_until(lambda: left(site) >= HELD[how], what="the reports")
        back = traces(MARKER, files_below(site.folder / "data"))
        repaired = site.ueip("ledger", "repair", "-c", str(site.config))
        site.collector.wait_ready()
        wait_until(lambda: site.count(HERE) >= 3 and outcomes(site), what="the outcomes")
        verified = site.ueip("ledger", "verify", "-c", str(site.config))
        found = {serial: site.ueip("find", serial, "-c", str(site.config)).stdout for serial in (LEAVES, STAYS, COMES)}

    assert [f"{HERE}.sqlite"] == [name for name in back if name.endswith(".sqlite")]
    assert "germany: 2 entries written, 1 records erased" in repaired.stderr
    assert "china: nothing is missing" in repaired.stderr
    assert site.collector.metrics().dropped["withdrawn"] in {1, 2}  # left with the broker, it comes a second time
    assert 3 == site.count(HERE)  # of the one that stayed two, of the one that came the one after the restore
    assert "exited" in found[LEAVES]
    assert all("joined" in found[serial] for serial in (STAYS, COMES))
    assert (0, 4) == (verified.returncode, len(site.rows(HERE, "SELECT seq FROM ledger")))
    assert [] == traces(MARKER, files_below(site.folder / "data"))


@pytest.mark.parametrize("lost", ["store", "witness"])
def test_k17_a_store_or_a_witness_that_is_lost_closes_its_region(site: Site, lost: str) -> None:
    """A store is not made anew in silence; without a witness nobody can tell. Mended, the region opens by itself."""
    collector = site.start()
    witness = site.folder / "keys" / f"{HERE}.witness"
    mend: Callable[[], object]
    with site.publisher() as router:
        send(router, LEAVES)
        router.publish(f"ueip/v1/{LEAVES}/consent", consent("exit"))
        router.settle()
        collector.wait_settled(1)
        wait_until(lambda: len(site.rows(HERE, "SELECT seq FROM ledger")) == 2, what="the exit")
        collector.stop()
        if lost == "store":
            site.store(HERE).unlink()
            repair = ("ledger", "repair", "--region", HERE, "-c", str(site.config))
            said, mend = "store missing", lambda: site.ueip(*repair)
        else:
            kept = witness.rename(witness.with_suffix(".kept"))
            said, mend = "witness missing", lambda: kept.rename(witness)
        collector.start()
        wait_until(lambda: state(site) == said, what="the state of the region")
        send(router, LEAVES)
        router.settle()
        wait_until(lambda: left(site) == 1, what="the report")
        mend()
        collector.wait_ready()
        wait_until(lambda: outcomes(site), what="the outcome")

    assert {"withdrawn"} == collector.metrics().dropped.keys()  # left with the broker, it comes a second time
    assert 0 == site.count(HERE)


def test_k17_a_store_whose_disk_is_not_mounted_is_waited_for(site: Site) -> None:
    """Nothing is made in its place, by collector or command; /readyz says so; mounted, it is taken up by itself."""
    disk, away = site.folder / "disk", site.folder / "not-mounted"
    site.config.write_text(site.config.read_text().replace(f"data/{HERE}.sqlite", f"disk/{HERE}.sqlite"))
    collector = site.start()
    with site.publisher() as router:
        send(router, LEAVES)
        router.publish(f"ueip/v1/{LEAVES}/consent", consent("exit"))
        router.settle()
        wait_until(lambda: collector.metrics().total("collector_witness_lag_entries") == 0, what="the witness")
        collector.wait_settled(1)
        collector.stop()
        disk.rename(away)
        collector.start()
        wait_until(lambda: state(site) == "store missing", what="the state of the region")
        send(router, LEAVES)
        send(router, NEIGHBOUR, "HK")
        router.settle()
        wait_until(lambda: collector.metrics().stored.get("hong_kong") == 1, what="the neighbour")
        words = (("find", STAYS), ("exit", STAYS), ("check-config",))
        done = [site.ueip(*some, "-c", str(site.config)) for some in words]
        wait_until(lambda: left(site) == 1, what="the report")
        made = disk.exists()
        held = collector.metrics()
        away.rename(disk)
        collector.wait_ready()
        wait_until(lambda: outcomes(site), what="the outcome")

    assert not made
    assert {} == held.dropped
    assert [3, 3, 2] == [some.returncode for some in done]
    assert f"{disk / HERE}.sqlite: found no folder" in done[-1].stderr.replace("\n", "")
    assert {"withdrawn"} == collector.metrics().dropped.keys()


def test_k31_where_nothing_can_put_the_exits_back_somebody_answers_for_it(site: Site) -> None:
    """With the witness lost too: the ledger is accepted, for a reason that is kept, and who left is told again."""
    with restored(site, "stopped") as router:
        wait_until(lambda: state(site) == "ledger rolled back", what="the state of the region")
        (site.folder / "keys" / f"{HERE}.witness").unlink()
        wait_until(lambda: state(site) == "witness missing", what="the state of the region")
        refused = site.ueip("ledger", "repair", "--region", HERE, "-c", str(site.config))
        unexplained = site.ueip("ledger", "accept", "--region", HERE, "--reason", "lost", "-c", str(site.config))
        still = state(site)
        reason = "keys folder lost with the server, case 4711"
        accepted = site.ueip("ledger", "accept", "--region", HERE, "--reason", reason, "-c", str(site.config))
        gone = site.ueip("exit", LEAVES, "-c", str(site.config))
        site.collector.wait_ready()
        send(router, LEAVES)
        send(router, STAYS)
        router.settle()
        wait_until(lambda: sum(site.collector.metrics().dropped.values()) == 1, what="the outcome")

    assert (3, 2, "witness missing") == (refused.returncode, unexplained.returncode, still)
    assert 0 == accepted.returncode
    assert 0 == gone.returncode
    assert {"withdrawn": 1} == site.collector.metrics().dropped
    assert reason in (site.folder / "keys" / f"{HERE}.witness").read_text()
