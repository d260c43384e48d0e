"""What Prometheus sees: all that is declared, well named, bounded, and nothing about anybody."""

import asyncio
import re

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from records import HOUR, START, Receipt, leave, record, ref

from collector.config import WriterSettings
from collector.consent.ledger import Result
from collector.consent.standing import ClosedRouters
from collector.errors import Cause
from collector.exit_metrics import WAYS_IN
from collector.exposition import Declared
from collector.link_metrics import CONNECTION_STATES, LINK_NAMES, Loss
from collector.metrics import API_STATUSES, CLEARING_ANSWERS, DECLARED, Metrics
from collector.model import Action, DropReason, Region, Removal
from collector.stores.memory import MemoryStore
from collector.stores.plan import ConsentRules
from collector.stores.witnessing import WitnessState
from collector.stores.writer import Writer

BOUNDED: dict[str, set[str]] = {
    "reason": set(DropReason),
    "loss": set(Loss),
    "link": set(LINK_NAMES),
    "region": set(Region),
    "treatment": set(Removal),
    "action": set(Action),
    "result": set(Result),
    "cause": set(Cause),
    "state": set(CONNECTION_STATES),
    "status": {str(status) for status in API_STATUSES},
    "answer": set(CLEARING_ANSWERS),
    "way": set(WAYS_IN),
    "le": set(),
}
"""Every label there may be, and every value of it; `le` is Prometheus's own, for the bounds of buckets."""


def exposed(metrics: Metrics) -> dict[str, Metric]:
    """The page as Prometheus reads it, by the family names of the text format."""
    page = generate_latest(metrics.registry).decode()
    return {family.name: family for family in text_string_to_metric_families(page)}


def family_of(declared: Declared) -> str:
    """The name the parser gives a family."""
    return declared.name.removesuffix("_total")


def used() -> Metrics:
    """Metrics of which every number has been touched."""
    metrics = Metrics()
    metrics.received, metrics.in_flight, metrics.in_flight_bytes, metrics.paused = 4, 1, 1024, True
    metrics.links.connects["reports"], metrics.links.connection["reports"] = 2, "connected"
    metrics.links.lost["consent", Loss.WATCHDOG] = 3
    metrics.links.sessions_lost["consent"] = 4
    metrics.links.silent_seconds = lambda name: 2.5 if name == "reports" else 0.0
    metrics.dropped[DropReason.WITHDRAWN] = 2
    metrics.stored[Region.CHINA] = 1
    metrics.removed[Removal.LOCAL_ONLY] = 3
    metrics.consent[Region.GERMANY, Action.EXIT, Result.RECORDED] = 5
    metrics.consent_refused[DropReason.MALFORMED] = 6
    metrics.erased[Region.HONG_KONG] = 7
    metrics.store_failures[Region.CHINA] = 8
    metrics.store_up = {Region.GERMANY: True, Region.CHINA: False, Region.HONG_KONG: True}
    metrics.store_cause[Region.CHINA] = Cause.DISK_FULL
    metrics.witnesses[Region.GERMANY] = witnessed = WitnessState()
    witnessed.ledger, witnessed.kept = 11, 9
    metrics.oldest_seconds = lambda: 9.5
    metrics.clock_behind = lambda: 12.5
    metrics.commit_seconds.labels(Region.GERMANY).observe(0.003)
    metrics.batch_rows.labels(Region.GERMANY).observe(40)
    return metrics


@pytest.mark.parametrize("declared", DECLARED, ids=lambda declared: declared.name)
def test_what_is_declared_is_exposed(declared: Declared) -> None:
    """With its kind, its meaning, and exactly its labels on every series."""
    family = exposed(used())[family_of(declared)]
    labels = [set(sample.labels) - {"le"} for sample in family.samples if not sample.name.endswith("_created")]

    assert (declared.kind, declared.help) == (family.type, family.documentation)
    assert labels
    assert all(set(declared.labels) == found for found in labels)


def test_nothing_is_exposed_that_is_not_declared() -> None:
    """Beside the times of creation that the library adds to histograms."""
    families = {name for name in exposed(used()) if not name.endswith("_created")}

    assert {family_of(declared) for declared in DECLARED} == families


