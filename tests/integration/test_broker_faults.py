"""A broker that misbehaves, dies, vanishes or forgets: noticed, said, and mended without a loss and without a hand."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Final

import pytest

from collector.broker import LocalBroker, local_configuration

from .harness import Collector, Samples, Site, locked, report, wait_until
from .mqtt_proxy import MqttProxy

REPORTS: Final = "ueip-collector"
CONSENT: Final = "ueip-collector-consent"


@pytest.fixture
def proxy(site: Site) -> Iterator[MqttProxy]:
    """Between the collector and its broker."""
    with MqttProxy(site.broker.port) as made:
        yield made


def through(site: Site, proxy: MqttProxy, **broker: object) -> Collector:
    """Start a collector that reaches its broker through the proxy."""
    site.configure(broker={"port": proxy.port, "reconnect_max_seconds": 0.5, **broker})
    return site.start()


def lost(found: Samples, loss: str, link: str) -> int:
    """Connections lost for that reason."""
    return found.total("collector_broker_connections_lost_total", loss=loss, link=link)


@pytest.mark.parametrize(("link", "client_id"), [("reports", REPORTS), ("consent", CONSENT)])
def test_a_connection_that_answers_pings_and_delivers_nothing_is_made_anew(
    site: Site, proxy: MqttProxy, link: str, client_id: str
) -> None:
    """The watchdog looks at messages, not at the socket (lesson 13); what was swallowed comes again."""
    collector = through(site, proxy, watchdog_silence_seconds=1, watchdog_answer_seconds=1, keep_alive_seconds=5)
    [deaf] = proxy.of(client_id)
    deaf.swallow()
    with site.publisher() as router:
        for number in range(20):
            router.report(report(f"ZTEAB{number:08}"))
        wait_until(lambda: lost(collector.metrics(), "watchdog", link) == 1, what="the watchdog")
        found = collector.wait_settled(20)
        collector.wait_ready()

    assert {"germany": 20} == found.stored
    assert 0 == lost(found, "keep_alive", link)
    assert len(proxy.of(client_id)) > 1


def test_a_fleet_that_sleeps_is_not_taken_for_a_fault(site: Site, proxy: MqttProxy) -> None:
    """Nothing is published by anybody for many silences; both connections stand, and are known to deliver."""
    collector = through(site, proxy, watchdog_silence_seconds=0.2, watchdog_answer_seconds=5, keep_alive_seconds=5)
    [reports], [consent] = proxy.of(REPORTS), proxy.of(CONSENT)
    for one in (reports, consent):
        wait_until(lambda: len(one.published) > 5, what="probes")  # noqa: B023

    found = collector.metrics()
    assert 0 == found.total("collector_broker_connections_lost_total")
    assert 0 == found.received
    assert found.total("collector_broker_silence_seconds") < 5


def test_a_peer_that_vanishes_without_a_word_is_given_up(site: Site, proxy: MqttProxy) -> None:
    """Half-open TCP: the socket looks alive, pings go out and nothing returns. What it held comes on the next one."""
    collector = through(site, proxy, keep_alive_seconds=5)
    for link in (*proxy.of(REPORTS), *proxy.of(CONSENT)):
        link.vanish()
    with site.publisher() as router:
        for number in range(20):
            router.report(report(f"ZTEAB{number:08}"))
        wait_until(lambda: collector.readyz()[0] == 503, what="the loss to be noticed")
        found = collector.wait_settled(20)
        collector.wait_ready()

    assert {"germany": 20} == found.stored
    assert (1, 1) == (lost(found, "keep_alive", "reports"), lost(found, "keep_alive", "consent"))


@contextlib.contextmanager
def cable_cut(port: int) -> Iterator[None]:
    """Let the kernel drop every packet from and to that port of this machine."""
    program = shutil.which("iptables")
    if program is None or os.geteuid() != 0:
        pytest.skip("only root can drop packets, with iptables")
    rules = [["INPUT", "-p", "tcp", side, str(port), "-j", "DROP"] for side in ("--dport", "--sport")]
    for rule in rules:
        if subprocess.run([program, "-w", "-I", *rule], capture_output=True, check=False).returncode:
            pytest.skip("this machine does not let us drop packets")
    try:
        yield
    finally:
        for rule in rules:
            subprocess.run([program, "-w", "-D", *rule], capture_output=True, check=False)


def test_a_cut_cable_is_noticed_by_the_kernel_even_while_nothing_is_read(site: Site) -> None:
    """With full memory no answer is read, so only TCP can tell that nothing arrives (TCP_USER_TIMEOUT)."""
    site.configure(
        broker={"port": site.broker.port, "keep_alive_seconds": 5, "reconnect_max_seconds": 0.5},
        limits={"max_in_flight_bytes": 1_048_576},
        spool={"after_seconds": 60},
    )
    collector = site.start()
    with site.publisher() as router, locked(site):
        for number in range(1500):
            router.report(report(f"ZTEAB{number:08}"))
        router.settle()
        wait_until(lambda: collector.metrics().total("collector_reading_paused"), what="full memory")
        with cable_cut(site.broker.port):
            wait_until(lambda: lost(collector.metrics(), "ended", "reports") == 1, what="the kernel's word")
    found = wait_until(lambda: drained(site, collector, 1500), 90, what="the last record")
    collector.wait_ready()

    assert found.dropped.keys() <= {"duplicate"}


def drained(site: Site, collector: Collector, count: int) -> Samples | None:
    """The numbers once so many records are stored and nothing is in flight."""
    found = collector.metrics()
    return found if site.count("germany") >= count and not found.in_flight else None


def test_a_broker_that_restarts_every_second_is_waited_out(site: Site) -> None:
    """No loss, no crash, no rush of attempts; /readyz says what is wrong while it is, and that it is over."""
    site.configure(broker={"port": site.broker.port, "reconnect_max_seconds": 2})
    collector = site.start()
    said: set[str] = set()
    began = time.monotonic()
    with site.publisher() as router:
        for restart in range(8):
            for number in range(50):
                router.report(report(f"ZTEAB{restart:02}{number:06}"))
            site.broker.stop()
            wait_until(lambda: collector.readyz()[0] == 503, what="the loss to be noticed")
            said |= set(collector.readyz()[1].values())
            site.broker.start()
            pass_time(1)
        lasted = time.monotonic() - began
        assert 400 == len(router.settle(60))
        found = wait_until(lambda: drained(site, collector, 400), 60, what="the last record")
    collector.wait_ready()

    attempts = collector.said().count("broker_unreachable") + found.total("collector_broker_connects_total")
    assert found.dropped.keys() <= {"duplicate"}
    assert {400} == {site.count("germany")}
    # Two links, and pauses that begin at an eighth of a second: a loop without them makes thousands.
    assert attempts < lasted * 16
    assert any("in a row" in words or "cannot be reached" in words or "lost" in words for words in said)


def pass_time(seconds: float) -> None:
    """Let the world turn; nothing is concluded from how far it came."""
    time.sleep(seconds)


def test_two_collectors_of_one_name_say_so_and_do_not_fight(site: Site) -> None:
    """Each connection of the second throws out the first's: that one leaves the broker alone for long, and says why."""
    patience = {"port": site.broker.port, "reconnect_max_seconds": 30}
    site.configure(broker=patience)
    first = site.start()
    folder = site.folder.parent / "other" / "site"
    shutil.copytree(site.folder, folder, ignore=shutil.ignore_patterns("*.sqlite*", "*.witness", "*.log"))
    other = Site(folder)
    other.configure(broker=patience)
    try:
        second = other.collector.start().wait_ready()
        status, parts = wait_until(lambda: taken_over(first), what="the first to say so")
        second.wait_ready()
        connects = [one.metrics().total("collector_broker_connects_total") for one in (first, second)]
        pass_time(2)  # in which ordinary losses would have been made good several times
        later = [one.metrics().total("collector_broker_connects_total") for one in (first, second)]

        assert (503, "ready") == (status, parts["store_germany"])
        assert "ready" != parts["broker"]
        assert "two share broker.client_id = 'ueip-collector'. Give each its own" in parts["consent_topic"]
        assert "broker_session_taken_over" in first.said()
        assert max(connects) <= 3, "a broker that does not say why it closed lets it try once more"
        assert connects == later
        assert (200, True) == (second.readyz()[0], first.is_running())
        assert 1 == lost(first.metrics(), "taken_over", "consent")
    finally:
        other.collector.end()


