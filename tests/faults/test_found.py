"""What rounds of random faults have found, once more without chance."""

import contextlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.harness import wait_until
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from .fleet import Fleet
from .oracle import Act, Answer, BrokerKill, Kind, Oracle, Router
from .place import Place
from .proxy import Proxy
from .publishing import Listening
from .round import installation

ROUTER = Router("ZTEFA00000N00", "hong_kong", consents=True)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place of the test's own, running."""
    shutil.copytree(installation(), tmp_path / "site")
    made = Place(tmp_path / "site", 0, registered=False)
    made.start()
    yield made
    made.close()


@pytest.fixture
def fleet(place: Place) -> Iterator[Fleet]:
    """Somebody who publishes."""
    oracle = Oracle([ROUTER])
    with Listening(place.broker.port, oracle) as publisher:
        yield Fleet(place, oracle, publisher, 0, registered=False)


def acts(place: Place) -> list[str]:
    """The ledger's acts, in order."""
    rows = place.rows(ROUTER.region, "SELECT json_extract(entry, '$.action') FROM ledger ORDER BY seq")
    return [row[0] for row in rows]


def test_reports_behind_a_join_that_waits_for_its_store_are_kept(place: Place, fleet: Fleet) -> None:
    """The exit remembered from before must not drop what comes after the join: the ledger decides (K15, D20)."""
    fleet.report(ROUTER, Kind.FLAGGED)
    wait_until(lambda: acts(place) == ["join"], what="the join")  # reports and events come by connections of their own
    fleet.event(ROUTER, Kind.EXIT)
    wait_until(lambda: acts(place) == ["join", "exit"], what="the exit")
    time.sleep(1.1)  # a join within the second after an exit is none
    with contextlib.closing(sqlite3.connect(place.store(ROUTER.region), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        fleet.join(ROUTER, retain=False)
        time.sleep(0.5)  # so that the reports are measured after the join was received
        for _ in range(3):
            fleet.report(ROUTER, Kind.FLAGGED)
        wait_until(lambda: place.collector.metrics().received >= 4, what="the reports")
        other.execute("ROLLBACK")
    wait_until(lambda: not place.collector.metrics().in_flight and len(acts(place)) == 3, what="the commit")

    assert (["join", "exit", "join"], 3) == (acts(place), place.count(ROUTER.region))


def test_a_refusing_report_delivered_again_does_not_undo_the_join_after_it(place: Place, fleet: Fleet) -> None:
    """Exit by report, join, then a crash or a cut before the acknowledgement: both come again (K09)."""
    fleet.report(ROUTER, Kind.FLAGGED)
    refusal = fleet.report(ROUTER, Kind.REFUSING)
    wait_until(lambda: acts(place) == ["join", "exit"], what="the exit")
    time.sleep(1.1)  # a join within the second after an exit is none
    fleet.join(ROUTER, retain=False)
    fleet.repeat(refusal)
    wait_until(lambda: place.collector.metrics().received >= 3, what="the repetition")
    time.sleep(0.3)

    assert ["join", "exit", "join"] == acts(place)


def test_an_exit_delivered_again_drops_nothing_of_a_router_that_joined_since(place: Place, fleet: Fleet) -> None:
    """As a retained exit is at every connect, and any exit after a cut; the join after it stands (D4, D20)."""
    fleet.report(ROUTER, Kind.FLAGGED)
    wait_until(lambda: acts(place) == ["join"], what="the join")
    left = fleet.event(ROUTER, Kind.EXIT)
    wait_until(lambda: acts(place) == ["join", "exit"], what="the exit")
    time.sleep(1.1)  # a join within the second after an exit is none
    fleet.join(ROUTER, retain=False)
    wait_until(lambda: acts(place) == ["join", "exit", "join"], what="the join")
    time.sleep(1.1)  # reports say their time to the second; one of the join's own second may be from before it
    with contextlib.closing(sqlite3.connect(place.store(ROUTER.region), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            fleet.report(ROUTER, Kind.FLAGGED)
        fleet.repeat(left)
        wait_until(lambda: place.collector.metrics().received >= 4, what="the reports")
        time.sleep(0.3)
        other.execute("ROLLBACK")
    wait_until(lambda: not place.collector.metrics().in_flight, what="the commit")

    assert (["join", "exit", "join"], 3) == (acts(place), place.count(ROUTER.region))


def test_what_waited_for_the_broker_goes_out_before_what_is_published_while_it_comes_back(place: Place) -> None:
    """The first report of a router, sent to a broker that is away, must not be overtaken: the router joins by it."""
    oracle, proxy = Oracle([ROUTER]), Proxy(place.broker.port)
    with contextlib.closing(proxy), Listening(proxy.port, oracle) as publisher:
        fleet = Fleet(place, oracle, publisher, 0, registered=False)
        place.broker.stop()
        wait_until(lambda: publisher.disconnections, what="the end of the connection")
        first = fleet.report(ROUTER, Kind.FLAGGED)
        proxy.stall()
        place.broker.start()
        wait_until(lambda: proxy.connections == 2, what="the next connection, which is not answered yet")
        second = threading.Thread(target=fleet.report, args=(ROUTER, Kind.FLAGGED))
        second.start()
        second.join(0.5)
        proxy.flow()
        second.join()
        publisher.settle()
        wait_until(lambda: place.collector.metrics().received == 2, what="both reports")
        wait_until(lambda: not place.collector.metrics().in_flight, what="the commit")

        assert publisher.kept_order
    begins = place.rows(ROUTER.region, "SELECT json_extract(entry, '$.effective_at') FROM ledger")
    assert ([(first.time,)], 2) == (begins, place.count(ROUTER.region))


def test_an_answer_that_is_heard_late_is_of_the_broker_that_was_killed() -> None:
    """On a busy machine the next one has begun by then, and what the first had not saved would be taken for lost."""
    oracle = Oracle([ROUTER])
    oracle.kills = [BrokerKill(saved=10, killed=10.5, restarted=11)]
    reason = ReasonCode(PacketTypes.PUBACK, "Success")
    oracle.answered(1, Answer(connected=1, heard=9, reason=reason))
    oracle.answered(2, Answer(connected=1, heard=11.2, reason=reason))
    oracle.answered(3, Answer(connected=11.5, heard=11.6, reason=reason))
    acts = [Act(0, Kind.FLAGGED, ROUTER.serial, ROUTER.region, "", 0, 0, mids=[mid]) for mid in (1, 2, 3)]

    assert [True, False, True] == [oracle.certain(act) for act in acts]
