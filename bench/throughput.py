"""Measures a whole installation: broker, collector and stores on this machine, under the load of a fleet.

    python bench/throughput.py --rate 25000          can it hold this rate, and how late are records?
    python bench/throughput.py --saturate            how much goes through?

Every message is accounted for; a run in which one is lost, stored twice or not explained exits with 1.
"""

import argparse
import json
import math
import os
import sys
import tempfile
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any, Final, Literal

import profiling
from collecting import Collecting
from counted import DroppedOnly, PostgresStores
from installation import Collector, peak_mebibytes
from load import CONNECTIONS, Load, Measured, Run
from postgres import Server
from rich.console import Console
from rich.table import Table
from verdict import Verdict, verify
from watch import SQLiteStores, Stores

from collector.broker import LocalBroker

_BEHIND_SECONDS: Final = 0.25
"""A rate is held if all is committed so soon after the last message was due; what is behind has piled up."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What is measured: which stores, how many workers, and settings that differ from those shipped."""

    store: Literal["sqlite", "postgresql"] = "sqlite"
    workers: int = 1
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    profile: Path | None = None
    """Where stacks are to be written, sampled while the load is on."""


def measure(load: Load, installation: Installation, folder: Path) -> dict[str, Any]:
    """Run one load on a fresh installation in *folder*; the figures, flat."""
    (folder / "broker").mkdir()
    others = os.getloadavg()[0]
    with ExitStack() as stack:
        broker = stack.enter_context(LocalBroker(folder / "broker"))
        changes, server = installation.changes, None
        if installation.store == "postgresql":
            server = stack.enter_context(Server(folder))
            server.make_stores()
            changes = {**changes, **server.changes(folder / "spools")}
        collector = Collector(folder / "ueip", broker.port, changes, workers=installation.workers)
        stack.enter_context(collector)
        subject = Collecting(collector, _stores(collector, server, load), broker.port, load, server)
        stack.callback(subject.stores.close)
        run = Run(subject, broker.port, load)
        if not run.warm_up():
            sys.exit(f"the collector does not store: {collector.last_words()}")
        with profiling.profiled(collector.pid, installation.profile) if installation.profile else nullcontext():
            measured = run.measure()
        memory = peak_mebibytes(collector.pid)
        verdict = verify(subject, run.publisher.published, load)
        run.publisher.end()
    return {"load_average_before": round(others, 2), **_figures(load, measured, verdict, memory)}


def _stores(collector: Collector, server: Server | None, load: Load) -> Stores:
    if not load.flagged:
        return DroppedOnly(collector)
    if server is not None:
        return PostgresStores(collector, server, flooded=load.rate is None)
    return SQLiteStores(collector.settings)


def _figures(load: Load, measured: Measured, verdict: Verdict, memory: float) -> dict[str, Any]:
    latencies = [1000 * seconds for seconds in measured.latencies] or [math.nan, math.nan]
    cuts = quantiles(latencies, n=100, method="inclusive")
    per_message = {name: round(1e6 * seconds / measured.messages, 2) for name, seconds in measured.cpu.items()}
    sustained = measured.messages / measured.seconds
    return {
        "offered_per_second": load.rate,
        "published_per_second": round(measured.messages / measured.publishing_seconds),
        "sustained_per_second": round(sustained),
        "held": None if load.rate is None else measured.seconds - load.seconds <= _BEHIND_SECONDS,
        "routers": load.routers,
        "connections": load.connections,
        "seconds": round(measured.seconds, 2),
        "messages": measured.messages,
        "latency_p50_ms": round(cuts[49], 1),
        "latency_p99_ms": round(cuts[98], 1),
        "latency_max_ms": round(max(latencies), 1),
        "probes": len(measured.latencies),
        "cpu_us_per_message": per_message,
        "collector_rss_peak_mib": round(memory),
        **asdict(verdict),
        "faults": verdict.faults,
    }


def show(figures: dict[str, Any]) -> None:
    """One table for people."""
    cpu, dropped = figures["cpu_us_per_message"], figures["dropped"]
    offered = figures["offered_per_second"]
    table = Table(title=f"{figures['routers']} routers, {figures['messages']} messages, {figures['seconds']} s")
    table.add_column("figure")
    table.add_column("value", justify="right")
    rows = {
        "offered, messages/s": "as many as go through" if offered is None else f"{offered:.0f}",
        "published, messages/s": figures["published_per_second"],
        "sustained to the store, messages/s": figures["sustained_per_second"],
        "publish to commit p50 / p99 / max, ms": " / ".join(str(figures[f"latency_{p}_ms"]) for p in _POINTS),
        **{f"CPU of the {name}, us/message": seconds for name, seconds in cpu.items()},
        "memory of the collector at its peak, MiB": figures["collector_rss_peak_mib"],
        "load average of the machine before": figures["load_average_before"],
        "stored, warm-up included": figures["stored"],
        "dropped, warm-up included": ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or 0,
        "lost / duplicated / unexpected": " / ".join(str(figures[n]) for n in ("lost", "duplicated", "unexpected")),
        "received = stored + dropped + in flight": f"{figures['received']}, in flight {figures['in_flight']}",
    }
    for name, value in rows.items():
        table.add_row(name, str(value))
    Console(width=100).print(table)
    for fault in figures["faults"]:
        print(f"FAULT: {fault}")
    if figures["held"] is False:
        print(f"NOT HELD: {figures['sustained_per_second']} of {offered:.0f} messages/s")


_POINTS: Final = ("p50", "p99", "max")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--rate", type=float, default=25_000, help="messages a second (default: %(default)s)")
    kind.add_argument("--saturate", action="store_true", help="as many as go through")
    parser.add_argument("--seconds", type=float, default=15, help="of load (default: %(default)s)")
    parser.add_argument("--routers", type=int, default=1000, help="size of the fleet (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="of the publisher (default: %(default)s)")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite", help="(default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the work (default: %(default)s)")
    parser.add_argument("--no-flag", action="store_true", help="no message carries a flag: all are dropped")
    parser.add_argument("--linger-ms", type=float, help="writer.linger_milliseconds; as shipped when not given")
    parser.add_argument("--batch-rows", type=int, help="writer.max_batch_rows; as shipped when not given")
    parser.add_argument(
        "--backlog", type=int, default=30_000, help="saturated: messages under way (default: %(default)s)"
    )
    parser.add_argument("--warm-up", type=int, default=20_000, help="messages before (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where installations are made, to measure another disk")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="sample the collector; stacks go to FILE")
    parser.add_argument("--json", action="store_true", help="the figures as one JSON object")
    return parser.parse_args()


def main() -> None:
    """Measure and tell."""
    given = _arguments()
    load = Load(
        given.routers,
        given.seconds,
        None if given.saturate else given.rate,
        given.backlog,
        given.warm_up,
        given.connections,
        flagged=not given.no_flag,
    )
    writer = {"linger_milliseconds": given.linger_ms, "max_batch_rows": given.batch_rows}
    changes = {"writer": {name: value for name, value in writer.items() if value is not None}}
    if given.profile:
        profiling.check()
    installation = Installation(given.store, given.workers, changes, given.profile)
    with tempfile.TemporaryDirectory(prefix="ueip-bench-", dir=given.folder) as folder:
        figures = measure(load, installation, Path(folder))
    if given.json:
        print(json.dumps(figures))
    else:
        show(figures)
    if given.profile:
        profiling.show(given.profile)
    sys.exit(1 if figures["faults"] else 0)


if __name__ == "__main__":
    main()
