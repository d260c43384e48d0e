"""Who is in the fleet: the routers with a story come first, then a mixed crowd with its share of bad habits.

Rule: a router is the same in every run with the same seed and size, except one whose owner leaves: it is a new one
in every run, because a collector that still knows the exit would rightly refuse it from its first message.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random

from collector.simulator.habits import Habit, assign
from collector.simulator.identity import Identity
from collector.simulator.products import BAD_FIRMWARE, MC888, U60_PRO, Firmware, Model, pick_model
from collector.simulator.router import Build
from collector.simulator.world import BERLIN, KOWLOON, PLACES, SHENZHEN, Place

_WORN_BATTERIES = 0.08  # of the routers with one
_POOR_COVERAGE = 0.06
_LEAVING = frozenset({Habit.LEAVES, Habit.LEAVES_AND_REJOINS})


@dataclass(frozen=True, slots=True)
class Highlight:
    """A router worth looking up."""

    serial: str
    imei: str
    country: str
    story: str

    def __repr__(self) -> str:
        return f"<Highlight {self.story}>"


@dataclass(frozen=True, slots=True)
class Part:
    """One member of the fleet: its build, its habit, and its story if it has one."""

    build: Build
    habit: Habit
    story: str | None = None

    @property
    def leaves(self) -> bool:
        """Whether its owner leaves the programme."""
        return self.habit in _LEAVING

    def highlight(self) -> Highlight:
        """Return the part as people are told of it."""
        identity = self.build.identity
        return Highlight(identity.serial, identity.imei, self.build.place.country, self.story or "")


@dataclass(frozen=True, slots=True)
class _Star:
    place: Place
    model: Model
    firmware: Firmware
    story: str
    worn_battery: bool = False
    poor_coverage: bool = False
    habit: Habit = Habit.NONE


# The first three stand in the three regions, so the smallest demo already fills every store.
_STARS = (
    _Star(BERLIN, MC888, MC888.firmware[-1], "Healthy: newest firmware, a fair signal, at most a hiccup."),
    _Star(
        SHENZHEN, MC888, BAD_FIRMWARE,
        f"Runs the bad firmware {BAD_FIRMWARE.version}: watchdog reboots and Wi-Fi driver errors, again and again.",
    ),
    _Star(
        KOWLOON, U60_PRO, U60_PRO.firmware[-1],
        "Worn battery: drains in under three hours and runs hot.", worn_battery=True,
    ),
    _Star(
        PLACES[4], MC888, MC888.firmware[-1],
        "Its owner leaves the programme in the third live round: its records are erased, what follows is dropped.",
        habit=Habit.LEAVES,
    ),
    _Star(
        PLACES[9], MC888, MC888.firmware[-1],
        "Poor coverage: a weak signal, and the connection is lost again and again.", poor_coverage=True,
    ),
)  # fmt: skip


class Casting:
    """Draws the members of one fleet; no two of them share a serial or an IMEI."""

    def __init__(self, *, size: int, seed: int, start: datetime) -> None:
        self._size = size
        self._seed = seed
        self._start = start
        self._taken: set[str] = set()

    def parts(self) -> Iterator[Part]:
        """Yield the members, those with a story first."""
        stars = _STARS[: self._size]
        for number, star in enumerate(stars):
            yield self._star(number, star)
        habits = assign(Random(f"{self._seed}/habits"), self._size - len(stars))
        for number, habit in enumerate(habits, start=len(stars)):
            yield self._member(number, habit)

    def _star(self, number: int, star: _Star) -> Part:
        rng = self._rng(number, star.habit)
        identity = self._identity(rng, star.place)
        build = Build(identity, star.place, star.model, star.firmware, star.worn_battery, star.poor_coverage)
        return Part(build, star.habit, star.story)

    def _member(self, number: int, habit: Habit) -> Part:
        rng = self._rng(number, habit)
        # A German router on a Chinese network is the plainest conflict there is.
        place = BERLIN if habit is Habit.ROAMS_ACROSS else rng.choice(PLACES)
        model = pick_model(rng)
        build = Build(
            identity=self._identity(rng, place),
            place=place,
            model=model,
            firmware=model.shipped(rng),
            worn_battery=model.battery and rng.random() < _WORN_BATTERIES,
            poor_coverage=rng.random() < _POOR_COVERAGE,
        )
        return Part(build, habit)

    def _rng(self, number: int, habit: Habit) -> Random:
        run = f"/{self._start.isoformat()}" if habit in _LEAVING else ""
        return Random(f"{self._seed}/{number}{run}")

    def _identity(self, rng: Random, place: Place) -> Identity:
        while True:
            identity = Identity.draw(rng, place)
            if self._taken.isdisjoint((identity.serial, identity.imei)):
                self._taken.update((identity.serial, identity.imei))
                return identity
