"""A region's store is away: that region's messages wait in its spool or with the broker, and the others go on (D19).

The broker, the processes and the stores are real. `seen` is what the broker still holds for the collector, asked for by
a redelivery: what it sends again was not acknowledged.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

from .harness import (
    Collector,
    Publisher,
    Samples,
    Site,
    consent,
    files_below,
    new_id,
    report,
    traces,
    wait_until,
)

HERE: Final = "germany"
ROUTER, NEW, NEIGHBOUR = "ZTEAB0A000001", "ZTEAB0A000777", "ZTEAB0A000002"
WINDOW: Final = 50
MARKER: Final = "V7.Marker-kwx_QZJ"
LONG: Final = 60.0


def configure(site: Site, **spool: float) -> None:
    """A small window, and a spool that takes over soon."""
    site.configure(
        broker={"port": site.broker.port, "receive_maximum": WINDOW, "reconnect_max_seconds": 0.5},
        spool={"after_seconds": 0.2, **spool},
    )


def join(collector: Collector, router: Publisher, *serials: str) -> None:
    """These routers have joined: the collector has it from the ledger."""
    for serial in serials or (ROUTER,):
        router.report(marked(serial))
    collector.wait_settled(len(serials) or 1)


def marked(serial: str = ROUTER, country: str = "DE") -> dict[str, Any]:
    """A report with the marker in it."""
    document = report(serial, country=country)
    document["router"]["software_version"] = MARKER
    return document


def wait_away(collector: Collector) -> None:
    """Wait until the store counts as away."""
    wait_until(lambda: collector.readyz()[1]["spool_germany"] != "ready", LONG, what="the spool in use")


def total(samples: Samples, name: str) -> int:
    """A metric of the region."""
    return samples.total(name, region=HERE)


def wait_stored(site: Site, region: str, count: int) -> None:
    """Wait until so many records are stored there, each once."""
    wait_until(lambda: site.count(region) >= count, LONG, what=f"{count} records in {region}")
    assert count == site.count(region) == len(set(site.record_ids(region)))


def wait_quiet(collector: Collector) -> Samples:
    """Wait until nothing is in flight nor unacknowledged, and the sums hold."""

    def quiet() -> Samples | None:
        found = collector.metrics()
        idle = not found.in_flight and not found.total("collector_oldest_unacknowledged_seconds")
        return found if idle else None

    found = wait_until(quiet, LONG, what="the last outcome")
    assert found.adds_up()
    return found


def test_the_others_flow_and_are_acknowledged_while_one_store_is_away(site: Site) -> None:
    """Twenty windows of messages; after a kill the broker has nothing to send again, and all of them arrive, once."""
    each = 20 * WINDOW // 3
    configure(site)
    collector = site.start()
    with site.publisher() as router:
        join(collector, router)
        with site.locked(HERE):
            for _ in range(each):
                router.report(report(ROUTER))
                router.report(report(NEIGHBOUR, country="HK"))
                router.report(report(NEIGHBOUR, country="CN"))
            router.settle(LONG)
            for region in ("hong_kong", "china"):
                wait_stored(site, region, each)
            spooled = wait_until(
                lambda: found if total(found := collector.metrics(), "collector_spool_records") == each else None, LONG
            )
            wait_until(
                lambda: not collector.metrics().total("collector_oldest_unacknowledged_seconds"), LONG, what="acks"
            )
            collector.kill()
            collector.start()
            again = wait_until(lambda: found if (found := collector.metrics()).received >= each else None)
        wait_stored(site, HERE, each + 1)
        final = wait_quiet(collector)

    assert spooled.adds_up()
    assert (each, each) == (spooled.in_flight, total(spooled, "collector_records_spooled_total"))
    assert (each, {}) == (again.received, again.dropped), "the broker had nothing left to send again"
    assert each == total(final, "collector_records_recovered_total") == total(final, "collector_records_drained_total")
    assert {HERE: each} == final.stored


def test_a_broker_that_uses_a_packet_id_twice_loses_nothing_that_was_left_with_it(site: Site) -> None:
    """All 65,535 packet ids go by, as Mosquitto counts them, while some are those of messages left unacknowledged."""
    left = 30
    site.configure(
        broker={"port": site.broker.port, "receive_maximum": 2000, "reconnect_max_seconds": 0.5},
        spool={"after_seconds": 0.2},
    )
    collector = site.start()
    with site.publisher() as router:
        join(collector, router)
        with site.locked(HERE):
            router.report(report(ROUTER))
            wait_away(collector)
            for _ in range(left):
                router.report(report(NEW))
            wait_until(lambda: total(collector.metrics(), "collector_messages_left_total") >= left)
            for _ in range(70):
                for _ in range(1000):
                    router.publish(f"ueip/v1/{NEIGHBOUR}/report", b"{}")
                router.settle(LONG)
            wait_until(lambda: collector.metrics().dropped.get("flag_absent", 0) >= 70_000, LONG)
        wait_stored(site, HERE, left + 2)
        final = wait_quiet(collector)

    assert {HERE: left + 2} == final.stored


def test_a_join_behind_a_report_that_was_left_comes_in_the_end(site: Site) -> None:
    """It is left on the connection of consent events, where nothing else of the region may be."""
    configure(site)
    collector = site.start()
    with site.publisher() as router:
        join(collector, router)
        with site.locked(HERE):
            router.report(report(ROUTER))
            wait_away(collector)
            for number in range(5):
                router.report(report(f"{NEW}{number}"))
            wait_until(lambda: collector.metrics().total("collector_messages_left_total") >= 5)
            for number in range(5):
                router.publish(f"ueip/v1/{NEW}{number}/consent", json.dumps(consent("join")).encode())
            wait_until(lambda: collector.metrics().total("collector_broker_window_left", link="consent"))
        wait_stored(site, HERE, 7)
        wait_until(lambda: not collector.metrics().total("collector_broker_window_left"), LONG, what="all asked for")
        final = wait_quiet(collector)

    assert {HERE: 7} == final.stored


def test_a_refusal_in_an_outage_is_acknowledged_once_the_ledger_has_it(site: Site) -> None:
    """It comes on one connection only, and takes a place of its window until it is asked for again."""
    configure(site)
    collector = site.start()
    with site.publisher() as router:
        join(collector, router)
        with site.locked(HERE):
            router.report(report(ROUTER))
            wait_away(collector)
            router.report(report(ROUTER, ueip=False))
            wait_until(lambda: collector.metrics().total("collector_broker_window_left"))
        wait_until(lambda: not collector.metrics().total("collector_broker_window_left"), LONG, what="all asked for")
        final = wait_quiet(collector)

    assert 0 == site.count(HERE) == final.in_flight


def test_a_full_spool_leaves_messages_with_the_broker_and_the_others_flow(site: Site) -> None:
    """Many windows of them: unacknowledged, not in memory, and every one is there in the end, once."""
    count = 20 * WINDOW
    configure(site, max_bytes=1 << 20)
    events: Any = [{"event": "unexpected_reboot", "time": report(ROUTER)["time"], "reboot_reason": "watchdog"}] * 30
    collector = site.start()
    with site.publisher() as router:
        join(collector, router)
        with site.locked(HERE):
            for _ in range(count):
                router.report(report(ROUTER, events=events))
                router.report(report(NEIGHBOUR, country="HK"))
            router.settle(LONG)
            wait_stored(site, "hong_kong", count)
            full = wait_until(
                lambda: found if total(found := collector.metrics(), "collector_messages_left_total") else None
            )
            assert "full" == collector.readyz()[1]["spool_germany"]
        wait_stored(site, HERE, count + 1)
        wait_stored(site, "hong_kong", count)
        final = wait_quiet(collector)

    assert full.adds_up()
    assert 0 < total(full, "collector_spool_bytes") <= 1 << 20
    assert total(full, "collector_spool_records") < count
    assert total(full, "collector_spool_refused_total") > WINDOW
    assert 0 == total(final, "collector_spool_records")
    assert final.dropped.keys() <= {"duplicate"}


def test_routers_that_join_meanwhile_wait_with_the_broker_and_hold_nobody_up(site: Site) -> None:
    """Nothing of them is on a disk of ours until the ledger has let them in; then nothing of them is missing."""
    count = 5 * WINDOW
    configure(site)
    collector = site.start()
    with site.publisher() as router:
        join(collector, router)
        with site.locked(HERE):
            for _ in range(count):
                router.report(marked(NEW))
                router.report(report(ROUTER))
                router.report(report(NEIGHBOUR, country="HK"))
            router.settle(LONG)
            wait_stored(site, "hong_kong", count)
            wait_until(lambda: total(collector.metrics(), "collector_spool_records") == count, LONG)
            left = collector.metrics()
            on_disk = traces(MARKER, ((n, c) for n, c in files_below(site.folder / "data") if "spool" in n))
        wait_stored(site, HERE, 2 * count + 1)
        wait_quiet(collector)

    assert [] == on_disk
    assert total(left, "collector_messages_left_total") >= count
    assert left.adds_up()


@pytest.mark.parametrize("killed", [False, True], ids=["goes on", "killed"])
def test_k13_an_exit_while_records_sit_in_the_spool(site: Site, *, killed: bool) -> None:
    """Purged at once, over a kill as well; the ledger has it before anything else, and nothing comes back."""
    configure(site)
    collector = site.start()
    with site.publisher() as router:
        join(collector, router, ROUTER, NEIGHBOUR)
        with site.locked(HERE):
            for _ in range(5):
                router.report(marked())
                router.report(marked(NEIGHBOUR))
            wait_until(lambda: total(collector.metrics(), "collector_spool_records") == 10, LONG, what="the spool")
            router.publish(f"ueip/v1/{ROUTER}/consent", consent("exit", event_id=new_id()))
            wait_until(lambda: total(collector.metrics(), "collector_spool_records") == 5, LONG, what="the purge")
            if killed:
                collector.kill()
                collector.start()
            router.report(marked())
            wait_until(
                lambda: collector.metrics().dropped.get("withdrawn", 0) == (1 if killed else 6), LONG, what="the drop"
            )
        wait_until(lambda: site.count(HERE) == 6, LONG, what="the neighbour's")
        wait_quiet(collector)
        assert "exit" == site.rows(HERE, "SELECT json_extract(entry, '$.action') FROM ledger ORDER BY seq")[-1][0]
        router.report(marked())
        wait_quiet(collector)

    states = site.rows(
        HERE, "SELECT w.state, count(r.id) FROM router w LEFT JOIN record r ON r.router_id = w.id GROUP BY 1"
    )
    assert [("exited", 0), ("joined", 6)] == sorted(states)


def test_spool_files_say_nothing_to_who_has_no_key(site: Site) -> None:
    """Not a value, not an identifier, not a pseudonym of the store (O26, O79)."""
    configure(site)
    collector = site.start()
    with site.publisher() as router:
        join(collector, router)
        with site.locked(HERE):
            for _ in range(5):
                router.report(marked())
            router.publish(f"ueip/v1/{NEW}/consent", consent("exit", event_id=new_id()))
            wait_until(lambda: total(collector.metrics(), "collector_spool_records") == 5, LONG, what="the spool")
            wait_until(lambda: total(collector.metrics(), "collector_spool_acts") == 1, LONG, what="the exit")
            [(ref,)] = site.rows(HERE, "SELECT device_ref FROM router")
            files = [(name, content) for name, content in files_below(site.spool(HERE))]
    words = [MARKER, ROUTER, NEW, "unconsented", "software_version", "rsrp_dbm"]

    assert {"spool.sqlite", "spool.sqlite-wal"} == {name for name, _ in files}
    assert {word: [] for word in words} == {word: traces(word, files) for word in words}
    assert not any(ref in content for _, content in files)


def test_a_spool_that_was_torn_apart_needs_nobody(site: Site) -> None:
    """The collector starts, keeps what is intact, says what it found, and goes on."""
    configure(site)
    collector = site.start()
    with site.publisher() as router:
        join(collector, router)
        with site.locked(HERE):
            for _ in range(60):
                router.report(report(ROUTER))
            wait_until(lambda: total(collector.metrics(), "collector_spool_records") == 60, LONG, what="the spool")
            collector.stop()
        file = site.spool(HERE) / "spool.sqlite"
        with file.open("r+b") as torn:
            torn.seek(6 * 4096)
            torn.write(os.urandom(4096))
        with site.locked(HERE):
            collector.start()
            found = wait_until(lambda: s if total(s := collector.metrics(), "collector_spool_damages_total") else None)
        kept = total(found, "collector_records_recovered_total")
        wait_stored(site, HERE, kept + 1)
        router.report(report(ROUTER))
        wait_stored(site, HERE, kept + 2)

    assert 30 < kept < 60
    assert found.adds_up()
    assert "spool_damaged" in collector.said()
    assert "Traceback" not in collector.said()


HANGING: Final = """
import sys, threading
from pathlib import Path
from collector.cli import main
from collector.stores import sqlite

