"""Workers beside others: on one database, on two machines, and one that has not heard yet who has left (K15, K05)."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator

import pytest
from engines import needs_postgresql

from .harness import COUNTRY_OF, REGIONS, Collector, Site, consent, report, wait_until
from .mqtt_proxy import MqttProxy
from .test_postgresql import HERE, DatabaseSite, server
from .test_postgresql import site as database_site
from .test_workers import DRAINED, ROUTERS, Load, adds_up, by_worker, pid_of, ready, run, settled

__all__ = ["database_site", "server"]
LEAVER = "ZTEWRK000001"
"""A router of Germany."""


@pytest.fixture
def second(site: Site) -> Iterator[Collector]:
    """A collector of another machine: its own name and spools, the same stores and the same group."""
    config = site.folder / "second.toml"
    made = Collector(config, site.folder / "second.log")
    yield made
    made.end()


@needs_postgresql
def test_a_worker_on_a_database_that_slept_through_an_exit_stores_nothing(database_site: DatabaseSite) -> None:
    """Both remember the router as joined, in process and connection; the ledger is asked inside each commit (K15)."""
    site = database_site
    site.broker.start()
    collector, load = run(site, 2), Load(site)
    with site.publisher() as router:
        load.join(router)
        # So that both have seen it, and remember.
        for _ in range(20):
            router.report(report(LEAVER))
        wait_until(lambda: collector.metrics().settled >= ROUTERS + 20, DRAINED, what="the outcomes")
        asleep = pid_of(collector, 2)
        os.kill(asleep, signal.SIGSTOP)
        try:
            for _ in range(40):
                router.report(report(LEAVER))
            router.publish(f"ueip/v1/{LEAVER}/consent", consent("exit"))
            router.settle()
            state = "SELECT state FROM router WHERE state <> 'joined'"
            wait_until(lambda: site.rows(HERE, state), what="the exit in the ledger")
        finally:
            os.kill(asleep, signal.SIGCONT)
        wait_until(lambda: collector.metrics().settled >= ROUTERS + 60, DRAINED, what="the outcomes")
    found = settled(collector)
    acts = site.rows(HERE, "SELECT count(*) FROM ledger")

    assert {"1", "2"} == set(by_worker(found))
    assert ROUTERS - 1 == len(load.stored())
    assert 20 <= found.dropped["withdrawn"]
    assert [(ROUTERS // 3 + 1,)] == acts
    assert 0 == site.ueip("ledger", "verify", "-c", str(site.config)).returncode


def beside(site: Site, second: Collector) -> None:
    """Write the second machine's configuration."""
    text = site.config.read_text().replace("[broker]\n", '[broker]\nclient_id = "ueip-second"\n')
    for region in REGIONS:
        store = f'store = "data/{region}.sqlite"'
        text = text.replace(store, f'{store}\nspool = "second/{region}"\nwitness = "second/{region}.witness"')
    second.config.write_text(text)


def test_workers_that_join_while_others_drain_and_leave_lose_nothing(site: Site, second: Collector) -> None:
    """A machine is added and another made smaller at the same time, under load: all is stored, once."""
    site.configure(broker={"port": site.broker.port, "reconnect_max_seconds": 0.5, "share_group": "fleet"})
    beside(site, second)
    site.broker.start()
    collector, load = run(site, 3), Load(site)
    with site.publisher() as router:
        load.join(router)
        send = threading.Thread(target=load.send, args=(router, 6000))
        send.start()
        wait_until(lambda: len(load.stored()) > 500, DRAINED, what="some progress")
        assert 0 == collector.stop()
        # As its operator does: from then on each machine keeps its own.
        (site.folder / "second").mkdir()
        for region in REGIONS:
            shutil.copy(site.folder / "keys" / f"{region}.witness", site.folder / "second")
        second.options = ("--workers", "2")
        second.start()
        site.collector.options = ("--workers", "1")
        site.collector.start()
        send.join(DRAINED)
        acknowledged = router.settle(DRAINED)
        load.wait_stored(acknowledged)
        wait_until(lambda: collector.said().count("worker_left") == 2, DRAINED, what="the end of the others")
        ready(second)
        # Whoever is left shares what comes from now on, and nothing goes to a session that nobody reads.
        load.send(router, 600)
        acknowledged = router.settle(DRAINED)
        load.wait_stored(acknowledged)
    first, other = settled(collector), settled(second)

    assert 6600 + ROUTERS == len(acknowledged)
    assert load.expected(acknowledged) == load.stored()
    assert by_worker(other).keys() == {"1", "2"}
    assert {"duplicate"} >= {*first.dropped, *other.dropped}
    assert [0, 0] == [site.ueip("ledger", "verify", "-c", str(c.config)).returncode for c in (collector, second)]


def test_a_worker_that_cannot_hear_of_consent_stays_closed_and_the_others_go_on(site: Site) -> None:
    """It reads no report before it has read the consent topic to its end; who left meanwhile is not stored (K05)."""
    with MqttProxy(site.broker.port) as proxy:
        site.configure(broker={"port": proxy.port, "reconnect_max_seconds": 0.5})
        site.broker.start()
        collector, load = run(site, 2), Load(site)
        deaf = "ueip-collector-w2-consent"
        with site.publisher() as router:
            load.join(router)
            settled(collector)
            proxy.refuse(deaf)
            for link in proxy.of(deaf):
                link.cut()
            wait_until(lambda: collector.metrics().by("collector_worker_ready", "worker") == {"1": 1}, what="the state")
            before = by_worker(collector.metrics())
            router.publish(f"ueip/v1/{LEAVER}/consent", consent("exit", country=COUNTRY_OF[HERE]))
            wait_until(lambda: site.rows(HERE, "SELECT 1 FROM ledger WHERE entry LIKE '%exit%'"), what="the exit")
            load.send(router, 240)
            router.settle(DRAINED)
            wait_until(lambda: by_worker(collector.metrics())["1"] >= before["1"] + 40, DRAINED, what="its share")
            closed, sums = by_worker(collector.metrics()), adds_up(collector.metrics())
            parts = collector.readyz()
            proxy.refuse(None)
            ready(collector)
            wait_until(lambda: collector.metrics().settled >= ROUTERS + 240, DRAINED, what="the outcomes")
        found = settled(collector)
    left = sum(document["router"]["serial"] == LEAVER for document in load.documents.values())

    assert before["2"] == closed["2"], "it read reports without having heard who left"
    assert sums
    assert 503 == parts[0]
    assert by_worker(found)["2"] > before["2"], "nothing waited for it"
    assert len(load.documents) - left == len(load.stored())
    assert {"withdrawn": left - 1} == found.dropped
