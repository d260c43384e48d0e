"""A flood of many times what the stores take: memory stays bounded, and nothing that was acknowledged is lost (D22).

The stores are real and slow: commits are small, and another program lets each store have two a second, 150 rows in all.
What is published within a second or two is more than they take in a minute. Messages are small and large, at QoS 1,
where the window bounds what the broker sends, and at QoS 0, where nothing does but reading no more.
"""

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from .harness import COUNTRY_OF, REGIONS, Publisher, Samples, Site, now_text, report, wait_until

MOST_MIB: Final = 300
GROWTH_MIB: Final = 100
"""What the flood may add. About 65, and 140 without a bound; a flood that adds 300 without would take minutes."""
SMALL: Final = 2_000
"""At QoS 1."""
LARGE: Final = 5_500
"""Of some 40 KB, all of which is stored; one in eight at QoS 1."""
_EVENTS: Final = 100


@contextlib.contextmanager
def slowed(site: Site) -> Iterator[None]:
    """Let each store be written twice a second, for a moment."""
    over = threading.Event()

    def hold() -> None:
        with contextlib.ExitStack() as stack:
            opened = [sqlite3.connect(site.store(r), isolation_level=None, timeout=60) for r in REGIONS]
            stores = [stack.enter_context(contextlib.closing(store)) for store in opened]
            while not over.is_set():
                for store in stores:
                    store.execute("BEGIN IMMEDIATE")
                over.wait(0.45)
                for store in stores:
                    store.execute("ROLLBACK")
                time.sleep(0.05)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        yield
    finally:
        over.set()
        holder.join()


def large(number: int) -> str:
    """A report of a router that lost its connection a hundred times."""
    return _LARGE.replace("NUMBER", f"{number:06}")


def _made() -> str:
    snapshot = {
        "network": {"rat": "nr_nsa", "wan_connection_state": "disconnected", "wan_uptime_seconds": 86_531},
        "signal": {"rsrp_dbm": -121, "rsrq_db": -18.5, "sinr_db": -4},
        "usage": {"uplink_bytes_per_second": 1_000_000, "downlink_bytes_per_second": 10_000_000},
    }
    event: dict[str, Any] = {
        "event": "wan_unexpected_disconnect",
        "time": now_text(),
        "disconnect_cause": "radio_link_failure",
        "nas_cause_code": 0,
        "disconnect_snapshot": snapshot,
    }
    return json.dumps(report("ZTELNUMBER", message_id="large-NUMBER", events=[event] * _EVENTS))


_LARGE: Final = _made()


def flood(site: Site, router: Publisher) -> dict[str, set[bytes]]:
    """Publish it all, large and small mixed; by region the ids of what must be stored: everything at QoS 1."""
    certain: dict[str, set[bytes]] = {region: set() for region in REGIONS}
    for number in range(LARGE):
        name, qos = f"ZTEL{number:06}", int(number % 8 == 0)
        router.publish(f"ueip/v1/{name}/report", large(number), qos=qos)
        if qos:
            certain["germany"].add(site.expected_id("germany", name, f"large-{number:06}"))
        if number < SMALL:
            region = REGIONS[number % 3]
            document = report(f"ZTES{number:06}", country=COUNTRY_OF[region])
            router.report(document)
            certain[region].add(site.expected_id(region, f"ZTES{number:06}", document["message_id"]))
    return certain


def test_a_flood_leaves_memory_bounded(site: Site) -> None:
    """The peak of the process has a bound; every message at QoS 1 is stored once, however long it had to wait."""
    # No spool: slow is not away, and what is spooled is no load on memory.
    site.configure(writer={"max_batch_rows": 25}, spool={"after_seconds": 60})
    collector = site.start()
    idle = collector.memory_peak_mib()
    with site.publisher() as router:
        with slowed(site):
            certain = flood(site, router)
            router.settle()
            wait_until(lambda: full(collector.metrics()), 120, what="full memory, or the last message")
            time.sleep(3)  # of more than it can take
            during = collector.metrics()
        wait_until(lambda: stored(site, certain), 120, what="the last of QoS 1")
    collector.wait_ready()
    found = collector.metrics()

    assert collector.memory_peak_mib() - idle < GROWTH_MIB
    assert collector.memory_peak_mib() < MOST_MIB
    assert during.adds_up()
    assert found.adds_up()
    assert found.dropped.keys() <= {"duplicate"}
    assert all(len(ids) == len(set(ids)) for ids in map(site.record_ids, REGIONS))


def full(found: Samples) -> bool:
    """Whether it reads no more, or has read everything."""
    return bool(found.total("collector_reading_paused")) or found.received >= SMALL + LARGE


def stored(site: Site, certain: dict[str, set[bytes]]) -> bool:
    """Whether all that was acknowledged to the routers is stored, in its region."""
    return all(certain[region] <= set(site.record_ids(region)) for region in REGIONS)