flag, commit = Path(sys.argv.pop(1)), sqlite.SQLiteStore._commit

def hanging(store, entries):
    if flag.exists() and store.region == "germany":
        threading.Event().wait()
    return commit(store, entries)

sqlite.SQLiteStore._commit = hanging
main()
"""


class Hanging(Collector):
    """A collector whose German store never returns from a commit once a file is there, as a dead disk's would."""

    @property
    def flag(self) -> Path:
        """The file."""
        return self.config.with_name("hang")

    def command(self) -> list[str]:
        """How it is run."""
        return [sys.executable, "-c", HANGING, str(self.flag), "run", "-c", str(self.config)]


def test_a_store_that_hangs_keeps_nobody_from_working_or_ending(site: Site) -> None:
    """SIGTERM ends the process in bounded time, with exit code 0; the next one has everything."""
    configure(site)
    site.collector = collector = Hanging(site.config, site.folder / "collector.log")
    site.start()
    with site.publisher() as router:
        join(collector, router)
        collector.flag.touch()
        for _ in range(3 * WINDOW):
            router.report(report(ROUTER))
            router.report(report(NEIGHBOUR, country="HK"))
            router.report(report(NEW))
        wait_stored(site, "hong_kong", 3 * WINDOW)
        wait_until(lambda: total(collector.metrics(), "collector_spool_records") == 3 * WINDOW, LONG)
        hung = collector.metrics()
        began = time.monotonic()
        code = collector.stop()
        took = time.monotonic() - began
        collector.flag.unlink()
        collector.start().wait_ready()
        wait_stored(site, HERE, 6 * WINDOW + 1)
        wait_quiet(collector)

    assert hung.adds_up()
    assert 0 == code
    assert took < 20, "a supervisor would have killed it"
