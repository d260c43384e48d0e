"""Crashes and outages: nothing the broker acknowledged is lost or stored twice, and memory stays bounded (D20, D22).

The oracle is the publisher: what the broker acknowledged to it must be in exactly one store, once, under the id that
the region's key gives it.
"""

import contextlib
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import pytest

from .harness import COUNTRY_OF, PATIENCE, REGIONS, Collector, Publisher, Samples, Site, report, wait_until

DRAINED: Final = 60.0
"""Seconds for a backlog of thousands to drain on a slow machine that is shared."""


class Load:
    """Reports of routers in all three regions, published one after another."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.documents: dict[int, dict[str, Any]] = {}

    def send(self, router: Publisher, count: int, **changes: Any) -> None:
        """Publish *count* more, each named by its number."""
        for number in range(len(self.documents), len(self.documents) + count):
            serial = f"ZTEAB0A{number % 300:06}"
            document = report(serial, country=COUNTRY_OF[REGIONS[number % 3]], **changes)
            self.documents[number] = document
            router.publish(f"ueip/v1/{serial}/report", document, name=number)

    def expected(self, numbers: list[int]) -> dict[str, Counter[bytes]]:
        """The ids that the stores must hold once these have been acknowledged."""
        found: dict[str, Counter[bytes]] = {region: Counter() for region in REGIONS}
        for number in numbers:
            document, region = self.documents[number], REGIONS[number % 3]
            found[region][self._site.expected_id(region, document["router"]["serial"], document["message_id"])] += 1
        return found

    def stored(self) -> dict[str, Counter[bytes]]:
        """The ids that the stores hold."""
        return {region: Counter(self._site.record_ids(region)) for region in REGIONS}

    def stored_count(self) -> int:
        """Records in all stores."""
        return sum(self._site.count(region) for region in REGIONS)

    def wait_drained(self, collector: Collector) -> Samples:
        """Wait until everything published is stored and nothing is in flight; the sums must hold then."""

        def drained() -> bool:
            found = collector.metrics()
            assert found.dropped.keys() <= {"duplicate"}
            return self.stored_count() >= len(self.documents) and not found.in_flight

        wait_until(drained, DRAINED, what="the last record")
        found = collector.metrics()
        assert found.adds_up()
        return found


@pytest.fixture
def load(site: Site) -> Load:
    """Something to publish."""
    return Load(site)


def slowly(site: Site) -> None:
    """Small batches and a small window, so that a crash finds work at every stage."""
    site.configure(
        broker={"port": site.broker.port, "reconnect_max_seconds": 0.5, "receive_maximum": 500},
        writer={"max_batch_rows": 50},
    )


@contextlib.contextmanager
def in_background(send: threading.Thread) -> Iterator[None]:
    """Publish on a thread of its own meanwhile."""
    send.start()
    yield
    send.join(DRAINED)
    assert not send.is_alive()


def test_a_broker_that_is_restarted_loses_nothing(site: Site, load: Load) -> None:
    """Collector and routers reconnect by themselves; every acknowledged message is stored once."""
    collector = site.start()
    with site.publisher() as router:
        for _ in range(2):
            load.send(router, 700)
            wait_until(lambda: len(router.answers) > len(load.documents) // 2, what="half of the answers")
            site.broker.stop()
            wait_until(lambda: collector.readyz()[0] == 503, what="the loss to be noticed")
            load.send(router, 300)
            site.broker.start()
        acknowledged = router.settle(DRAINED)
        found = load.wait_drained(collector)

    assert len(load.documents) == len(acknowledged)
    assert load.expected(acknowledged) == load.stored()
    assert 3 == found.total("collector_broker_connects_total", link="reports")
    assert collector.is_running()


def test_what_arrives_while_the_collector_is_away_waits_in_the_broker(site: Site, load: Load) -> None:
    """Even over a restart of the broker: the session and its queue outlive both (more than the default of 1000)."""
    site.start().stop()
    with site.publisher() as router:
        load.send(router, 2500)
        acknowledged = router.settle()
    assert 0 == load.stored_count()
    site.broker.stop()
    site.broker.start()
    collector = site.collector.start().wait_ready()
    load.wait_drained(collector)

    assert 2500 == len(acknowledged)
    assert load.expected(acknowledged) == load.stored()


def test_kill_9_loses_nothing_and_stores_nothing_twice(site: Site, load: Load) -> None:
    """Killed again and again under load of 20 000 messages: each acknowledged one is stored exactly once (K11, K12)."""
    count, kills = 20_000, 5
    slowly(site)
    collector = site.start()
    with site.publisher() as router:
        with in_background(threading.Thread(target=load.send, args=(router, count))):
            for kill in range(1, kills + 1):
                wait_until(lambda: load.stored_count() >= kill * count // (kills + 3), DRAINED, what="some progress")  # noqa: B023
                collector.kill()
                assert load.stored_count() < count, "killed too late to show anything"
                collector.start()
        acknowledged = router.settle(DRAINED)
        found = load.wait_drained(collector.wait_ready())

    stored = load.stored()
    assert count == len(acknowledged)
    assert load.expected(acknowledged) == stored
    assert {1} == {times for ids in stored.values() for times in ids.values()}
    assert found.received == sum(found.stored.values()) + sum(found.dropped.values())
    for region in REGIONS:
        assert [("ok",)] == site.rows(region, "PRAGMA integrity_check")


def test_sigterm_under_load_ends_in_order(site: Site, load: Load) -> None:
    """Exit code 0 soon; what was not committed comes again at the next start, nothing is lost or doubled (K14)."""
    count = 6000
    slowly(site)
    collector = site.start()
    with site.publisher() as router:
        with in_background(threading.Thread(target=load.send, args=(router, count))):
            for turn in range(1, 4):
                wait_until(lambda: load.stored_count() >= turn * count // 6, DRAINED, what="some progress")  # noqa: B023
                code = collector.stop(signal.SIGTERM if turn % 2 else signal.SIGINT)
                stopped_at = load.stored_count()
                assert 0 == code
                assert stopped_at < count, "stopped too late to show anything"
                collector.start()
        acknowledged = router.settle(DRAINED)
        load.wait_drained(collector.wait_ready())

    assert load.expected(acknowledged) == load.stored()
    assert 3 == collector.said().count("collector_stopped")
    assert "Traceback" not in collector.said()


def test_a_broker_that_is_killed_costs_no_crash_and_no_duplicate(site: Site, load: Load) -> None:
    """The broker may forget what it had not written yet; the collector goes on and stores nothing twice."""
    collector = site.start()
    with site.publisher() as router:
        load.send(router, 1500)
        wait_until(lambda: load.stored_count() > 200, what="some records")
        site.broker.kill()
        wait_until(lambda: collector.readyz()[0] == 503, what="the loss to be noticed")
        site.broker.start()
        collector.wait_ready()
        load.send(router, 500)
        router.settle(DRAINED)
        wanted = load.expected(list(load.documents)[1500:])
        wait_until(lambda: all(wanted[region] <= load.stored()[region] for region in REGIONS), what="the last records")

    assert collector.metrics().adds_up()
    assert {1} == {times for ids in load.stored().values() for times in ids.values()}
    assert collector.is_running()
    assert "Traceback" not in collector.said()


def unready(collector: Collector) -> dict[str, str]:
    """What /readyz says of the parts that are not ready."""
    return {part: state for part, state in collector.readyz()[1].items() if state != "ready"}


def test_a_store_that_is_locked_holds_its_messages_and_names_itself(site: Site, load: Load) -> None:
    """/readyz names it, the other regions go on; released, everything drains, once."""
    site.configure(spool={"after_seconds": 5})  # all have come by then
    closed = {"store_germany": "locked", "spool_germany": "in use"}
    collector = site.start()
    with site.locked("germany"), site.publisher() as router:
        load.send(router, 300)
        router.settle()
        wait_until(lambda: site.count("china") + site.count("hong_kong") == 200, what="the other regions")
        wait_until(lambda: closed == unready(collector), what="its name, and no other's")
        held = collector.metrics()

    assert {"china": 100, "hong_kong": 100} == held.stored
    assert 100 == held.in_flight
    assert held.adds_up()
    assert held.total("collector_store_failures_total", region="germany") > 0
    load.wait_drained(collector.wait_ready())
    assert load.expected(list(load.documents)) == load.stored()


def test_a_store_unlocked_after_a_crash_gets_everything(site: Site, load: Load) -> None:
    """Messages held back by a locked store were never acknowledged: killed meanwhile, the collector gets them again."""
    collector = site.start()
    with site.publisher() as router:
        with site.locked("germany"):
            load.send(router, 300)
            router.settle()
            wait_until(lambda: site.count("china") + site.count("hong_kong") == 200, what="the other regions")
            collector.kill()
        found = load.wait_drained(collector.start().wait_ready())

    assert load.expected(list(load.documents)) == load.stored()
    assert {"germany": 100} == found.stored
    # Stored, but not acknowledged, for a German one came before them; the very first message had none before it.
    assert found.dropped["duplicate"] in {199, 200}


MOST_MIB: Final = 300


def test_a_flood_of_large_payloads_is_bounded_in_memory(site: Site) -> None:
    """Payloads of 10 MB, dropped as they come, cost no more memory than a few of them."""
    collector = site.start()
    with site.publisher() as router:
        for _ in range(30):
            router.publish("ueip/v1/ZTEAB0A123456/report", b"x" * 10_000_000)
        router.settle(DRAINED)
        found = collector.wait_settled(30)

    assert {"oversize": 30} == found.dropped
    assert collector.memory_peak_mib() < MOST_MIB


def test_a_flood_against_a_locked_store_is_bounded_in_memory(site: Site) -> None:
    """What cannot be written is held up to a bound; then the socket is not read, and later everything drains."""
    count = 1500
    site.configure(
        broker={"port": site.broker.port, "receive_maximum": 65_535},
        limits={"max_in_flight_bytes": 20_000_000},
        spool={"after_seconds": 60},  # or a spool that is faster than the broker would keep memory from filling
    )
    collector = site.start()
    with site.locked("germany"), site.publisher() as router:
        for _ in range(count):
            router.report(report("ZTEAB0A123456", trace="x" * 60_000))
        router.settle(DRAINED)
        wait_until(lambda: collector.metrics().total("collector_reading_paused") == 1, what="the pause")
        held = collector.metrics()
        peak = collector.memory_peak_mib()

    assert held.total("collector_in_flight_bytes") < 30_000_000
    assert held.received < count
    assert held.adds_up()
    assert peak < MOST_MIB
    assert {"germany": count} == collector.wait_settled(count).stored
    assert count == site.count("germany")
    assert collector.memory_peak_mib() < MOST_MIB


def test_a_look_at_the_stores_costs_no_record(site: Site, load: Load) -> None:
    """Commands that open a store beside a restarted collector leave its log alone, even if it crashes afterwards."""
    collector = site.start()
    collector.stop()
    collector.start().wait_ready()
    with site.publisher() as router:
        for _ in range(3):
            load.send(router, 200)
            load.wait_drained(collector)
            assert 0 == site.ueip("find", load.documents[0]["router"]["serial"]).returncode
        collector.kill()

    assert load.expected(list(load.documents)) == load.stored()


def test_two_collectors_of_one_session_do_not_store_twice(site: Site, load: Load) -> None:
    """Started twice by mistake, they take the session from each other; every message is still stored once."""
    collector = site.start()
    second = Collector(site.config, site.folder / "second.log")
    try:
        second.start()
        with site.publisher() as router:
            load.send(router, 600)
            acknowledged = router.settle()
        wait_until(lambda: load.stored_count() == 600, PATIENCE, what="the last record")
    finally:
        second.end()
    collector.wait_ready()

    assert load.expected(acknowledged) == load.stored()
    assert collector.metrics().adds_up()
