"""One round: a fresh installation, some seconds of traffic under faults, healing, and the judgement."""

import atexit
import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from integration.harness import REGIONS, Samples, environment, files_below, ueip_program, wait_until

from .chaos import Chaos, plan
from .fleet import Fleet, routers
from .judge import TOKEN, Judge, Verdict
from .oracle import EXITS, Kind, Oracle, Router
from .place import Place
from .publishing import Listening

_CALM: Final = 20
"""Looks at tenths of a second: two seconds of nothing new."""
SECONDS: Final = 5.0
_SETTLED: Final = 90.0
_ERASED: Final = 3.0
"""Seconds that erasure in the files is given; it is unreadable at once, and the catalogue (4.5) allows more."""


@dataclass
class Outcome:
    """What a round did and what was found."""

    seed: int
    verdict: Verdict
    counts: Counter[str]
    seconds: float

    @property
    def faults(self) -> list[str]:
        """Everything wrong, in words."""
        found = self.verdict.faults.items()
        return [f"{kind}: {text}" for kind, texts in found if kind != "remains" for text in texts]

    @property
    def remains(self) -> list[str]:
        """Bytes of erased records in the free space of their region's file: due within a day (4.5), so no fault yet."""
        return self.verdict.faults.get("remains", [])


class Round:
    """The round of one seed."""

    def __init__(self, seed: int, place: Place, seconds: float) -> None:
        self._place, self._seed, self._seconds = place, seed, seconds
        self._registered = is_registered(seed)
        self._oracle = Oracle(routers(seed))
        self._chaos = Chaos(place, plan(seed, seconds, disk=place.disk is not None))
        self._final: Samples | None = None
        self._calm = 0
        self._kept_order = False

    def play(self) -> Verdict:
        """Traffic and faults, healing, the end, judgement."""
        self._place.start()
        with Listening(self._place.broker.port, self._oracle) as publisher:
            fleet = Fleet(self._place, self._oracle, publisher, self._seed, registered=self._registered)
            self._chaos.start()
            try:
                fleet.run(self._seconds)
            finally:
                self._chaos.heal()
            self._oracle.kills = self._chaos.kills
            fleet.finish()
            self._settle(fleet)
            self._kept_order = publisher.kept_order
        self._end()
        judge = Judge(self._place, self._oracle, registered=self._registered)
        verdict = judge.judge(fleet.canary)
        self._look_back(verdict)
        return verdict

    def _settle(self, fleet: Fleet) -> None:
        """Wait until reports of routers that join only now are stored: the broker keeps the order, so all else is."""
        last = [Router(f"ZTEFA{self._seed % 100_000:05}L{n}", region, True) for n, region in enumerate(REGIONS)]
        self._oracle.routers += last
        for router in last:
            fleet.join(router)
        for router in last:
            self._stored(fleet, router)
        wait_until(self._quiet, _SETTLED, what="the last outcome")
        with contextlib.suppress(BaseException):
            wait_until(self._clean, _ERASED, what="the erasure in the files")

    def _stored(self, fleet: Fleet, router: Router) -> None:
        """Report until a report is in the store: those before the join arrives are dropped."""
        tokens: list[str] = []

        def arrived() -> bool:
            bodies = "".join(row[0] for row in self._place.rows(router.region, "SELECT body FROM record"))
            if any(token in bodies for token in tokens):
                return True
            tokens.append(fleet.report(router, Kind.FLAGGED).token)
            time.sleep(0.2)
            return False

        wait_until(arrived, _SETTLED, what=f"the last record of {router.region}")

    def _quiet(self) -> bool:
        """Nothing in flight and nothing new, for longer than the collector takes to connect anew for what it left."""
        now = self._place.collector.metrics()
        before, self._final = self._final, now
        # What is left with the broker is neither in flight nor acknowledged: it comes with the next connection.
        waiting = now.total("collector_oldest_unacknowledged_seconds") or now.total("collector_broker_window_left")
        idle = not now.in_flight and not waiting
        time.sleep(0.1)
        self._calm = self._calm + 1 if idle and before is not None and before.received == now.received else 0
        return self._calm >= _CALM

    def _clean(self) -> bool:
        """Whether the files of a region hold no report beside its records."""
        for region in REGIONS:
            bodies = self._place.rows(region, "SELECT body FROM record")
            kept = {token for (body,) in bodies for token in TOKEN.findall(body.encode())}
            for name, content in files_below(self._place.store(region).parent):
                if name.startswith(region) and not kept.issuperset(TOKEN.findall(content)):
                    time.sleep(0.2)
                    return False
        return True

    def _end(self) -> None:
        """Keep the last numbers, then stop: in order, or by one more kill that leaves all files as they are."""
        collector = self._place.collector
        (self._place.folder / "metrics.txt").write_bytes(collector.get("/metrics")[1])
        if collector.note_death():
            return
        if self._seed % 2:
            collector.kill()
        else:
            collector.stop(signal.SIGTERM)
        self._place.broker.stop()

    def _look_back(self, verdict: Verdict) -> None:
        """The sum, and how the processes fared."""
        final = Samples((self._place.folder / "metrics.txt").read_text())
        if not final.adds_up() or final.in_flight:
            verdict.add("sum", f"received {final.received}, stored {final.stored}, dropped {final.dropped}")
        if bugs := final.dropped.get("internal_error"):
            verdict.add("sum", f"{bugs} dropped as internal_error")
        for death in self._place.collector.deaths:
            verdict.add("crash", death)
        if "Traceback" in self._place.collector.said():
            verdict.add("crash", "a traceback in the log")
        if not self._kept_order:
            verdict.add("round", "what was published came to the broker in another order: nothing follows from it")
        for error in self._chaos.errors:
            verdict.add("round", error)

    def counts(self) -> Counter[str]:
        """What was sent and what was done."""
        acts = self._oracle.acts
        return self._chaos.done + Counter(
            messages=len(acts),
            exits=sum(act.kind in EXITS for act in acts),
            joins=sum(act.kind is Kind.JOIN for act in acts),
            no_disk=int(self._place.disk is None),
        )


def is_registered(seed: int) -> bool:
    """Every fourth round keeps its ledger in the mode `registered`."""
    return seed % 4 == 3


def play(seed: int, seconds: float = SECONDS, *, keep: Path | None = None) -> Outcome:
    """Play the round of *seed*; with *keep*, its files are left in that folder."""
    began = time.monotonic()
    with _folder(keep) as folder:
        shutil.copytree(installation(), folder / "site")
        place = Place(folder / "site", seed, registered=is_registered(seed))
        try:
            one = Round(seed, place, seconds)
            verdict = one.play()
            return Outcome(seed, verdict, one.counts(), time.monotonic() - began)
        finally:
            place.close(keep=keep is not None)


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="faults-") as made:
        yield Path(made)


@cache
def installation() -> Path:
    """What `ueip init` makes; copied for every round."""
    parent = Path(tempfile.mkdtemp(prefix="faults-"))
    atexit.register(shutil.rmtree, parent, ignore_errors=True)
    folder = parent / "site"
    subprocess.run([ueip_program(), "init", str(folder)], env=environment(), check=True, capture_output=True)
    return folder
