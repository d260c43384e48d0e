"""Several workers on one machine: real processes, a real broker, one store a region (docs/decisions/0022).

The oracle is the publisher, as in test_crashes.py: what the broker acknowledged must be stored, once. Routers have
joined before the load: which of two first reports is the join is nobody's to say when two workers have them.
"""

import contextlib
import json
import os
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from collector.stores.news import REFRESH_SECONDS

from .harness import (
    COUNTRY_OF,
    REGIONS,
    Collector,
    Publisher,
    Samples,
    Site,
    consent,
    new_id,
    report,
    wait_until,
)

DRAINED: Final = 90.0
"""Seconds for a backlog of thousands to drain on a slow machine that is shared."""
ROUTERS: Final = 60


def pid_of(collector: Collector, number: int) -> int:
    """The process of a worker."""
    wanted = b"worker-%d" % number

    def found() -> int | None:
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if wanted in words and parent == collector.process.pid:
                    return int(entry.name)
        return None

    return wait_until(found, what=f"the process of worker {number}")


def is_running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def ready(collector: Collector) -> Collector:
    """Wait until every worker is ready: several interpreters are started one after another."""
    wait_until(lambda: collector.readyz()[0] == 200, DRAINED, what="/readyz")
    return collector


def run(site: Site, workers: int) -> Collector:
    """Start so many, and wait until they are ready."""
    site.collector.options = ("--workers", str(workers))
    return ready(site.collector.start())


def by_worker(samples: Samples) -> dict[str, int]:
    """Messages received by each."""
    return samples.by("collector_worker_messages_received_total", "worker")


def adds_up(samples: Samples) -> bool:
    """What holds over workers: a message that one had when it ended comes again."""
    returned = samples.total("collector_messages_returned_total")
    return samples.received == samples.settled + samples.in_flight + returned


def has_session(site: Site, client_id: str) -> bool:
    """Whether the broker keeps a session of that name."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)
    present: list[bool] = []
    client.on_connect = lambda _client, _data, flags, _reason, _properties: present.append(flags.session_present)
    client.connect("127.0.0.1", site.broker.port, clean_start=False)
    client.loop_start()
    wait_until(lambda: present, what="the broker's answer")
    client.disconnect()
    client.loop_stop()
    return present[0]


def with_api(site: Site, **settings: Any) -> None:
    """Take acts of consent over HTTP."""
    token = site.folder / "token"
    token.write_text("x" * 40)
    token.chmod(0o600)
    site.configure(api={"enabled": True, "token_file": str(token), "port": 0, **settings})


def exit_by_api(collector: Collector, router: str) -> int:
    """The status of the answer."""
    address = re.findall(r"acts of consent at (\S+)", collector.said())[-1]
    act = {"router": router, "action": "exit", "event_id": new_id(), "channel": "rights_desk"}
    headers = {"Authorization": f"Bearer {'x' * 40}", "Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(act).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


class Load:
    """Reports of routers that have joined, in all three regions."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.documents: dict[int, dict[str, Any]] = {}

    def join(self, router: Publisher) -> None:
        """One report of each router, and wait until it is stored."""
        self.send(router, ROUTERS)
        self.wait_stored(range(ROUTERS))

    def send(self, router: Publisher, count: int, *, strangers: bool = False) -> None:
        """Publish *count* more, each named by its number; every fifth is the one report of a *stranger*, if any."""
        for number in range(len(self.documents), len(self.documents) + count):
            serial = f"ZTENEW{number:06}" if strangers and not number % 5 else f"ZTEWRK{number % ROUTERS:06}"
            document = report(serial, country=COUNTRY_OF[REGIONS[number % 3]])
            self.documents[number] = document
            router.publish(f"ueip/v1/{serial}/report", document, name=number)

    def expected(self, numbers: Any) -> Counter[bytes]:
        """The ids that must be stored once these have been acknowledged."""
        found: Counter[bytes] = Counter()
        for number in numbers:
            document = self.documents[number]
            router, region = document["router"]["serial"], REGIONS[number % 3]
            found[self.site.expected_id(region, router, document["message_id"])] += 1
        return found

    def stored(self) -> Counter[bytes]:
        """The ids in all stores."""
        return sum((Counter(self.site.record_ids(region)) for region in REGIONS), Counter())

    def wait_stored(self, numbers: Any) -> None:
        """Wait until these are stored."""
        wanted = self.expected(numbers)
        wait_until(lambda: wanted <= self.stored(), DRAINED, what="the last record")


