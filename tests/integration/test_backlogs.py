"""What routers send after an outage, through the real broker: old samples, out of order, some of them twice.

ZTE's flat maps, ubus answers, and collectd's values. What was measured before the join is dropped, what came twice
counts once, and what waited is stored as what it was when it was measured.
"""

import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from .harness import Samples, Site, environment, wait_until
from .test_sources import DIGEST, ROUTER

Sent = Callable[[int, int], Iterator[tuple[str, bytes]]]
"""The messages of one minute."""
MINUTES: Final = 40
"""How long the outage was."""
ZTE: Final = 'topic = "zte/+/status"\nformat = "{}"\nflag = "ledger"'
COLLECTD: Final = 'topic = "collectd/+/#"\nformat = "collectd"'


def goform(at: int, minute: int) -> Iterator[tuple[str, bytes]]:
    """A flat map."""
    state = "ppp_connected" if minute % 10 else "ppp_disconnected"
    said = {"timestamp": str(at), "lte_rsrp": str(-80 - minute), "ppp_status": state}
    yield f"zte/{ROUTER}/status", json.dumps(said).encode()


def ubus(at: int, minute: int) -> Iterator[tuple[str, bytes]]:
    """The same below the names of calls."""
    state = "ipv4_connected" if minute % 10 else "disconnected"
    said = {"time": at * 1000, "nwinfo": {"lte_rsrp": -80 - minute}, "wwan": {"connect_status": state}}
    yield f"zte/{ROUTER}/status", json.dumps(said).encode()


def collectd(at: int, minute: int) -> Iterator[tuple[str, bytes]]:
    """The values of one minute, each alone."""
    yield f"collectd/{ROUTER}/iwinfo-phy0-ap0/stations", f"{at}.100:{minute}\0".encode()
    yield f"collectd/{ROUTER}/iwinfo-phy1-ap0/stations", f"{at}.200:3\0".encode()
    yield f"collectd/{ROUTER}/ping/ping_droprate-192.0.2.1", f"{at}.300:{int(not minute % 10)}\0".encode()
    yield f"collectd/{ROUTER}/uptime/uptime", f"{at}.400:{90_000 + minute * 60}\0".encode()


def of_zte(minute: int) -> dict[str, Any]:
    """What the record of a minute says."""
    state = "connected" if minute % 10 else "disconnected"
    return {"network": {"wan_connection_state": state}, "signal": {"rsrp_dbm": -80 - minute}}


def of_collectd(minute: int) -> dict[str, Any]:
    """The same of values that came one by one."""
    return {
        "network": {"wan_connection_state": "connected" if minute % 10 else "disconnected"},
        "router": {"uptime_seconds": 90_000 + minute * 60},
        "wifi": {"wifi_station_count": minute + 3},
    }


