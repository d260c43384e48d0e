"""orjson with generated code, msgspec structs or pydantic: the decoders of `decoder_ways.py`, measured side by side.

    python bench/decoders.py

Before anything is measured, all must take what a fleet sends, and refuse the same altered payloads. Microseconds of CPU
a message, the median of the repeats, all in turn, and instructions where the processor counts them for us.
What comes of it: docs/decisions/0031-decoder.md.
"""

import argparse
import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from corpus import Corpus
from counters import Instructions
from decoder_ways import WAYS, Decode, Encode, Way
from rich.console import Console
from rich.table import Table

from collector.fields.catalogue import load_catalogue


def altered(payload: bytes) -> Iterator[bytes]:
    """Payloads that must be refused: one thing wrong in each."""
    changes = (
        (b'{"schema_version"', b'{"sms":[],"schema_version"'),
        (b'"router":{', b'"router":{"contacts":"x",'),
        (b'"ueip":true', b'"ueip":1'),
        (b'"ueip":true', b'"ueip":true,"ueip":true'),
        (b'"schema_version":1', b'"schema_version":"1"'),
        (b'"message_id":"', b'"message_id":"!'),
        (b'"policy_version":"', b'"policy_version":"?'),
        (b'"imei":"', b'"imei":"x'),
        (b'"time":"20', b'"time":"x20'),
        (b'"country":"', b'"country":null,"c":"'),
    )
    for old, new in changes:
        assert old in payload
        yield payload.replace(old, new, 1)


def agree(ways: dict[str, Way], payloads: list[bytes]) -> None:
    """All take every payload, and refuse the same altered ones."""
    for name, way in ways.items():
        refused = sum(way.decode(payload) is None for payload in payloads)
        assert not refused, f"{name} refuses {refused} of {len(payloads)}"
        taken = [wrong for payload in payloads[:20] for wrong in altered(payload) if way.decode(wrong) is not None]
        assert not taken, f"{name} takes {taken[0]!r}"


class Cost(NamedTuple):
    """Of one repeat: microseconds of CPU a message, and instructions where they are counted."""

    microseconds: float
    instructions: int | None


def measure(ways: dict[str, Way], payloads: list[bytes], repeats: int) -> dict[str, tuple[list[Cost], list[Cost]]]:
    """What a message costs to decode, and to decode and write, for each way."""
    counter = Instructions()
    found: dict[str, tuple[list[Cost], list[Cost]]] = {name: ([], []) for name in ways}
    for _ in range(repeats):
        for name, (decode, encode) in ways.items():
            found[name][0].append(_cost(decode, payloads, counter))
            found[name][1].append(_cost(partial(_both, decode, encode), payloads, counter))
    return found


def _both(decode: Decode, encode: Encode, payload: bytes) -> bytes:
    return encode(decode(payload))


def _cost(work: Callable[[bytes], object], payloads: list[bytes], counter: Instructions) -> Cost:
    gc.collect()
    first, began = counter.now(), time.process_time()
    for payload in payloads:
        work(payload)
    seconds, last = time.process_time() - began, counter.now()
    counted = None if first is None or last is None else round((last - first) / len(payloads))
    return Cost(1e6 * seconds / len(payloads), counted)


def _cells(costs: list[Cost]) -> list[str]:
    times = [cost.microseconds for cost in costs]
    counts = [cost.instructions for cost in costs if cost.instructions is not None]
    return [
        f"{median(times):.2f} [{min(times):.2f}-{max(times):.2f}]",
        f"{median(counts):,.0f}" if counts else "",
    ]


def main() -> None:
    """Check that all do the same, measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000, help="of one repeat (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ueip-bench-") as folder:
        sent = Corpus(Path(folder), 1000).mixed(given.messages)
    flagged = [m.payload for m in sent if b'"ueip":true' in m.payload and b'"sms"' not in m.payload]
    ways = {name: make(load_catalogue()) for name, make in WAYS.items()}
    agree(ways, flagged)
    found = measure(ways, flagged, given.repeats)
    table = Table(title=f"us of CPU a message, {len(flagged)} messages", title_justify="left")
    for heading in ("way", "decode and check", "instructions", "and write", "instructions", "of the first"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    first = median(cost.microseconds for cost in next(iter(found.values()))[1])
    for name, (decoding, both) in found.items():
        share = median(cost.microseconds for cost in both) / first
        table.add_row(name, *_cells(decoding), *_cells(both), f"{share:.1f}")
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
