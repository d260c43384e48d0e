"""Measures the parts of the collector alone: `process` by shape and step, the packet reader, commits of a SQLite store.

    python bench/process.py                     all of it, a table each
    python bench/process.py --profile process   where the time of `process` goes, by function (cProfile; slows it down)
    python bench/process.py --profile commit    the same for commits

Every figure is the median of the repeats, lowest and highest beside it, in microseconds of wall time per message.
"""

import argparse
import asyncio
import cProfile
import gc
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
from mqtt import publish_packet
from payloads import SHAPES, fleet, kind_of, time_text
from rich.console import Console
from rich.table import Table

from collector.cli.setup import make_installation
from collector.config import load_settings
from collector.fields.treatments import Surroundings
from collector.formats.report import ReportDecoder, parse_topic
from collector.ingest.codec import PacketReader
from collector.model import Accepted, Message, Record, Region, Report
from collector.pipeline import Rules, process
from collector.rules import consent_rules, make_rules
from collector.stores.sqlite import SQLiteStore

_READ: Final = 65_536
"""Bytes of one read of the socket."""
Figures = dict[str, list[float]]


class Bench:
    """An installation, a fleet, and its messages."""

    def __init__(self, folder: Path, routers: int, messages: int) -> None:
        make_installation(folder)
        self.folder = folder
        self.settings = load_settings(folder / "collector.toml")
        self.rules: Rules = make_rules(self.settings)
        self._fleet = fleet(routers)
        self._messages = messages
        self._numbers = count()

    def messages(self, shape: int, *, flagged: bool = True, leaky: bool = False) -> list[Message]:
        """Messages of one shape from all over the fleet, with new ids."""
        return [self._message(number, shape, flagged, leaky) for number in self._next()]

    def mixed(self) -> list[Message]:
        """Messages as the fleet sends them."""
        kinds = ((number, kind_of(number, len(self._fleet))) for number in self._next())
        return [self._message(number, kind.shape, kind.flagged, kind.leaky) for number, kind in kinds]

    def packets(self) -> list[bytes]:
        """Messages as they come from the broker, in pieces the size of a read."""
        stream = b"".join(
            publish_packet(message.topic.encode(), number % 60_000 + 1, message.payload)
            for number, message in enumerate(self.mixed())
        )
        return [stream[start : start + _READ] for start in range(0, len(stream), _READ)]

    def _next(self) -> range:
        first = next(self._numbers) * self._messages
        return range(first, first + self._messages)

    def _message(self, number: int, shape: int, flagged: bool, leaky: bool) -> Message:
        router, now = self._fleet[number % len(self._fleet)], time.time()
        payload = router.templates[shape].payload(number, time_text(now), flagged=flagged, leaky=leaky)
        return Message(router.topic.decode(), payload, retained=False, received_at=int(now * 1000))


def per_item(work: Callable[[Any], object], items: Sequence[Any], messages: int) -> float:
    """Microseconds a message that *work* takes over *items*."""
    began = time.perf_counter()
    for item in items:
        work(item)
    return 1e6 * (time.perf_counter() - began) / messages


def steps(bench: Bench, shape: int) -> dict[str, float]:
    """`process` on one shape, and its steps one by one."""
    rules, messages = bench.rules, bench.messages(shape)
    number, decode = len(messages), rules.reports._compiled.decode  # noqa: SLF001 - a step is measured where it is
    found = {"process": per_item(lambda m: process(m, rules), bench.messages(shape), number)}
    found["topic"] = per_item(parse_topic, [m.topic for m in messages], number)
    trees = [decode(m.payload) for m in messages]
    found["decode: JSON"] = per_item(decode, [m.payload for m in messages], number)
    pairs = [(m.payload, tree) for m, tree in zip(messages, trees, strict=True)]
    found["decode: key twice?"] = per_item(_key_twice, pairs, number)
    found["decode: in all"] = per_item(lambda m: rules.reports.decode(m, m.topic.split("/")[2]), messages, number)
    reports = [_decoded(rules.reports, m) for m in messages]
    found["then: route"] = per_item(lambda r: rules.regions.route(r.country, r.plmns), reports, number)
    found["then: identity"] = per_item(lambda r: rules.pseudonyms[Region.CHINA].identity(r.router), reports, number)
    found["then: record id"] = per_item(lambda r: _record_id(rules, r), reports, number)
    found["then: select, treat, encode"] = per_item(lambda r: _body(rules, r), reports, number)
    return found


def _key_twice(pair: tuple[bytes, Any]) -> bool:
    payload, tree = pair
    return payload.count(b'"') == msgspec.json.encode(tree).count(b'"')


def _decoded(decoder: ReportDecoder, message: Message) -> Report:
    report = decoder.decode(message, message.topic.split("/")[2])
    assert isinstance(report, Report)
    return report


