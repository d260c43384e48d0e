"""Routers whose faults are known: healthy ones that live as real ones do, and some with a fault planted in them.

The fleet is for showing what a collector does; the ward is for measuring what a diagnosis finds. What was planted, and
from when on, is kept here and sent nowhere.

Rule 1: a healthy router is not an ideal one: its days have evenings, its owner pulls the plug, its modem reports
        nonsense now and then, its reports come late or not at all, its software is updated days after others'.
Rule 2: a planted fault changes what the router does from some time on, never how that is reported.
Rule 3: nothing here knows the rules of the diagnosis or their thresholds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from collector.simulator.ailments import AILMENTS, Ailment, Span
from collector.simulator.faults import Rates
from collector.simulator.fleet import POLICY_VERSION
from collector.simulator.identity import Identity
from collector.simulator.life import Life
from collector.simulator.products import MODELS, Model
from collector.simulator.publication import encode
from collector.simulator.router import Build, Router
from collector.simulator.uplink import stamp
from collector.simulator.world import PLACES, Place

_SETTLED_HOURS = (20, 40)  # from the start of the ward to the onset of a fault, so that there is a time before it
# An hour; a healthy router loses its network every three or four days and restarts once in a month or two.
_CALM = Rates(disconnect=0.012, reboot=0.0008, driver_error=0.004, outdated=0.0, short_range=0.0, abnormal=0.004)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One report as the collector receives it."""

    serial: str
    topic: str
    payload: bytes
    received_at: datetime


@dataclass(slots=True)
class Patient:
    """A router, how its owner treats it, and what is wrong with it."""

    serial: str
    router: Router
    life: Life
    rng: Random
    ailment: Ailment | None
    onset: datetime
    turned: datetime
    """When it had its last turn."""
    number: int = 0
    waiting: list[tuple[datetime, dict[str, object]]] = field(default_factory=list)
    ill: bool = False

    @property
    def planted(self) -> str | None:
        """The name of its fault; None for a healthy router."""
        return self.ailment.name if self.ailment else None

    def turn(self, now: datetime) -> Iterator[Delivery]:
        """Live until *now*; yield what it sends."""
        span, self.turned = Span(self.turned, now), now
        self._fall_ill(now)
        if self.life.is_off(now):
            # Nothing runs in a router that is off; it starts when it is switched on again.
            self.router.forget(now)
            self.router.booted = self.router.link.up_since = now
            return
        self.life.update(self.router, now)
        self.router.advance(now)
        report = self.router.report(now)
        self.life.disturb(report, span.since, now)
        if self.ill and self.ailment is not None:
            self.ailment.show(self.router, report, span, self.rng)
            if self.ailment.silences:
                return
        self.waiting.append((now, report))
        if not self.life.is_cut_off(now):
            yield from self._deliver(now)

    def _fall_ill(self, now: datetime) -> None:
        if self.ailment is not None and not self.ill and now >= self.onset:
            self.ill = True
            self.ailment.begin(self.router, self.rng)

    def _deliver(self, now: datetime) -> Iterator[Delivery]:
        waiting, self.waiting = self.waiting, []
        for measured, report in waiting:
            told = measured + self.life.clock_error
            if self.ill and self.ailment is not None:
                told += self.ailment.clock_error
            document: dict[str, object] = {
                "schema_version": 1,
                "message_id": f"ward-{self.number}",
                "ueip": True,
                "policy_version": POLICY_VERSION,
                "country": self.router.build.place.country,
                "time": stamp(told),
                **report,
            }
            self.number += 1
            received_at = now + timedelta(seconds=self.rng.uniform(0.2, 8))
            yield Delivery(self.serial, f"ueip/v1/{self.serial}/report", encode(document), received_at)


class Ward:
    """Healthy routers, and *each* with every one of some ailments."""

    def __init__(
        self,
        *,
        healthy: int,
        each: int,
        seed: int,
        start: datetime,
        ailments: Sequence[Ailment] = AILMENTS,
        models: Sequence[Model] = MODELS,
        places: Sequence[Place] = PLACES,
    ) -> None:
        self._seed = seed
        self._models = models
        self._places = places
        self._start = start
        self.patients = [self._patient(f"healthy/{number}", None) for number in range(healthy)]
        for ailment in ailments:
            self.patients += [self._patient(f"{ailment.name}/{number}", ailment) for number in range(each)]

    def days(self, days: float, step: timedelta = timedelta(minutes=15)) -> Iterator[tuple[Patient, list[Delivery]]]:
        """Let time pass for one router after another; yields each with all that it sent, in order of receipt."""
        rounds = int(timedelta(days=days) / step)
        for patient in self.patients:
            yield patient, [d for n in range(1, rounds + 1) for d in patient.turn(self._start + n * step)]

    def _patient(self, name: str, ailment: Ailment | None) -> Patient:
        rng = Random(f"{self._seed}/{name}")
        place = rng.choice(self._places)
        model = rng.choice([m for m in self._models if m.battery or not (ailment and ailment.needs_battery)])
        build = Build(Identity.draw(rng, place), place, model, model.firmware[-1])
        router = Router.start(rng, build, self._start)
        life = Life.draw(rng, battery=model.battery, start=self._start)
        if ailment is not None:
            life.updated_at = None  # an update would cure what is wrong with the software
        _make_healthy(router, life, rng)
        onset = self._start + timedelta(hours=rng.uniform(*_SETTLED_HOURS))
        if ailment is not None and ailment.from_the_start:
            onset = self._start
        return Patient(build.identity.serial, router, life, rng, ailment, onset, self._start)


def _make_healthy(router: Router, life: Life, rng: Random) -> None:
    """Take away the faults and bad choices that the fleet draws at random."""
    router.rates = _CALM
    # Between healthy and planted levels lies a grey zone that nobody could call either: no router is put there.
    router.radio.base_dbm = min(-72.0, max(-106.0, rng.gauss(-93, 9)))
    router.link.addresses = {**router.link.addresses, "lan_ipv4": f"192.168.{rng.randint(32, 250)}.1/24"}
    router.link.limit_bytes = 2**62  # out of reach, however long the ward lasts
    wifi = router.wifi.settings
    wifi["wifi_coverage_mode"] = rng.choice(("long", "long", "medium"))
    wifi["wifi_bandwidth_2g_mhz"] = 20
    wifi["wifi_channel_2g"] = rng.choice((0, 0, 1, 5, 6, 11, 13))
    wifi["wifi_password_strength_2g"] = rng.choice(("medium", "high", "high"))
    router.wifi.errors_per_hour = rng.uniform(0.02, 0.4)
    router.sessions.every_seconds = rng.choice(((1200, 4000), (1200, 4000), (3500, 3700), (880, 920)))
    if router.battery is not None:
        router.battery.drain = rng.uniform(6.0, 16.0)
        router.battery.percent = rng.uniform(30, 95)
    life.settle(router)