def joined_two_hours_ago(site: Site) -> None:
    """The owner joins by the rights desk, whose machine shows what it was then."""
    words = [
        "consent", "join", ROUTER, "--country", "DE", "--policy-version", "2020-03-14", "--language", "en",
        "--policy-digest", DIGEST, "--storage-region", "germany", "--adult-or-guardian", "adult",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", EARLIER, *words], cwd=site.folder, env=environment(),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


EARLIER: Final = (
    "import time; now = time.time; time.time = lambda: now() - 7200; from collector.cli import ueip; ueip()"
)


@pytest.mark.parametrize(
    ("source", "sent", "says", "each"),
    [
        (ZTE.format("goform"), goform, of_zte, 1),
        (ZTE.format("ubus"), ubus, of_zte, 1),
        (COLLECTD, collectd, of_collectd, 4),
    ],
    ids=["goform", "ubus", "collectd"],
)
@pytest.mark.parametrize("protocol", [MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311], ids=["5", "3.1.1"])
def test_a_backlog_is_stored_as_what_it_was(
    site: Site, protocol: MQTTProtocolVersion, source: str, sent: Sent, says: Callable[[int], dict[str, Any]], each: int
) -> None:
    """Within minutes out of order, some of it twice: a record a minute, each whole, none from before the join."""
    site.configure(consent={"mode": "registered"})
    lines = f'\n[[sources]]\nname = "homes"\nrouter_level = 2\ncountry = "DE"\n{source}\n'
    site.config.write_text(site.config.read_text() + lines)
    joined_two_hours_ago(site)
    collector = site.start()
    began = (int(time.time()) // 60 - MINUTES - 5) * 60
    backlog = [one for minute in range(MINUTES) for one in sent(began + minute * 60, minute)]
    again = [(topic, payload) for topic, payload in backlog[::3]]
    early = [one for minute in range(5) for one in sent(began - 3 * 3600 + minute * 60, minute)]
    chance = random.Random(4)
    messages = [*early, *backlog, *again]
    place = {id(one): number + chance.uniform(0, 4 * each) for number, one in enumerate(messages)}
    messages.sort(key=lambda one: place[id(one)])
    with site.publisher(protocol=protocol) as router:
        for topic, payload in messages:
            router.publish(topic, payload)
        router.settle()
        found = collector.wait_settled(len(messages))

    twice = {} if each > 1 else {"duplicate": len(again)}
    assert {"before_consent": len(early), **twice} == found.dropped
    assert found.adds_up()
    bodies = [{group: said for group, said in body.items() if group != "events"} for body in site.bodies("germany")]
    assert sorted(map(json.dumps, map(says, range(MINUTES)))) == sorted(json.dumps(ordered(body)) for body in bodies)


def ordered(body: dict[str, Any]) -> dict[str, Any]:
    """Groups and fields in the order of their names."""
    return {group: dict(sorted(body[group].items())) for group in sorted(body)}


@pytest.mark.parametrize(
    ("source", "sent", "each"),
    [(ZTE.format("goform"), goform, 1), (ZTE.format("ubus"), ubus, 1), (COLLECTD, collectd, 4)],
    ids=["goform", "ubus", "collectd"],
)
def test_a_backlog_in_its_order_tells_of_the_disconnects_in_it(site: Site, source: str, sent: Sent, each: int) -> None:
    """Three of them, each dated by its own sample; the same backlog once more tells of none."""
    site.configure(consent={"mode": "registered"})
    lines = f'\n[[sources]]\nname = "homes"\nrouter_level = 2\ncountry = "DE"\n{source}\n'
    site.config.write_text(site.config.read_text() + lines)
    joined_two_hours_ago(site)
    collector = site.start()
    began = (int(time.time()) // 60 - MINUTES - 5) * 60
    backlog = [one for minute in range(MINUTES) for one in sent(began + minute * 60, minute)]
    with site.publisher() as router:
        for topic, payload in [*backlog, *backlog]:
            router.publish(topic, payload)
        router.settle()
        collector.wait_settled(2 * len(backlog))

    told = sorted(event["time"] for body in site.bodies("germany") for event in body.get("events", ()))
    at = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began + minute * 60)) for minute in (10, 20, 30)]
    assert at == told
    assert site.count("germany") == MINUTES


def done(found: Samples, count: int) -> Samples | None:
    """The samples, once so many messages have their outcome and none is on its way."""
    return found if found.settled >= count and not found.in_flight else None


def test_values_that_waited_in_the_spool_make_the_records_they_would_have_made(site: Site) -> None:
    """Parts of a sample from several topics: some stored before the lock, some spooled, some sent while it drains."""
    site.configure(consent={"mode": "registered"}, spool={"after_seconds": 0.2})
    lines = f'\n[[sources]]\nname = "homes"\nrouter_level = 2\ncountry = "DE"\n{COLLECTD}\n'
    site.config.write_text(site.config.read_text() + lines)
    joined_two_hours_ago(site)
    collector = site.start()
    began = (int(time.time()) // 60 - MINUTES - 5) * 60
    backlog = [one for minute in range(MINUTES) for one in collectd(began + minute * 60, minute)]
    cuts = [0, len(backlog) // 3 + 2, 2 * len(backlog) // 3 + 1, len(backlog)]
    before, meanwhile, after = (backlog[start:end] for start, end in itertools.pairwise(cuts))
    with site.publisher() as router:
        for topic, payload in before:
            router.publish(topic, payload)
        collector.wait_settled(len(before))
        with site.locked("germany"):
            for topic, payload in meanwhile:
                router.publish(topic, payload)
            spooled = "collector_spool_records"
            wait_until(lambda: collector.metrics().total(spooled) >= len(meanwhile) // 2, what="values in the spool")
        for topic, payload in after:
            router.publish(topic, payload)
        router.settle()
        found = wait_until(lambda: done(collector.metrics(), len(backlog)), what="an outcome for everything")

    # A value that was left with the broker comes again, and joins its record again: that is no duplicate.
    assert {} == found.dropped
    assert found.adds_up()
    bodies = [{group: said for group, said in body.items() if group != "events"} for body in site.bodies("germany")]
    assert sorted(map(json.dumps, map(of_collectd, range(MINUTES)))) == sorted(json.dumps(ordered(b)) for b in bodies)
