"""What happens to a healthy router: it is switched off, cut off, updated late, and its modem reports nonsense."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from collector.simulator.products import Firmware
from collector.simulator.router import Build, Router
from collector.simulator.uplink import stamp

Report = dict[str, object]

_OUTLIER_CHANCE = 0.004  # of a report: a modem between two cells, a driver without a reading
_LOST_CHANCE = 0.01  # of a report


@dataclass(slots=True)
class Life:
    """One owner's habits and one line's accidents; the same seed leads the same life."""

    rng: Random
    off_at_night: bool
    away: tuple[datetime, datetime] | None
    """When it lies in a drawer."""
    outage: tuple[datetime, datetime] | None
    """When it measures but cannot deliver: afterwards all that waited comes at once."""
    updated_at: datetime | None
    """When it takes the version that is offered; the offer came some days before."""
    guests: tuple[datetime, datetime] | None
    """A party: many stations for an evening."""
    mishaps: list[tuple[datetime, dict[str, object]]]
    """What goes wrong once, and means nothing: a plug pulled twice, a panic, a hot afternoon."""
    clock_error: timedelta
    """Clocks are off by seconds."""
    garden_dbm: int | None
    """The level of a station far away, where there is one."""

    @classmethod
    def draw(cls, rng: Random, *, battery: bool, start: datetime) -> "Life":
        """Return a life from *start* on; hotspots with a battery are switched off and put away."""

        def some(chance: float, shortest: float, longest: float) -> tuple[datetime, datetime] | None:
            if rng.random() >= chance:
                return None
            begin = start + timedelta(hours=rng.uniform(5, 140))
            return begin, begin + timedelta(hours=rng.uniform(shortest, longest))

        return cls(
            rng=rng,
            off_at_night=battery and rng.random() < 0.5,
            away=some(0.15, 12, 60) if battery else some(0.04, 1, 10),
            outage=some(0.15, 0.5, 14),
            updated_at=start + timedelta(hours=rng.uniform(10, 90)) if rng.random() < 0.2 else None,
            guests=some(0.1, 2, 5),
            mishaps=_mishaps(rng, start),
            clock_error=timedelta(seconds=rng.gauss(0, 12)),
            garden_dbm=rng.randint(-88, -80) if rng.random() < 0.15 else None,
        )

    def settle(self, router: Router) -> None:
        """Let it begin with an older version, if it is to be updated."""
        if self.updated_at is not None:
            before = next((f for f in router.build.model.firmware if not f.bad), None)
            if before is not None:
                router.build = _with(router, before)

    def is_off(self, now: datetime) -> bool:
        """Whether it is switched off, or lost this very report."""
        hour = now.hour + now.minute / 60
        if self.off_at_night and (hour >= 23.5 or hour < 6.5):
            return True
        return _within(self.away, now)

    def is_cut_off(self, now: datetime) -> bool:
        """Whether what it measures has to wait."""
        return _within(self.outage, now)

    def disturb(self, report: Report, since: datetime, now: datetime) -> None:
        """Put what happens to healthy routers from *since* to *now* into *report*."""
        signal, wifi = _group(report, "signal"), _group(report, "wifi")
        if self.rng.random() < _OUTLIER_CHANCE and signal:
            signal.update(rsrp_dbm=-140, rsrq_db=-19.5, sinr_db=-20.0)
        if self.rng.random() < _OUTLIER_CHANCE and wifi:
            wifi["wifi_station_rssi_dbm_min"] = -94
        if self.garden_dbm is not None and "wifi_station_rssi_dbm_min" in wifi:
            wifi["wifi_station_rssi_dbm_min"] = self.garden_dbm
        self._tell_mishaps(report, since, now)
        if _within(self.guests, now) and wifi:
            wifi.update(wifi_station_count=30, wifi_station_count_2g=10, wifi_station_count_5g=20)
        if self.rng.random() < _LOST_CHANCE:
            for group in ("signal", "power", "session"):
                report.pop(group, None)

    def _tell_mishaps(self, report: Report, since: datetime, now: datetime) -> None:
        due = [(at, event) for at, event in self.mishaps if at < now]
        self.mishaps = [(at, event) for at, event in self.mishaps if at >= now]
        for at, event in due:
            # A mishap before the last turn fell into a time when the router was off: it did not happen.
            if at >= since:
                events = report.setdefault("events", [])
                assert isinstance(events, list)
                events.append({**event, "time": stamp(at)})

    def update(self, router: Router, now: datetime) -> None:
        """Install the version offered, when its time has come."""
        if self.updated_at is not None and now >= self.updated_at:
            self.updated_at = None
            router.build = _with(router, router.build.model.firmware[-1])
            router.booted = now


def _mishaps(rng: Random, start: datetime) -> list[tuple[datetime, dict[str, object]]]:
    found: list[tuple[datetime, dict[str, object]]] = []

    def happen(chance: float, times: int, event: dict[str, object]) -> None:
        if rng.random() < chance:
            evening = start + timedelta(hours=rng.uniform(2, 160))
            found.extend((evening + timedelta(minutes=rng.uniform(0, 90)), event) for _ in range(times))

    happen(0.08, 2, {"event": "unexpected_reboot", "reboot_reason": "power_loss"})
    happen(0.02, 1, {"event": "unexpected_reboot", "reboot_reason": "kernel_panic"})
    happen(0.02, 1, {"event": "unexpected_reboot", "reboot_reason": "watchdog"})
    happen(0.01, 1, {"event": "unexpected_reboot", "reboot_reason": "overheat"})
    happen(0.05, 3, {"event": "wan_unexpected_disconnect", "disconnect_cause": "radio_link_failure"})
    happen(0.05, 2, {"event": "abnormal_data", "fault_code": "NTP-TIMEOUT", "fault_severity": "warning"})
    return found


def _with(router: Router, firmware: Firmware) -> Build:
    return replace(router.build, firmware=firmware)


def _within(span: tuple[datetime, datetime] | None, now: datetime) -> bool:
    return span is not None and span[0] <= now < span[1]


def _group(report: Report, name: str) -> dict[str, object]:
    group = report.get(name)
    return group if isinstance(group, dict) else {}
