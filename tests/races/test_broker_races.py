"""The races of catalogue 4.6 that need a real broker: its queue, its retained messages, its redeliveries."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from integration.harness import (
    POLICY,
    REGIONS,
    Publisher,
    Site,
    as_us,
    consent,
    environment,
    files_below,
    locked,
    new_id,
    report,
    traces,
    ueip_program,
    wait_until,
)
from integration.mqtt_proxy import MqttProxy
from notices import DIGEST
from paho.mqtt.client import Client, MQTTMessage

from collector.broker import LocalBroker

SERIAL: Final = "ZTEAB0A123456"
OTHER: Final = "ZTEXX0B654321"
MARKER: Final = "V7.Marker-kwx_QZJ"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation of the test's own, not started yet; stopped after the test."""
    if shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists():
        pytest.fail("Mosquitto is not installed and these tests need it. Install it with: apt-get install mosquitto")
    folder = tmp_path / "site"
    subprocess.run([ueip_program(), "init", str(folder)], env=environment(), check=True, capture_output=True)
    made = Site(folder)
    yield made
    made.stop()


def send(router: Publisher, serial: str = SERIAL, *, retain: bool = False, marker: str = MARKER) -> None:
    """A report with the marker in it."""
    document = report(serial)
    document["router"]["software_version"] = marker
    router.publish(f"ueip/v1/{serial}/report", document, retain=retain)


def leave(router: Publisher, serial: str = SERIAL, *, retain: bool = False) -> None:
    """The owner leaves in the app."""
    router.publish(f"ueip/v1/{serial}/consent", consent("exit", event_id=new_id()), retain=retain)


def left(site: Site) -> list[str]:
    """The files of the stores that still hold something of the marked reports."""
    return traces(MARKER, files_below(site.folder / "data"))


@pytest.mark.parametrize("exit_first", [False, True], ids=["report first", "exit first"])
def test_k04_exit_and_report_on_two_topics_in_either_order(site: Site, exit_first: bool) -> None:
    """The exit wins when it arrives: nothing received after it is stored, what was stored before is erased."""
    collector = site.start()
    steps: list[Callable[[Publisher], None]] = [send, leave]
    with site.publisher() as router:
        send(router)
        send(router, OTHER, marker="V1.Other-kept")
        collector.wait_settled(2)
        for step in reversed(steps) if exit_first else steps:
            step(router)
        collector.wait_settled(3)
        wait_until(lambda: site.count("germany") == 1, what="the erasure")
    wait_until(lambda: not left(site), what="the last byte")

    assert collector.metrics().adds_up()


