"""A router's Wi-Fi: how it is set up, who is connected by hour, and how often its driver fails."""

from dataclasses import dataclass, field
from random import Random

from collector.simulator.identity import Identity

Reading = dict[str, object]

_DRIVER_ERRORS_PER_HOUR = 0.3
_BAD_DRIVER_ERRORS_PER_HOUR = 45.0
_DRIVER_CODES = (-110, -71, -5, -22)  # timed out, protocol error, input/output error, invalid argument
_BAD_DRIVER_CODE = -110
_HOME_NAMES = ("Sunflower", "upstairs", "kitchen-net", "FamilyHub", "TheBurrow", "office_2nd_floor")


@dataclass(slots=True)
class Wifi:
    """One router's radios and the stations around them."""

    rng: Random
    settings: Reading
    household: int
    """Stations at home when everybody is."""
    bad_driver: bool
    stations: int = 0
    stations_5g: int = 0
    driver_errors: int = 0
    association_failures: int = 0
    codes: Reading = field(default_factory=dict)
    errors_per_hour: float = _DRIVER_ERRORS_PER_HOUR
    """Errors an hour of a good driver."""

    @classmethod
    def draw(cls, rng: Random, identity: Identity, country: str, *, bad_driver: bool) -> "Wifi":
        """Return the Wi-Fi of one home."""
        return cls(rng, _settings(rng, identity, country), rng.randint(2, 14), bad_driver)

    @property
    def short_range(self) -> bool:
        """Whether the coverage setting is too small for the home."""
        return self.settings["wifi_coverage_mode"] == "short" and self.household > 5

    def advance(self, seconds: float, load: float) -> None:
        """Let *seconds* pass: people come and go with the hour, the driver fails at its rate."""
        self.stations = min(32, max(0, round(self.household * (0.25 + 0.75 * load) + self.rng.gauss(0, 0.7))))
        self.stations_5g = min(self.stations, round(self.stations * 0.65 + self.rng.gauss(0, 0.5)))
        self.stations_5g = max(0, self.stations_5g)
        rate = _BAD_DRIVER_ERRORS_PER_HOUR if self.bad_driver else self.errors_per_hour
        failures = self._occurrences(rate * seconds / 3600)
        self.driver_errors += failures
        if failures:
            self.codes = {"wifi_driver_error_code": self.error_code()}
        self.association_failures += self._occurrences(0.4 * seconds / 3600 * max(1, self.stations))

    def restart(self) -> None:
        """Start counting anew: these totals are since the router started."""
        self.driver_errors = self.association_failures = 0
        self.codes = {}

    def error_code(self) -> int:
        """Return the code the driver fails with; the bad one has a favourite."""
        return _BAD_DRIVER_CODE if self.bad_driver else self.rng.choice(_DRIVER_CODES)

    def reading(self) -> Reading:
        """Return the group `wifi` of a report."""
        return {**self.settings, **self.counts(), **self._levels(), **self.codes}

    def counts(self) -> Reading:
        """Return what changes from report to report."""
        return {
            "wifi_station_count": self.stations,
            "wifi_station_count_2g": self.stations - self.stations_5g,
            "wifi_station_count_5g": self.stations_5g,
            "wifi_association_failures_total": self.association_failures,
            "wifi_driver_errors_total": self.driver_errors,
        }

    def _levels(self) -> Reading:
        if not self.stations:
            return {}
        median = round(self.rng.gauss(-58, 4))
        weakest = min(median, round(self.rng.gauss(-79 if self.short_range else -70, 4)))
        return {"wifi_station_rssi_dbm_min": max(-95, weakest), "wifi_station_rssi_dbm_median": max(-90, median)}

    def _occurrences(self, expected: float) -> int:
        # A normal deviate stands in for Poisson where many are expected; where few are, a coin decides.
        if expected > 5:
            return max(0, round(self.rng.gauss(expected, expected**0.5)))
        return int(expected) + (self.rng.random() < expected % 1)


def _settings(rng: Random, identity: Identity, country: str) -> Reading:
    default_name = f"ZTE_{identity.serial[-6:]}"
    name = default_name if rng.random() < 0.7 else rng.choice(_HOME_NAMES)
    guest = rng.random() < 0.2
    common: Reading = {
        "ssid_2g": name,
        "ssid_5g": name if rng.random() < 0.6 else f"{name}_5G",
        "wifi_enabled": True,
        "wifi_band_steering_enabled": rng.random() < 0.6,
        "guest_wifi_enabled": guest,
        "wifi_tx_power_percent": rng.choice((100, 100, 100, 75, 50)),
        "wifi_regulatory_country": country,
        "wifi_idle_timeout_minutes": rng.choice((0, 0, 10, 30)),
        "wifi_coverage_mode": rng.choice(("long", "long", "medium", "short")),
    }
    return common | _band_2g(rng) | _band_5g(rng) | (_guest(rng) if guest else {})


def _band_2g(rng: Random) -> Reading:
    return {
        "wifi_enabled_2g": True,
        "wifi_channel_2g": rng.choice((0, 1, 6, 11, 13)),
        "wifi_bandwidth_2g_mhz": rng.choice((20, 20, 40)),
        "wifi_mode_2g": rng.choice(("n", "ax")),
        "wifi_security_mode_2g": rng.choice(("wpa2", "wpa2_wpa3", "wpa_wpa2")),
        "wifi_ssid_hidden_2g": rng.random() < 0.05,
        "wifi_ap_isolation_2g": rng.random() < 0.05,
        "wifi_max_stations_2g": 32,
        "wifi_password_strength_2g": rng.choice(("low", "medium", "high", "high")),
    }


def _band_5g(rng: Random) -> Reading:
    return {
        "wifi_enabled_5g": True,
        "wifi_channel_5g": rng.choice((0, 36, 44, 52, 100, 149)),
        "wifi_bandwidth_5g_mhz": rng.choice((40, 80, 80, 160)),
        "wifi_mode_5g": rng.choice(("ac", "ax")),
        "wifi_security_mode_5g": rng.choice(("wpa2", "wpa2_wpa3", "wpa3")),
        "wifi_ssid_hidden_5g": rng.random() < 0.05,
        "wifi_ap_isolation_5g": rng.random() < 0.05,
        "wifi_max_stations_5g": 32,
        "wifi_password_strength_5g": rng.choice(("medium", "high", "high")),
    }


def _guest(rng: Random) -> Reading:
    return {
        "guest_wifi_security_mode": rng.choice(("wpa2", "none", "owe")),
        "guest_station_count": rng.randint(0, 2),
        "guest_wifi_isolation": rng.random() < 0.8,
        "wifi_password_strength_guest": rng.choice(("none", "low", "medium")),
    }