@pytest.fixture
def load(site: Site) -> Load:
    """Something to publish."""
    return Load(site)


def settled(collector: Collector) -> Samples:
    """Wait until nothing is in flight; the sums must hold then."""

    def now() -> Samples | None:
        found = collector.metrics()
        return found if not found.in_flight else None

    found = wait_until(now, DRAINED, what="the end of all work")
    assert adds_up(found)
    return found


def test_the_reports_are_shared_and_the_sums_add_up(site: Site, load: Load) -> None:
    """Each message goes to one worker, each worker gets some, and one page counts all."""
    site.broker.start()
    collector = run(site, 3)
    with site.publisher() as router:
        load.join(router)
        load.send(router, 900)
        acknowledged = router.settle(DRAINED)
        load.wait_stored(acknowledged)
    found = settled(collector)

    assert load.expected(acknowledged) == load.stored()
    assert len(load.documents) == found.received == sum(found.stored.values())
    assert {"1", "2", "3"} == set(by_worker(found))
    assert len(load.documents) == sum(by_worker(found).values())
    assert 3 == found.total("collector_worker_ready")
    assert 0 == collector.stop()
    # A new number waits until one that was there before has read the consent topic to its end (K05).
    order = re.findall(r'"event":"(broker_connected|collector_started)","worker":(\d)', collector.said())
    assert order.index(("broker_connected", "1")) < order.index(("collector_started", "2"))
    assert "Traceback" not in collector.said()


