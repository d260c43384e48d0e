"""The metrics about workers, beside the sums of what they count; by the worker's number where it matters."""

from typing import Final

from collector.exposition import Declared

WORKER_UP: Final = Declared("collector_worker_up", "gauge", "1 while the worker's process runs.", ("worker",))
WORKER_READY: Final = Declared(
    "collector_worker_ready", "gauge", "1 while the worker runs and every part of it is ready.", ("worker",)
)
WORKER_STARTS: Final = Declared(
    "collector_worker_starts_total", "counter", "Times that the worker's process was started.", ("worker",)
)
WORKER_RECEIVED: Final = Declared(
    "collector_worker_messages_received_total",
    "counter",
    "Report messages received by the worker, redeliveries included, and those found in its spool at a start.",
    ("worker",),
)
RETURNED: Final = Declared(
    "collector_messages_returned_total",
    "counter",
    "Report messages that a worker had in flight when it ended. They come again and are received a second time.",
)

WORKER_DECLARED: Final = (WORKER_UP, WORKER_READY, WORKER_STARTS, WORKER_RECEIVED, RETURNED)
"""Shown only if there are several workers."""
