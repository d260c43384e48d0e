"""`docs/reference/metrics.md`, made from what the collector declares."""

from collections.abc import Iterable
from enum import Enum
from typing import Final

from collector.consent.ledger import Result
from collector.errors import Cause, DataFault
from collector.exit_metrics import WAYS_IN
from collector.exposition import Declared
from collector.link_metrics import CONNECTION_STATES, LINK_NAMES, Loss
from collector.metrics import API_STATUSES, CLEARING_ANSWERS, DECLARED
from collector.model import Action, Region, Removal
from collector.reference.markdown import block, code, codes, page, table
from collector.worker_metrics import WORKER_DECLARED

_KINDS: Final = {
    "counter": "Only grows; starts at 0 with the process.",
    "gauge": "A value now.",
    "histogram": "Counts in buckets: `_bucket`, `_sum` and `_count`.",
}
_SUM: Final = """
sum(collector_messages_received_total)
  == sum(collector_records_stored_total) + sum(collector_messages_dropped_total) + sum(collector_messages_in_flight)
"""


def _values(members: Iterable[Enum]) -> str:
    return codes(member.value for member in members)


LABELS: Final = {
    "reason": "The drop reasons, see [drop-reasons.md](drop-reasons.md).",
    "region": _values(Region),
    "treatment": _values(Removal),
    "action": _values(Action),
    "result": _values(Result),
    "cause": _values(Cause),
    "link": codes(LINK_NAMES),
    "state": codes(CONNECTION_STATES),
    "loss": _values(Loss),
    "way": f"{codes(WAYS_IN)}: by the consent topic, a report or the API. Every worker hears what is on the topic.",
    "status": codes(API_STATUSES),
    "answer": codes(CLEARING_ANSWERS),
    "worker": "The numbers of the workers, from 1; only with `ueip run --workers`.",
}
"""The values of every label: bounded, and none of them names a router."""


def metrics_page(declared: Iterable[Declared] = (*DECLARED, *WORKER_DECLARED)) -> str:
    """The reference of metrics."""
    declared = tuple(declared)
    unknown = {label for metric in declared for label in metric.labels} - set(LABELS)
    if unknown:
        raise DataFault(
            f"collector/reference/metrics.py: label '{label}': found no list of its values, expected one in LABELS."
            for label in sorted(unknown)
        )
    rows = ((code(m.name), m.kind, codes(m.labels), m.help) for m in declared)
    return page(
        "Metrics",
        "`collector/*metrics.py`",
        "Served at `/metrics` for Prometheus. No label holds an identifier, a topic or a pseudonym.",
        table(("name", "kind", "labels", "meaning"), rows),
        "## Kinds",
        table(("kind", "meaning"), _KINDS.items()),
        "## Labels",
        table(("label", "values"), ((code(label), values) for label, values in LABELS.items())),
        "## What always holds",
        "Every report message is stored, dropped with one reason, or still in flight:",
        block("promql", _SUM),
        "With several workers, add `collector_messages_returned_total` on the right.",
    )
