"""Where the simulated routers stand: places in all three regions, their networks, and how busy the hours are.

Rule 1: a place never changes; what varies by hour is worked out from the place and the time, so two runs agree.
Rule 2: networks carry their real MCC and MNC, because the collector compares them with the country.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

GERMANY = "germany"
CHINA = "china"
HONG_KONG = "hong_kong"

# Share of a cell's capacity in use, by local hour: asleep at four, an hour of breakfast, the evening peak at eight.
_LOAD_BY_HOUR = (
    0.30, 0.20, 0.13, 0.09, 0.08, 0.10, 0.18, 0.32, 0.42, 0.45, 0.47, 0.50,
    0.55, 0.53, 0.50, 0.50, 0.54, 0.62, 0.74, 0.88, 0.95, 0.90, 0.70, 0.46,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A town: its country, the region its records belong to, and the networks heard there."""

    city: str
    country: str
    region: str
    utc_offset_hours: int
    """Whole hours without daylight saving: an hour's error in a load curve shows nowhere."""
    plmns: tuple[str, ...]
    """MCC and MNC of each network, as text with leading zeros."""
    crowding: float
    """How hard the place's cells are used, 1.0 being ordinary."""

    def local(self, when: datetime) -> datetime:
        """Return *when* as the clock on the wall there shows it."""
        return when + timedelta(hours=self.utc_offset_hours)

    def load(self, when: datetime) -> float:
        """Return the share of the cells' capacity in use at *when*, from 0 to 1, without jumps at the hour."""
        local = self.local(when)
        before = _LOAD_BY_HOUR[local.hour]
        after = _LOAD_BY_HOUR[(local.hour + 1) % 24]
        load = before + (after - before) * local.minute / 60
        return min(1.0, load * self.crowding)


# Three towns a region come first: a fleet of three routers already publishes from every region.
BERLIN = Place("Berlin", "DE", GERMANY, 1, ("26201", "26202", "26203"), 1.0)
SHENZHEN = Place("Shenzhen", "CN", CHINA, 8, ("46000", "46001", "46011"), 1.1)
KOWLOON = Place("Hong Kong", "HK", HONG_KONG, 8, ("45400", "45403", "45412"), 1.2)

PLACES = (
    BERLIN,
    SHENZHEN,
    KOWLOON,
    Place("Hamburg", "DE", GERMANY, 1, ("26201", "26202", "26203"), 0.9),
    Place("Lyon", "FR", GERMANY, 1, ("20801", "20810", "20820"), 0.9),
    Place("Warsaw", "PL", GERMANY, 1, ("26001", "26002", "26003", "26006"), 1.0),
    Place("Valencia", "ES", GERMANY, 1, ("21401", "21403", "21407"), 0.9),
    Place("Turin", "IT", GERMANY, 1, ("22201", "22210", "22288"), 1.0),
    Place("Graz", "AT", GERMANY, 1, ("23201", "23203", "23205"), 0.7),
    Place("Leeds", "GB", GERMANY, 0, ("23410", "23415", "23420", "23430"), 1.0),
    Place("Chengdu", "CN", CHINA, 8, ("46000", "46001", "46011"), 1.0),
    Place("Nanjing", "CN", CHINA, 8, ("46000", "46001", "46011"), 1.0),
    Place("Kunming", "CN", CHINA, 8, ("46000", "46001", "46011"), 0.7),
    Place("Bangkok", "TH", HONG_KONG, 7, ("52003", "52004", "52005"), 1.2),
    Place("Jakarta", "ID", HONG_KONG, 7, ("51010", "51011"), 1.3),
    Place("Durban", "ZA", HONG_KONG, 2, ("65501", "65510"), 0.8),
    Place("Osaka", "JP", HONG_KONG, 9, ("44010", "44020"), 1.0),
    Place("Curitiba", "BR", HONG_KONG, -3, ("72402", "72405", "72411"), 0.9),
    Place("Puebla", "MX", HONG_KONG, -6, ("334020", "334050"), 0.9),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """The sector a router hears best; it stays put, so the router sees the same one on each technology."""

    site: int
    sector: int

    @classmethod
    def near(cls, rng: Random) -> "Cell":
        """Return one of the sectors around."""
        return cls(site=rng.randrange(1_000, 1 << 20), sector=rng.randrange(3))

    def number(self, rat: str) -> int:
        """Return the cell's number: an NCI of 36 bits on standalone 5G, else an ECI of 28 bits."""
        # An NSA router is anchored on LTE: what it reports is the LTE cell.
        return (self.site << 12 | self.sector) if rat == "nr_sa" else (self.site << 8 | self.sector)
