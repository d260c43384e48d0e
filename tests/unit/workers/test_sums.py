"""The numbers of several workers as one collector's."""

from collections import Counter

from collector.metrics import Metrics
from collector.model import DropReason, Region
from collector.workers.status import Status, status
from collector.workers.sums import Sums


def said(received: int = 0, stored: int = 0, in_flight: int = 0, *, up: bool = True, seconds: float = 0.0) -> Status:
    """What a worker says that has counted so much."""
    metrics = Metrics((Region.GERMANY,))
    metrics.received, metrics.in_flight = received, in_flight
    metrics.stored[Region.GERMANY] = stored
    metrics.dropped[DropReason.DUPLICATE] = received - stored - in_flight
    metrics.store_up[Region.GERMANY] = up
    metrics.oldest_seconds = lambda: seconds
    metrics.commit_seconds.labels(Region.GERMANY).observe(0.002)
    return status({}, metrics.registry.collect())


def shown(sums: Sums, *statuses: Status) -> dict[str, float]:
    """The sums of the samples, by their names."""
    found: dict[str, float] = {}
    for family in sums.families(statuses):
        for count in family.counts:
            if count.value:
                found[count.name] = found.get(count.name, 0) + count.value
    return found


def test_counts_are_added_up_and_of_a_state_the_worst_is_shown() -> None:
    """A store that one worker cannot reach is not up; the oldest message is the oldest of all."""
    found = shown(Sums(), said(10, 7, 2, seconds=3.0), said(5, 5, up=False, seconds=8.0))

    assert 15 == found["collector_messages_received_total"]
    assert 12 == found["collector_records_stored_total"]
    assert 2 == found["collector_messages_in_flight"]
    assert 8.0 == found["collector_oldest_unacknowledged_seconds"]
    assert "collector_store_up" not in found
    assert 2 == found["collector_store_commit_seconds_count"]


def test_what_a_worker_counted_outlives_it_and_what_it_had_comes_again() -> None:
    """No count falls when a worker dies; its states and what it had in flight are gone."""
    sums = Sums()
    sums.end(2, said(10, 7, 2, seconds=3.0))
    sums.end(2, said(4, 1, 3))
    found = shown(sums, said(6, 6))

    assert 20 == found["collector_messages_received_total"]
    assert 14 == found["collector_records_stored_total"]
    assert 5 == sums.returned
    assert "collector_messages_in_flight" not in found
    assert "collector_oldest_unacknowledged_seconds" not in found
    assert 20 == 14 + found["collector_messages_dropped_total"] + sums.returned
    assert (14, 6) == (sums.received(2, None), sums.received(1, said(6, 6)))


def test_an_act_that_every_worker_hears_of_waits_once() -> None:
    """One by the topic waits in each worker until that has read it or died; one by another way waits in one."""
    found = shown_waiting(waits(topic=2, api=1), waits(topic=1, report=1), waits(api=1), waits())

    assert {"topic": 2, "api": 2, "report": 1} == found


def test_an_act_that_waits_does_not_vanish_with_a_worker() -> None:
    """The others have it as well, and its age."""
    sums = Sums()
    sums.end(1, waits(topic=1))

    assert {"topic": 1} == shown_waiting(waits(topic=1), sums=sums)


def waits(**ways: int) -> Status:
    """What a worker says in which so many acts wait."""
    metrics = Metrics((Region.GERMANY,))
    metrics.exits.waiting[Region.GERMANY] = lambda: (Counter(ways), 1.0)  # type: ignore[arg-type]
    return status({}, metrics.registry.collect())


def shown_waiting(*statuses: Status, sums: Sums | None = None) -> dict[str, float]:
    """How many acts wait, by the way they came."""
    families = (sums or Sums()).families(statuses)
    counts = [count for family in families if family.name == "collector_exits_waiting" for count in family.counts]
    return {dict(count.labels)["way"]: count.value for count in counts if count.value}


def test_every_family_is_shown_once() -> None:
    """Prometheus refuses a page on which one comes twice."""
    sums = Sums()
    sums.end(1, said(1, 1))
    names = [family.name for family in sums.families([said(1, 1), said(1, 1)])]

    assert len(set(names)) == len(names)