def test_the_numbers_are_those_counted() -> None:
    """Each in its place, by its labels."""
    families = exposed(used())
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families.values()
        for sample in family.samples
        if sample.value and "_bucket" not in sample.name and not sample.name.endswith("_created")
    }

    assert values == {
        ("collector_messages_received_total",): 4,
        ("collector_messages_dropped_total", "withdrawn"): 2,
        ("collector_records_stored_total", "china"): 1,
        ("collector_messages_in_flight",): 1,
        ("collector_in_flight_bytes",): 1024,
        ("collector_reading_paused",): 1,
        ("collector_fields_removed_total", "local_only"): 3,
        ("collector_consent_events_total", "exit", "germany", "recorded"): 5,
        ("collector_consent_messages_refused_total", "malformed"): 6,
        ("collector_records_erased_total", "hong_kong"): 7,
        ("collector_store_failures_total", "china"): 8,
        ("collector_store_up", "germany"): 1,
        ("collector_store_up", "hong_kong"): 1,
        ("collector_ledger_entries", "germany"): 11,
        ("collector_witness_lag_entries", "germany"): 2,
        ("collector_store_closed", "china", "disk full"): 1,
        ("collector_broker_connection", "connected", "reports"): 1,
        ("collector_broker_connection", "consent", "stopped"): 1,
        ("collector_broker_connects_total", "reports"): 2,
        ("collector_broker_connections_lost_total", "consent", "watchdog"): 3,
        ("collector_broker_sessions_lost_total", "consent"): 4,
        ("collector_broker_silence_seconds", "reports"): 2.5,
        ("collector_oldest_unacknowledged_seconds",): 9.5,
        ("collector_clock_behind_seconds",): 12.5,
        ("collector_store_commit_seconds_count", "germany"): 1,
        ("collector_store_commit_seconds_sum", "germany"): 0.003,
        ("collector_store_batch_rows_count", "germany"): 1,
        ("collector_store_batch_rows_sum", "germany"): 40,
    }


def test_the_sum_can_be_asked_of_prometheus() -> None:
    """`received - dropped - stored - in flight` is 0 with the names as they are exposed (D21)."""
    families = exposed(used())

    def total(name: str) -> float:
        return sum(sample.value for sample in families[name].samples)

    parts = ("collector_messages_dropped", "collector_records_stored", "collector_messages_in_flight")
    assert total("collector_messages_received") == sum(map(total, parts))


def test_every_reason_and_region_is_there_from_the_start() -> None:
    """A count that appears with its first event hides that event from `rate`."""
    families = exposed(Metrics())

    assert set(DropReason) == {s.labels["reason"] for s in families["collector_messages_dropped"].samples}
    assert set(Removal) == {s.labels["treatment"] for s in families["collector_fields_removed"].samples}
    for name in ("collector_records_stored", "collector_store_up", "collector_store_failures"):
        assert set(Region) == {s.labels["region"] for s in families[name].samples}


def test_only_the_regions_served_here_are_exposed() -> None:
    """The others have no store whose state could be told."""
    families = exposed(Metrics((Region.CHINA,)))

    for name in ("collector_records_stored", "collector_store_up", "collector_records_erased"):
        assert ["china"] == [s.labels["region"] for s in families[name].samples]


@pytest.mark.parametrize("declared", DECLARED, ids=lambda declared: declared.name)
def test_names_follow_the_rules_of_prometheus(declared: Declared) -> None:
    """What `promtool check metrics` asks for: charset, suffixes, base units, a sentence of help."""
    words = declared.name.split("_")

    assert re.fullmatch(r"collector(_[a-z]+)+", declared.name)
    assert (declared.kind == "counter") == declared.name.endswith("_total")
    assert words[-1] not in {"count", "sum", "bucket", "info", "created"}
    assert not {"milliseconds", "ms", "minutes", "hours", "kilobytes", "megabytes", "kb", "mb", "percent"} & set(words)
    assert not {"counter", "gauge", "histogram", "metric"} & set(words)
    assert not set(declared.labels) & set(words)
    assert declared.help.endswith(".")
    assert all(re.fullmatch(r"[a-z]+", label) and label != "le" for label in declared.labels)


def test_every_metric_is_declared_once() -> None:
    """Names and helps are unique."""
    assert len(DECLARED) == len({declared.name for declared in DECLARED})
    assert len(DECLARED) == len({declared.help for declared in DECLARED})


def test_labels_are_bounded_enums() -> None:
    """No identifier, topic or pseudonym can be in one (F10, D25)."""
    for family in exposed(used()).values():
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert label in BOUNDED
                assert label == "le" or value in BOUNDED[label]


def series(metrics: Metrics) -> set[tuple[str, ...]]:
    """Every series: name and labels."""
    return {
        (sample.name, *(f"{label}={value}" for label, value in sorted(sample.labels.items())))
        for family in exposed(metrics).values()
        for sample in family.samples
    }


def test_a_thousand_routers_make_no_series() -> None:
    """The page is as long after the thousandth router as after the first, and names none of them (lesson 24)."""

    async def write() -> tuple[set[tuple[str, ...]], set[tuple[str, ...]], str]:
        metrics = Metrics()
        store = MemoryStore(Region.GERMANY, ConsentRules())
        writer = Writer(store, WriterSettings(), metrics, ClosedRouters())

        async def send(name: str) -> None:
            metrics.received += 2
            metrics.in_flight += 2
            for number in (1, 1):
                writer.submit(record(name, number, stripped=((Removal.UNKNOWN, 1),)), Receipt(), 10)
            await writer.step()
            writer.submit_event(leave(name, at=START + HOUR), Receipt())
            await writer.step()

        await send("r0")
        before = series(metrics)
        for number in range(1, 1000):
            await send(f"r{number}")
        return before, series(metrics), generate_latest(metrics.registry).decode()

    before, after, page = asyncio.run(write())

    assert before == after
    assert len(after) < 320
    assert "r999" not in page
    assert ref("router", "key-1", "r999").hex() not in page
