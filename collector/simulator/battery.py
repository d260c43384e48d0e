"""The battery of a mobile router: it drains, it is charged, and a few are worn out."""

from dataclasses import dataclass
from random import Random

Reading = dict[str, object]

_CHARGE_PERCENT_PER_HOUR = 38.0
# A good pack lasts a working day, a worn one under three hours; worn packs also run hot, which is how they show.
_GOOD_DRAIN = (6.0, 11.0)
_WORN_DRAIN = (34.0, 46.0)
_GOOD_CELSIUS = 31.0
_WORN_CELSIUS = 54.0


@dataclass(slots=True)
class Battery:
    """A battery and its owner's habit of plugging it in."""

    rng: Random
    worn: bool
    percent: float
    charging: bool
    long_charge_mode: bool
    drain: float
    plug_in_at: float

    @classmethod
    def draw(cls, rng: Random, *, worn: bool) -> "Battery":
        """Return a battery in some state of charge."""
        return cls(
            rng=rng,
            worn=worn,
            percent=rng.uniform(45, 95),
            charging=not worn and rng.random() < 0.3,
            long_charge_mode=rng.random() < 0.15,
            drain=rng.uniform(*(_WORN_DRAIN if worn else _GOOD_DRAIN)),
            plug_in_at=rng.uniform(0, 8) if worn else rng.uniform(12, 35),
        )

    def advance(self, seconds: float) -> bool:
        """Let *seconds* pass; return whether the battery ran empty and took the router down with it."""
        rate = _CHARGE_PERCENT_PER_HOUR if self.charging else -self.drain
        self.percent += rate * seconds / 3600
        emptied = self.percent <= 0
        if emptied:
            # Its owner finds it dead and plugs it in: a router that stayed off would only be missing.
            self.percent, self.charging = 1.0, True
        elif self.percent <= self.plug_in_at:
            self.charging = True
        elif self.percent >= 100:
            self.percent, self.charging = 100.0, self.rng.random() < 0.25
        return emptied

    def reading(self) -> Reading:
        """Return the group `power` of a report."""
        return {
            "battery_percent": round(self.percent),
            "battery_discharge_percent_per_hour": 0.0 if self.charging else self._measured_drain(),
            "battery_voltage_mv": round(3400 + 8 * self.percent - (180 if self.worn else 0) + self.rng.gauss(0, 6)),
            "battery_temperature_celsius": self._celsius(),
            "battery_charging": self.charging,
            "battery_long_charge_mode": self.long_charge_mode,
        }

    def _measured_drain(self) -> float:
        return round(max(0.5, self.drain + self.rng.gauss(0, 0.4)), 1)

    def _celsius(self) -> float:
        base = _WORN_CELSIUS if self.worn else _GOOD_CELSIUS
        return round(base + (4 if self.charging else 0) + self.rng.gauss(0, 0.8), 1)
