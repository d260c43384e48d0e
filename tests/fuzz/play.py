"""Plays inputs in chunks, each from its own seed; makes a failing input small and writes it to a file."""

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from .case import Case
from .targets import TARGETS, Target
from .tree import parse, places, write

CHUNK: Final = 2000
HANGS_AFTER: Final = 60
"""Seconds for one input; no input of any size needs one of them."""
_POOL: Final = 400
_TRIES: Final = 2000


class Hang(Exception):
    """An input that does not come to an end."""


class Failure(NamedTuple):
    """What failed and how: the type of the error and, of an assertion of ours, its text."""

    case: Case
    how: str


@dataclass
class Played:
    """What came of some chunks."""

    inputs: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: "Played") -> None:
        """Add up."""
        self.inputs += other.inputs
        self.outcomes += other.outcomes
        self.failures += other.failures
        for name, seconds in other.slowest.items():
            self.slowest[name] = max(seconds, self.slowest.get(name, 0))


def plan(inputs: int, *, each: bool = False) -> list[tuple[str, int, int]]:
    """The chunks of a run: target, number of the chunk, inputs in it. Every target has some, or so many *each*."""
    chunks = []
    for target in TARGETS.values():
        left, number = inputs if each else max(20, round(inputs * target.share / 100)), 0
        while left > 0:
            chunks.append((target.name, number, min(CHUNK, left)))
            left, number = left - CHUNK, number + 1
    # Dear ones first, so that no worker is left alone with one at the end.
    return sorted(chunks, key=lambda chunk: TARGETS[chunk[0]].share)


def play(seed: int, name: str, number: int, inputs: int) -> Played:
    """Play one chunk: the seeds, if it is the first one, then inputs made of them and of what turned out new."""
    target, chance, played = TARGETS[name], random.Random(f"{seed} {name} {number}"), Played()
    pool = target.seeds()
    known: set[str] = set()
    with _alarmed():
        for count in range(inputs):
            first = number == 0 and count < len(pool)
            case = pool[count] if first else target.make(name, chance, pool)
            label = _one(target, case, played)
            if label and label not in known and len(pool) < _POOL:
                # What leads somewhere new is worth changing further.
                known.add(label)
                pool.append(case)
            if len(played.failures) >= 5:
                break
    return played


def _one(target: Target, case: Case, played: Played) -> str | None:
    signal.alarm(HANGS_AFTER)
    began = time.perf_counter()
    how = failure(case)
    signal.alarm(0)
    took = time.perf_counter() - began
    played.inputs[target.name] += 1
    played.slowest[target.name] = max(took, played.slowest.get(target.name, 0))
    if isinstance(how, Failure):
        played.failures.append(how)
        return None
    played.outcomes[target.name, how] += 1
    return how


def failure(case: Case) -> Failure | str:
    """How a case fails, or what comes of it."""
    try:
        return TARGETS[case.target].check(case)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever escapes is what is looked for, panics of extensions too
        text = str(error) if isinstance(error, AssertionError) else ""
        return Failure(case, f"{type(error).__name__}: {text}" if text else type(error).__name__)


@contextmanager
def _alarmed() -> Iterator[None]:
    def rings(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, rings)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def minimised(found: Failure) -> Case:
    """The smallest case found that fails in the same way: nodes are left out, then bytes, many first."""
    case = found.case
    for pieces in (_without_nodes, _without_bytes):
        tries, again = _TRIES, True
        while again and tries > 0:
            again = False
            for less in pieces(case.data):
                tries -= 1
                how = failure(case._replace(data=less))
                if isinstance(how, Failure) and how.how == found.how:
                    case, again = case._replace(data=less), True
                    break
                if tries <= 0:
                    break
    return case


def _without_nodes(data: bytes) -> Iterator[bytes]:
    """The JSON in *data* without one of its nodes, the outermost first."""
    for number in range(len(places(parse(data)))):
        root = parse(data)
        container, index = places(root)[number]
        del container[index]
        yield write(root)


def _without_bytes(data: bytes) -> Iterator[bytes]:
    """*data* without a piece of it."""
    size = len(data) // 2
    while size:
        for start in range(0, len(data), size):
            yield data[:start] + data[start + size :]
        size //= 2


def kept(case: Case, folder: Path) -> Path:
    """The case as a file in *folder*, named after its content."""
    folder.mkdir(parents=True, exist_ok=True)
    content = case.file()
    path = folder / f"{case.target}-{sha256(content).hexdigest()[:10]}.case"
    path.write_bytes(content)
    return path