def test_kill_9_of_workers_loses_nothing_and_stores_nothing_twice(site: Site, load: Load) -> None:
    """Again and again, under load: what a worker had goes to the next of its number, and the sums still add up."""
    count, kills = 12_000, 6
    site.configure(broker={"receive_maximum": 500}, writer={"max_batch_rows": 50})
    site.broker.start()
    collector = run(site, 3)
    with site.publisher() as router:
        load.join(router)
        # Joins by flag in every worker, too: the ledger is appended to by all of them.
        send = threading.Thread(target=load.send, args=(router, count), kwargs={"strangers": True})
        send.start()
        for kill in range(1, kills + 1):
            wait_until(lambda: len(load.stored()) >= kill * count // (kills + 3), DRAINED, what="some progress")  # noqa: B023
            os.kill(pid_of(collector, kill % 3 + 1), signal.SIGKILL)
            assert len(load.stored()) < count, "killed too late to show anything"
        send.join(DRAINED)
        acknowledged = router.settle(DRAINED)
        load.wait_stored(acknowledged)
    # One that ends again and again is started after a pause, which may outlast the messages.
    starts = "collector_worker_starts_total"
    wait_until(lambda: collector.metrics().total(starts) == 3 + kills, DRAINED, what="the last start of a worker")
    found = settled(collector)

    assert count + ROUTERS == len(acknowledged)
    assert load.expected(acknowledged) == load.stored()
    assert ROUTERS + count // 5 == sum(len(site.rows(region, "SELECT seq FROM ledger")) for region in REGIONS)
    assert 3 + kills == found.total(starts)
    assert found.dropped.keys() <= {"duplicate"}
    assert ready(collector).stop() == 0
    for region in REGIONS:
        assert [("ok",)] == site.rows(region, "PRAGMA integrity_check")
    assert 0 == site.ueip("ledger", "verify").returncode


def test_an_exit_reaches_every_worker_at_once(site: Site, load: Load) -> None:
    """Each hears of it for itself; the ledger has it once; whichever worker gets the next report drops it."""
    site.broker.start()
    collector = run(site, 3)
    with site.publisher() as router:
        load.join(router)
        router.publish("ueip/v1/ZTEWRK000000/consent", consent("exit", country=COUNTRY_OF[REGIONS[0]]))
        by_result = {"recorded": 1, "repeated": 3}

        def results() -> dict[str, int]:
            found = collector.metrics()
            return {r: found.total("collector_consent_events_total", action="exit", result=r) for r in by_result}

        wait_until(lambda: results() == by_result, what="every worker's hearing of it")
        for _ in range(30):
            router.report(report("ZTEWRK000000", country=COUNTRY_OF[REGIONS[0]]))
        router.settle()
        wait_until(lambda: collector.metrics().dropped.get("withdrawn") == 30, what="the outcomes")
    before = by_worker(settled(collector))

    assert ROUTERS - 1 == len(load.stored())
    assert all(count > ROUTERS // 3 for count in before.values())


def test_an_exit_is_measured_once_whichever_way_it_came(site: Site, load: Load) -> None:
    """By the worker whose commit recorded it; a command's, which no worker commits, by the first."""
    with_api(site)
    site.broker.start()
    collector = run(site, 3)
    country, gone = COUNTRY_OF[REGIONS[0]], [f"ZTEWRK{number:06}" for number in (0, 3, 6, 9)]
    with site.publisher() as router:
        load.join(router)
        router.publish(f"ueip/v1/{gone[0]}/consent", consent("exit", country=country))
        router.report(report(gone[1], country=country, ueip=False))
        assert 200 == exit_by_api(collector, gone[2])
        assert 0 == site.ueip("exit", gone[3], "-c", str(site.config), "--yes").returncode

        def measured() -> int:
            return collector.metrics().total("collector_exit_seconds_count")

        wait_until(lambda: measured() >= len(gone), what="the exits in the numbers")
        time.sleep(3 * REFRESH_SECONDS)  # in which every worker learns of them all

    assert len(gone) == len(site.rows(REGIONS[0], "SELECT 1 FROM router WHERE state <> 'joined'"))
    assert len(gone) == measured()


def test_an_exit_that_waits_is_shown_once_and_does_not_vanish_with_a_worker(site: Site, load: Load) -> None:
    """Every worker hears of one by the topic; one that dies leaves it to the others. By the API one hears of it."""
    with_api(site, patience_seconds=1)
    site.broker.start()
    collector = run(site, 3)

    def waiting() -> dict[str, int]:
        return collector.metrics().by("collector_exits_waiting", "way")

    with site.publisher() as router:
        load.join(router)
        with site.locked(REGIONS[0]):
            router.publish("ueip/v1/ZTEWRK000000/consent", consent("exit", country=COUNTRY_OF[REGIONS[0]]))
            # Once in each worker, and in one of them a second time, from the reports' connection.
            wait_until(lambda: collector.metrics().total("collector_in_flight_bytes") > 4 * 1024, what="their hearing")
            os.kill(pid_of(collector, 1), signal.SIGKILL)
            starts = 0
            while starts < 4:
                found = collector.metrics()
                starts = found.total("collector_worker_starts_total")
                assert {"topic": 1} == found.by("collector_exits_waiting", "way")
            assert 503 == exit_by_api(collector, "ZTEWRK000003")
            # The other regions' stores answer the worker that started again too, but not at once.
            wait_until(lambda: waiting() == {"topic": 1, "api": 1}, what="the two of this region alone")
        wait_until(lambda: not waiting(), what="the end of what waited")
        wait_until(lambda: collector.metrics().total("collector_exit_seconds_count") == 2, what="both in the numbers")

    assert 2 == len(site.rows(REGIONS[0], "SELECT 1 FROM router WHERE state <> 'joined'"))


def test_a_worker_that_slept_through_an_exit_stores_nothing(site: Site, load: Load) -> None:
    """What it remembers of the router is from before; the ledger is asked inside its commit (K15)."""
    site.broker.start()
    collector = run(site, 2)
    with site.publisher() as router:
        load.join(router)
        asleep = pid_of(collector, 2)
        os.kill(asleep, signal.SIGSTOP)
        try:
            for _ in range(40):
                router.report(report("ZTEWRK000000", country=COUNTRY_OF[REGIONS[0]]))
            router.publish("ueip/v1/ZTEWRK000000/consent", consent("exit", country=COUNTRY_OF[REGIONS[0]]))
            router.settle()
            state = "SELECT state FROM router WHERE state <> 'joined'"
            wait_until(lambda: site.rows(REGIONS[0], state), what="the exit in the ledger")
        finally:
            os.kill(asleep, signal.SIGCONT)
        wait_until(lambda: collector.metrics().settled >= ROUTERS + 40, what="the outcomes")
    found = settled(collector)

    assert ROUTERS - 1 == len(load.stored())
    assert 20 <= found.dropped["withdrawn"]


def test_fewer_workers_deliver_what_waited_for_the_others(site: Site, load: Load) -> None:
    """At the broker and in their spools; then their sessions and folders are gone, and the one needs no supervisor."""
    site.configure(spool={"after_seconds": 1})
    site.broker.start()
    collector = run(site, 3)
    with site.publisher() as router:
        load.join(router)
        with site.locked("germany"):
            load.send(router, 300)
            router.settle()
            wait_until(lambda: collector.metrics().total("collector_spool_records") == 100, what="full spools")
            collector.stop()
        spools = sorted(path.name for path in site.spool("germany").iterdir() if path.is_dir())
        load.send(router, 300)
        acknowledged = router.settle()
        run(site, 1)
        load.wait_stored(acknowledged)
        wait_until(lambda: collector.said().count("worker_left") == 2, what="the end of the others")
        load.send(router, 60)
        acknowledged = router.settle()
        load.wait_stored(acknowledged)
    settled(collector)
    page = collector.get("/metrics")[1].decode()

    assert ["worker-2", "worker-3"] == spools
    assert 'collector_worker_ready{worker="1"} 1.0' in page
    assert 'collector_worker_ready{worker="2"}' not in page
    assert load.expected(acknowledged) == load.stored()
    assert [] == [path for region in REGIONS for path in site.spool(region).glob("worker-*")]
    wait_until(lambda: not list((site.folder / "keys").glob("*.workers")), what="the end of the roll")
    assert 0 == collector.stop()
    before = collector.said().count("supervisor_started")
    collector.start().wait_ready()
    assert before == collector.said().count("supervisor_started")


def test_a_collector_that_was_alone_shares_from_then_on(site: Site, load: Load) -> None:
    """Its session brings what waited, and does not go on getting every message beside the shares."""
    site.broker.start()
    collector = run(site, 1)
    with site.publisher() as router:
        load.join(router)
        collector.stop()
        load.send(router, 120)
        router.settle()
        run(site, 2)
        load.send(router, 300)
        acknowledged = router.settle()
        load.wait_stored(acknowledged)
    found = settled(collector)

    assert load.expected(acknowledged) == load.stored()
    assert 420 == found.received
    assert 0 == found.total("collector_broker_sessions_lost_total")


def test_a_worker_that_cannot_start_is_told_and_keeps_nobody_from_working(site: Site, load: Load) -> None:
    """It is tried again, and what waited for it is delivered once it can."""
    site.broker.start()
    collector = run(site, 2)
    key = site.folder / "keys" / "germany.key"
    with site.publisher() as router:
        load.join(router)
        hidden = key.rename(key.with_name("hidden"))
        os.kill(pid_of(collector, 2), signal.SIGKILL)
        parts = wait_until(
            lambda: found if "times in a row" in (found := collector.readyz()[1]).get("workers", "") else None,
            DRAINED,
            what="word of it",
        )
        load.send(router, 120)
        acknowledged = router.settle()
        wait_until(lambda: len(load.stored()) >= ROUTERS + 60, what="the share of the other")
        works = collector.metrics().by("collector_worker_ready", "worker")
        hidden.rename(key)
        load.wait_stored(acknowledged)
        ready(collector)

    assert parts["workers"].startswith("worker 2: ended with 2")
    assert {"1": 1} == works
    assert "worker 2: regions.germany.key_files" in collector.said()
    assert load.expected(acknowledged) == load.stored()
    assert "Traceback" not in collector.said()


def test_workers_end_with_their_supervisor_and_nothing_is_lost(site: Site, load: Load) -> None:
    """Killed, it cannot tell them; they see it."""
    site.broker.start()
    collector = run(site, 2)
    with site.publisher() as router:
        load.join(router)
        workers = [pid_of(collector, number) for number in (1, 2)]
        load.send(router, 600)
        collector.kill()
        acknowledged = router.settle()
        wait_until(lambda: not any(map(is_running, workers)), what="the end of the workers")
        run(site, 2)
        load.wait_stored(acknowledged)

    assert load.expected(acknowledged) == load.stored()


@pytest.mark.parametrize("section", ["http", "api"])
def test_a_port_in_use_is_told_before_any_worker_is_started(site: Site, section: str) -> None:
    """As without workers."""
    token = site.folder / "token"
    token.write_text("x" * 40)
    token.chmod(0o600)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        sections: dict[str, dict[str, Any]] = {"http": {"port": 0}, "api": {"enabled": True, "token_file": str(token)}}
        sections[section]["port"] = other.getsockname()[1]
        site.configure(**sections)
        done = site.ueip("run", "--workers", "2")

    assert 2 == done.returncode
    assert f"{section}: cannot listen on" in done.stderr
    assert "supervisor_started" not in done.stderr


def test_workers_0_delivers_what_waits_and_ends(site: Site, load: Load) -> None:
    """For a machine that is given up: its sessions are gone, and nothing waits for it any more."""
    site.broker.start()
    collector = run(site, 2)
    with site.publisher() as router:
        load.join(router)
        collector.stop()
        load.send(router, 200)
        acknowledged = router.settle()
        site.collector.options = ("--workers", "0")
        site.collector.start()
        code = site.collector.process.wait(DRAINED)

    assert 0 == code
    assert load.expected(acknowledged) == load.stored()
    assert 2 == collector.said().count("worker_left")
    assert [False, False] == [has_session(site, f"ueip-collector{name}") for name in ("-w2", "-w2-consent")]
    assert not list((site.folder / "keys").glob("*.workers"))


def test_an_act_by_the_api_is_taken_by_whichever_worker_is_there(site: Site, load: Load) -> None:
    """One address, that of the supervisor; also while a worker is away."""
    with_api(site)
    site.broker.start()
    collector = run(site, 2)
    with site.publisher() as router:
        load.join(router)
    asleep = pid_of(collector, 2)
    for number in range(0, 30, 3):
        if number == 15:
            os.kill(asleep, signal.SIGKILL)
        assert 200 == exit_by_api(collector, f"ZTEWRK{number:06}")

    assert 10 == len(site.rows(REGIONS[0], "SELECT 1 FROM router WHERE state <> 'joined'"))
    assert ROUTERS - 10 == len(load.stored())


def test_another_machine_joins_under_load_and_leaves(site: Site, load: Load) -> None:
    """It has a name and spools of its own, and the same group and stores; nothing waits for it when it has gone."""
    site.configure(broker={"share_group": "fleet"})
    elsewhere = site.config.with_name("elsewhere.toml")
    text = site.config.read_text().replace("[broker]", '[broker]\nclient_id = "elsewhere"')
    for region in REGIONS:
        text = text.replace(f"[regions.{region}]", f'[regions.{region}]\nspool = "elsewhere/{region}"')
    elsewhere.write_text(text)
    other = Collector(elsewhere, site.folder / "elsewhere.log")
    site.broker.start()
    collector = run(site, 1)
    try:
        with site.publisher() as router:
            load.join(router)
            other.options = ("--workers", "2")
            other.start()
            load.send(router, 1500)
            ready(other)
            load.send(router, 300)
            other.stop()
            load.send(router, 300)
            router.settle(DRAINED)
            shared = len(load.stored())
            other.options = ("--workers", "0")
            other.start()
            assert 0 == other.process.wait(DRAINED)
            load.send(router, 300)
            acknowledged = router.settle(DRAINED)
            load.wait_stored(acknowledged)
    finally:
        other.end()
    settled(collector)

    assert shared < ROUTERS + 2100, "what waited for the other was taken by somebody else"
    assert load.expected(acknowledged) == load.stored()
    assert "supervisor_started" not in collector.said()


def test_what_arrives_while_all_are_away_waits_for_them(site: Site, load: Load) -> None:
    """A stop is no leaving: each keeps its share."""
    site.broker.start()
    collector = run(site, 2)
    with site.publisher() as router:
        load.join(router)
        assert 0 == collector.stop()
        load.send(router, 200)
        acknowledged = router.settle()
    run(site, 2)
    load.wait_stored(acknowledged)

    assert load.expected(acknowledged) == load.stored()


def test_one_worker_alone_outlives_a_restart_of_the_broker(site: Site, load: Load) -> None:
    """How to restart a Mosquitto, which forgets shared subscriptions: back to one worker before, forward after it."""
    site.broker.start()
    collector = run(site, 2)
    with site.publisher() as router:
        load.join(router)
    collector.stop()
    run(site, 1)
    wait_until(lambda: "worker_left" in collector.said(), DRAINED, what="the end of the other")
    collector.stop()
    site.broker.stop()
    site.broker.start()
    with site.publisher() as router:
        load.send(router, 100)
        router.settle()
        run(site, 2)
        load.send(router, 100)
        router.settle()
    load.wait_stored(range(len(load.documents)))

    assert load.expected(range(len(load.documents))) == load.stored()