def _record_id(rules: Rules, report: Report) -> bytes:
    return rules.pseudonyms[Region.CHINA].uncached_ref("record", f"{report.router}\0{report.message_id}")


def _body(rules: Rules, report: Report) -> bytes:
    tree = report.content
    plmn = None if tree.network is msgspec.UNSET else tree.network.plmn
    around = Surroundings(pseudonyms=rules.pseudonyms[Region.CHINA], products=rules.products, plmn=plmn)
    events = [] if tree.events is msgspec.UNSET else tree.events
    return rules.selector.body(tree, events, around)


def whole(bench: Bench) -> dict[str, float]:
    """`process` on what a fleet sends, on messages with a fault, and the packet reader."""
    rules, number = bench.rules, len(bench.messages(0))
    return {
        "process, as the fleet sends": per_item(lambda m: process(m, rules), bench.mixed(), number),
        "process, no flag": per_item(lambda m: process(m, rules), bench.messages(0, flagged=False), number),
        "process, local-only key": per_item(lambda m: process(m, rules), bench.messages(0, leaky=True), number),
        "packet reader": per_item(_reading(PacketReader()), bench.packets(), number),
    }


def _reading(reader: PacketReader) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        for _ in reader.feed(data):
            pass

    return read


def records(bench: Bench, region: Region, wanted: int) -> list[Record]:
    """So many new records of a region."""
    found: list[Record] = []
    while len(found) < wanted:
        outcomes = (process(message, bench.rules) for message in bench.mixed())
        found += [o.record for o in outcomes if isinstance(o, Accepted) and o.record.region is region]
    return found[:wanted]


async def commits(bench: Bench, batch: int, repeats: int, rows: int) -> list[float]:
    """Microseconds a record, committing *rows* records in batches, after one round that lets the routers join."""
    store = SQLiteStore(bench.folder / f"{batch}.sqlite", Region.GERMANY, consent_rules(bench.settings))
    await store.open()
    await store.commit(records(bench, Region.GERMANY, rows))
    found = []
    for _ in range(repeats):
        new = records(bench, Region.GERMANY, rows)
        began = time.perf_counter()
        for start in range(0, rows, batch):
            await store.commit(new[start : start + batch])
        found.append(1e6 * (time.perf_counter() - began) / rows)
    await store.close()
    return found


def measure(bench: Bench, repeats: int) -> dict[str, Figures]:
    """Every table: its name, its rows, the figures of each repeat."""
    tables: dict[str, Figures] = {}
    for shape, name in enumerate(SHAPES):
        tables[f"process: {name}"] = _repeated(lambda shape=shape: steps(bench, shape), repeats)  # type: ignore[misc]
    tables["process: in all"] = _repeated(lambda: whole(bench), repeats)
    tables["commit, a record"] = {
        f"batches of {batch}": asyncio.run(commits(bench, batch, repeats, 4000)) for batch in (100, 1000, 4000)
    }
    return tables


def _repeated(work: Callable[[], dict[str, float]], repeats: int) -> Figures:
    work()
    found: Figures = {}
    for _ in range(repeats):
        gc.collect()
        for name, value in work().items():
            found.setdefault(name, []).append(value)
    return found


def show(tables: dict[str, Figures]) -> None:
    """The tables for people."""
    for title, figures in tables.items():
        table = Table(title=title, title_justify="left")
        for heading in ("us", "median", "lowest", "highest"):
            table.add_column(heading, justify="left" if heading == "us" else "right")
        for name, values in figures.items():
            table.add_row(name, *(f"{value:.2f}" for value in (median(values), min(values), max(values))))
        Console(width=100).print(table)


def profile(bench: Bench, what: str) -> None:
    """Where the time goes, by function."""
    profiler = cProfile.Profile()
    if what == "process":
        rules, messages = bench.rules, bench.mixed()
        profiler.runcall(lambda: [process(message, rules) for message in messages])
    else:
        store = SQLiteStore(bench.folder / "profiled.sqlite", Region.GERMANY, consent_rules(bench.settings))
        store._open()  # noqa: SLF001 - on this thread, where the profiler looks
        store._commit(records(bench, Region.GERMANY, 4000))  # noqa: SLF001
        profiler.runcall(store._commit, records(bench, Region.GERMANY, 4000))  # noqa: SLF001
    pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(30)


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routers", type=int, default=1000, help="size of the fleet (default: %(default)s)")
    parser.add_argument("--messages", type=int, default=10_000, help="of one repeat (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--profile", choices=("process", "commit"), help="profile instead")
    parser.add_argument("--json", action="store_true", help="every repeat of every figure as JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ueip-bench-") as folder:
        bench = Bench(Path(folder), given.routers, given.messages)
        if given.profile:
            profile(bench, given.profile)
            return
        tables = measure(bench, given.repeats)
    if given.json:
        print(json.dumps(tables))
    else:
        show(tables)


if __name__ == "__main__":
    main()