@pytest.mark.parametrize("known", [True, False], ids=["has joined", "never heard of"])
def test_k05_of_a_backlog_with_the_exit_behind_it_nothing_is_ever_written(site: Site, known: bool) -> None:
    """Not for a moment: the exit, last of all in the broker's queue, is in the ledger before the first report is read.

    The window is a tenth of the backlog, so on one connection the exit would come when most of it is acknowledged; and
    the consent connection is let in late, so that whatever does not wait for it is caught.
    """
    count = 300
    with MqttProxy(site.broker.port) as proxy:
        site.configure(broker={"port": proxy.port, "reconnect_max_seconds": 0.5, "receive_maximum": count // 10})
        collector = site.start()
        with site.publisher() as router:
            if known:
                send(router, marker="V1.Before")
                collector.wait_settled(1)
            collector.stop()
            for _ in range(count):
                send(router)
            send(router, OTHER, marker="V1.Other-kept")
            leave(router)
            router.settle()
        proxy.refuse("ueip-collector-consent")
        before = collector.said().count("broker_unreachable")
        collector.start()
        wait_until(lambda: collector.said().count("broker_unreachable") > before + 2, what="attempts")
        early = collector.metrics().received
        proxy.refuse(None)
        found = collector.wait_ready().wait_settled(count + 1)

    assert 0 == early
    assert {"germany": 1} == found.stored, "the other router's"
    assert {"withdrawn": count} == found.dropped
    assert int(known) == found.total("collector_records_erased_total"), "only what was stored before"
    assert [] == left(site)


def test_k05_a_backlog_of_a_router_that_left_by_the_command_is_dropped(site: Site) -> None:
    """The ledger is read before the broker is asked for anything."""
    collector = site.start()
    with site.publisher() as router:
        send(router)
        collector.wait_settled(1)
        collector.stop()
        assert 0 == site.ueip("exit", SERIAL).returncode
        for _ in range(20):
            send(router)
        router.settle()
    found = collector.start().wait_ready().wait_settled(20)

    assert ({}, {"withdrawn": 20}) == (found.stored, found.dropped)
    assert [] == left(site)


def test_k05_an_exit_that_is_only_retained_comes_before_the_backlog(site: Site) -> None:
    """The broker lost the session of the consent connection and with it what was queued; it retained the exit."""
    collector = site.start()
    collector.stop()
    with site.publisher() as router:
        for _ in range(100):
            send(router)
        leave(router, retain=True)
        router.settle()
    forget = Publisher(site.broker.port, client_id="ueip-collector-consent")
    with forget:
        pass  # a clean start under that name, and the end of its session
    found = collector.start().wait_ready().wait_settled(100)

    assert ({}, {"withdrawn": 100}) == (found.stored, found.dropped)
    assert [] == left(site)


def test_k05_without_the_consent_connection_no_report_is_read(site: Site) -> None:
    """Closed while it is away, whatever else works; and after it, the exit that came meanwhile is first."""
    with MqttProxy(site.broker.port) as proxy:
        site.configure(broker={"port": proxy.port, "reconnect_max_seconds": 0.5})
        collector = site.start()
        proxy.refuse("ueip-collector-consent")
        [consent_link] = proxy.of("ueip-collector-consent")
        consent_link.cut()
        wait_until(lambda: "held" in collector.readyz()[1]["broker"], what="the reports to be held")
        with site.publisher() as router:
            for _ in range(100):
                send(router)
            leave(router)
            router.settle()
        [reports] = proxy.of("ueip-collector")
        during = collector.metrics()
        proxy.refuse(None)
        found = collector.wait_settled(100)
        collector.wait_ready()

    assert 0 == during.received
    assert ({}, {"withdrawn": 100}) == (found.stored, found.dropped)
    assert [] == left(site)
    assert 1 == len(proxy.of("ueip-collector")), "its connection stood all the while, and was not read"
    assert reports.published


def test_k05_a_join_stays_ahead_of_the_reports_that_follow_it(site: Site) -> None:
    """Consent events come on both connections: on that of the reports in the order in which they were sent."""
    with MqttProxy(site.broker.port) as proxy:
        site.configure(broker={"port": proxy.port, "reconnect_max_seconds": 0.5}, consent={"mode": "registered"})
        collector = site.start()
        [consent_link] = proxy.of("ueip-collector-consent")
        consent_link.swallow()  # as slow as a connection can be
        with site.publisher() as router:
            shown = {"policy_version": POLICY, "policy_digest": DIGEST, "language": "en"}
            join = consent("join", **shown, adult_or_guardian="adult", storage_regions=["germany"])
            router.publish(f"ueip/v1/{SERIAL}/consent", join)
            wait_until(lambda: collector.metrics().total("collector_consent_events_total"), what="the join")
            send(router)
            found = collector.wait_settled(1)

    assert {"germany": 1} == found.stored


def test_k09_a_redelivery_after_the_exit_is_dropped(site: Site) -> None:
    """Received and never acknowledged, the reports come again (DUP) after the exit: dropped, none comes back."""
    collector = site.start()
    with site.publisher() as router:
        send(router)
        collector.wait_settled(1)
        with locked(site):
            for _ in range(5):
                send(router)
            wait_until(lambda: collector.metrics().in_flight == 5, what="the reports")
            collector.kill()
        assert 0 == site.ueip("exit", SERIAL).returncode
        found = collector.start().wait_ready().wait_settled(5)

    assert ({"withdrawn": 5}, {}) == (found.dropped, found.stored)
    assert [] == left(site)


def cleared(site: Site, answer: str = "cleared") -> int:
    """How many topics the broker was asked to forget, by its answer."""
    return site.collector.metrics().total("collector_retained_cleared_total", answer=answer)


def retained(site: Site) -> list[tuple[str, bytes]]:
    """What the broker gives to somebody who subscribes now."""
    found: list[tuple[str, bytes]] = []
    with site.publisher(prepare=lambda client: setattr(client, "on_message", note(found))) as reader:
        done: list[Any] = []
        reader.client.on_subscribe = lambda *_: done.append(1)
        reader.client.subscribe([("ueip/v1/#", 1), ("marker", 1)])
        wait_until(lambda: done, what="the subscription")
        reader.publish("marker", b"all of it", qos=1)
        wait_until(lambda: ("marker", b"all of it") in found, what="what comes behind all that is retained")
    return [message for message in found if message[0] != "marker"]


def note(found: list[tuple[str, bytes]]) -> Callable[[Client, Any, MQTTMessage], None]:
    """Keeps what is received."""
    return lambda _client, _data, message: found.append((message.topic, bytes(message.payload)))


@pytest.mark.parametrize("connected", [True, False], ids=["while connected", "before connecting"])
def test_k10_a_retained_report_is_dropped_and_cleared(site: Site, *, connected: bool) -> None:
    """Dropped as `retained` and never stored; the broker keeps it for nobody else. Our clearing is no message."""
    site.broker.start()
    with site.publisher() as router:
        if connected:
            site.collector.start().wait_ready()
        send(router, retain=True)
        router.settle()
        if not connected:
            site.collector.start().wait_ready()
        wait_until(lambda: cleared(site) == 1, what="the clearing")
        send(router, OTHER, marker="V1.Other-kept")
        found = site.collector.wait_settled(2)

    assert (2, {"retained": 1}, {"germany": 1}) == (found.received, found.dropped, found.stored)
    assert [] == retained(site)
    assert [] == left(site)


def test_k10_consent_that_is_retained_stays(site: Site) -> None:
    """There it is wanted (4.5): an exit must be found by a collector that was away."""
    site.start()
    with site.publisher() as router:
        send(router, retain=True)
        # Before the exit: a topic that waits to be cleared waits once.
        wait_until(lambda: cleared(site) == 1, what="the clearing of the report")
        leave(router, retain=True)
        wait_until(lambda: cleared(site) == 2, what="the clearing at the exit")

    assert [f"ueip/v1/{SERIAL}/consent"] == [topic for topic, _ in retained(site)]


@pytest.mark.parametrize("way", ["event", "flag"])
def test_k10_at_an_exit_nothing_of_the_router_is_retained(site: Site, way: str) -> None:
    """With the exit's commit, whatever the broker may have kept; a stranger's refusal asks nothing of it."""
    collector = site.start()
    with site.publisher() as router:
        send(router)
        collector.wait_settled(1)
        if way == "event":
            leave(router)
        else:
            router.report(report(OTHER, ueip=False))
            router.report(report(SERIAL, ueip=False))
        wait_until(lambda: cleared(site) == 1, what="the clearing")
        send(router, OTHER, marker="V1.Other-kept")
        wait_until(lambda: collector.metrics().in_flight == 0 and collector.metrics().received >= 2, what="the report")

    assert 1 == cleared(site)


def test_k10_a_broker_that_does_not_let_us_clear_costs_nothing_else(site: Site) -> None:
    """It is counted and said; the connection stands, and everything else is stored."""
    access = site.broker.folder.parent / "acl"
    access.write_text("topic read ueip/v1/#\ntopic readwrite ueip/probe/#\nuser router\ntopic write ueip/v1/#\n")
    port = site.broker.port
    configuration = f"listener {port} 127.0.0.1\nallow_anonymous true\nacl_file {access}\n"
    site.broker = LocalBroker(site.broker.folder, port=port, configuration=as_us(configuration))
    collector = site.start()
    with site.publisher(username="router") as router:
        send(router, retain=True)
        wait_until(lambda: cleared(site, "refused") == 1, what="the refusal")
        send(router, OTHER, marker="V1.Other-kept")
        found = collector.wait_settled(2)
    connects = collector.metrics().by("collector_broker_connects_total", "link")

    assert (1, {"retained": 1}) == (site.count("germany"), found.dropped)
    assert {"reports": 1, "consent": 1} == connects
    assert "retained_not_cleared" in collector.said()
    assert SERIAL not in collector.said()


def test_k11_a_crash_after_the_commit_and_an_exit(site: Site) -> None:
    """Stored but not acknowledged when the process died: the redelivery is dropped and the rows are gone."""
    collector = site.start()
    with site.publisher() as router, locked(site):
        # A German report ahead of them keeps the others' acknowledgements back.
        send(router, OTHER, marker="V1.Other-kept")
        wait_until(lambda: collector.metrics().in_flight == 1, what="the first report")
        for _ in range(3):
            document = report(SERIAL, country="HK")
            document["router"]["software_version"] = MARKER
            router.report(document)
        wait_until(lambda: site.count("hong_kong") == 3, what="the commit")
        collector.kill()
        assert 0 == subprocess_exit_in(site, "hong_kong")
    found = collector.start().wait_ready().wait_settled(4)

    assert {"withdrawn": 3} == found.dropped
    assert {"germany": 1} == found.stored
    assert [] == left(site)


def subprocess_exit_in(site: Site, region: str) -> int:
    """`ueip exit` where only *region* is served, for the store of another is locked."""
    here = site.config.with_name("one-region.toml")
    lines = [f'[regions]\nenabled = ["{region}"]']
    said = 'store = "data/{0}.sqlite"\nkey_files = ["keys/{0}.key"]\nretention_days = 365'
    lines += [f"[regions.{r}]\n{said.format(r)}" for r in REGIONS]
    here.write_text("\n".join(lines) + "\n")
    return site.ueip("exit", SERIAL, "-c", str(here)).returncode


def test_k14_sigterm_leaves_what_is_not_committed_with_the_broker(site: Site) -> None:
    """Exit code 0, not a byte on the disk, nothing acknowledged: after an exit all of it is dropped."""
    collector = site.start()
    with site.publisher() as router:
        send(router, marker="V6.Before")
        collector.wait_settled(1)
        with locked(site):
            for _ in range(5):
                send(router)
            wait_until(lambda: collector.metrics().in_flight == 5, what="the reports")
            code = collector.stop()
            on_disk = left(site)
        assert 0 == site.ueip("exit", SERIAL).returncode
        found = collector.start().wait_ready().wait_settled(5)

    assert (0, []) == (code, on_disk)
    assert ({"withdrawn": 5}, {}) == (found.dropped, found.stored)
    assert [] == left(site)
