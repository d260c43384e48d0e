"""What a router's modem measures: a level of its own, a slow random walk, and the load of the hour.

Rule 1: every value stays well inside the catalogue's bounds; what is out of bounds is made so on purpose, elsewhere.
Rule 2: a busy cell costs quality (RSRQ, SINR) and speed, never level (RSRP): that is how interference looks.
"""

from dataclasses import dataclass
from math import sqrt
from random import Random

Reading = dict[str, object]

# What one router gets from an idle cell in good conditions, bytes a second.
_PEAK_DOWNLINK = {"lte": 6e6, "lte_ca": 16e6, "nr_nsa": 55e6, "nr_sa": 80e6}
_RAT_CHANGES_PER_HOUR = 0.5
_FALLBACK_DBM = -117.0  # below this only plain LTE holds
_WALK_STEP_DB = 1.1  # standard deviation of the level's walk over five minutes
_BARS_DBM = (-118, -110, -102, -94, -84)


@dataclass(slots=True)
class Radio:
    """One modem: its place in the house decides the level, the hour decides the quality."""

    rng: Random
    rats: tuple[str, ...]
    base_dbm: float
    rat: str
    drift_db: float = 0.0
    interference_db: float = 0.0
    """What something else on the air costs in quality."""

    @classmethod
    def draw(cls, rng: Random, rats: tuple[str, ...], *, poor: bool = False) -> "Radio":
        """Return a modem somewhere between the window and the cellar; a *poor* one is in the cellar."""
        base = rng.uniform(-119, -114) if poor else min(-74.0, max(-112.0, rng.gauss(-93, 9)))
        return cls(rng=rng, rats=rats, base_dbm=base, rat=rng.choice(rats[1:]))

    @property
    def level_dbm(self) -> float:
        """The level now, before measurement noise."""
        return self.base_dbm + self.drift_db

    @property
    def weak(self) -> bool:
        """Whether the router stands where connections are easily lost."""
        return self.base_dbm < -112

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass: the level wanders, and now and then the technology changes."""
        span = seconds / 300
        # The pull to the middle keeps the walk within a few dB for ever.
        self.drift_db = self.drift_db * max(0.0, 1 - 0.03 * span) + self.rng.gauss(0, _WALK_STEP_DB * sqrt(span))
        self.drift_db = min(10.0, max(-10.0, self.drift_db))
        if self.level_dbm < _FALLBACK_DBM:
            self.rat = "lte"
        elif self.rng.random() < _RAT_CHANGES_PER_HOUR * seconds / 3600:
            self.rat = self.rng.choice(self.rats)

    def measure(self, load: float, *, fading_db: float = 0.0) -> Reading:
        """Return the group `signal` under *load*; *fading_db* is what a failing link has lost on top."""
        rsrp = _within(self.level_dbm - fading_db + self.rng.gauss(0, 1), -138, -60)
        weakness = max(0.0, -95 - rsrp)
        rsrq = -7 - 6 * load - 0.15 * weakness - self.interference_db / 3 + self.rng.gauss(0, 0.6)
        sinr = 24 - 13 * load - 0.7 * weakness - fading_db / 3 - self.interference_db + self.rng.gauss(0, 1.2)
        return {
            "rssi_dbm": round(_within(rsrp + 27 + 3 * load, -113, -30)),
            "rsrp_dbm": round(rsrp),
            "rsrq_db": round(_within(rsrq, -24, -4), 1),
            "sinr_db": round(_within(sinr, -15, 32), 1),
            "signal_bars": sum(rsrp >= limit for limit in _BARS_DBM),
        }

    def speeds(self, load: float) -> tuple[int, int]:
        """Return downlink and uplink in bytes a second: what the cell leaves, times what the household asks for."""
        quality = _within((self.level_dbm + 125) / 40, 0.03, 1)
        offered = _PEAK_DOWNLINK[self.rat] * quality * (1 - 0.75 * load)
        wanted = self.rng.betavariate(1.1, 6) * (0.3 + load)
        down = offered * wanted
        return round(down), round(down * self.rng.uniform(0.06, 0.2))


def _within(value: float, lowest: float, highest: float) -> float:
    return min(highest, max(lowest, value))