def taken_over(collector: Collector) -> tuple[int, dict[str, str]] | None:
    """What /readyz says once it names the other collector; its reports are held with the consent connection gone."""
    status, parts = collector.readyz()
    return (status, parts) if "another collector" in parts["consent_topic"] else None


def test_a_session_that_the_broker_forgot_is_told_and_made_anew(site: Site) -> None:
    """`session_present` is false where a session was: what was queued is gone, and people must know that."""
    collector = site.start()
    with site.publisher() as router:
        router.report(report("ZTEAB00000001"))
        collector.wait_settled(1)
    site.broker.stop()
    for database in site.broker.folder.glob("*.db"):
        database.unlink()
    site.broker.start()
    collector.wait_ready()
    with site.publisher() as router:
        router.report(report("ZTEAB00000002"))
        found = collector.wait_settled(2)
    collector.stop()
    site.broker.stop()
    for database in site.broker.folder.glob("*.db"):
        database.unlink()
    site.broker.start()
    later = collector.start().wait_ready().metrics()

    assert {"germany": 2} == found.stored
    for samples in (found, later):
        assert [1, 1] == [samples.total("collector_broker_sessions_lost_total", link=x) for x in ("reports", "consent")]
    assert 4 == collector.said().count("broker_session_lost")


def test_a_first_start_misses_no_session(site: Site) -> None:
    """There was none; nobody is to be alarmed by that, nor by a restart that finds its session."""
    first = site.start().metrics()
    site.collector.stop()
    again = site.collector.start().wait_ready().metrics()

    assert [0, 0] == [samples.total("collector_broker_sessions_lost_total") for samples in (first, again)]


def test_a_broker_whose_rules_forget_our_own_topic_is_told_of(site: Site) -> None:
    """By `check-config --broker` before the start, and on /readyz after it; reports are not read without it."""
    rules = site.folder.parent / "forgetful.acl"
    rules.write_text("topic readwrite ueip/v1/#\ntopic read ueip/probe/#\n")
    text = local_configuration(site.broker.folder, site.broker.port) + f"acl_file {rules}\n"
    site.broker = LocalBroker(site.broker.folder, port=site.broker.port, configuration=text)
    site.broker.start()
    checked = site.ueip("check-config", "--broker")
    collector = site.collector.start()
    with site.publisher() as router:
        router.report(report("ZTEAB00000001"))
        router.settle()
        words = "refused a message of our own on ueip/probe/ueip-collector-consent: not authorized"
        wait_until(lambda: words in collector.readyz()[1]["consent_topic"], what="the reason")

    assert 3 == checked.returncode
    assert "refused a message of our own on ueip/probe/ueip-collector-check" in checked.stderr
    assert 0 == collector.metrics().received
