"""One router that behaves: it lives from round to round and reports how it fared.

Rule 1: time only moves forward, and no report holds anything older than the one before it or newer than itself.
Rule 2: a router has no clock and no randomness but what it is given, so the same seed gives the same life.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from collector.simulator import faults
from collector.simulator.battery import Battery
from collector.simulator.faults import Event, Rates
from collector.simulator.identity import Identity
from collector.simulator.products import Firmware, Model
from collector.simulator.radio import Radio
from collector.simulator.uplink import Link, Sessions, stamp
from collector.simulator.wifi import Wifi
from collector.simulator.world import Cell, Place

Report = dict[str, object]


@dataclass(frozen=True, slots=True)
class Build:
    """What one router is, before it has lived a minute."""

    identity: Identity
    place: Place
    model: Model
    firmware: Firmware
    worn_battery: bool = False
    poor_coverage: bool = False


@dataclass(slots=True)
class Router:
    """A router's state; `advance` moves it on, `report` tells it."""

    rng: Random
    build: Build
    radio: Radio
    wifi: Wifi
    link: Link
    sessions: Sessions
    battery: Battery | None
    cell: Cell
    rates: Rates
    settings: Report
    booted: datetime
    lived_until: datetime
    watchdog_reboots: int
    events: list[Event] = field(default_factory=list)

    @classmethod
    def start(cls, rng: Random, build: Build, now: datetime) -> "Router":
        """Return a router that has been running for a while at *now* and has nothing to tell yet."""
        radio = Radio.draw(rng, build.model.rats, poor=build.poor_coverage)
        wifi = Wifi.draw(rng, build.identity, build.place.country, bad_driver=build.firmware.bad)
        booted = now - timedelta(seconds=rng.randrange(600, 20_000 if build.firmware.bad else 2_500_000))
        link = Link.draw(rng, build.identity, build.place, now)
        link.up_since = max(link.up_since, booted + timedelta(seconds=40))
        return cls(
            rng=rng,
            build=build,
            radio=radio,
            wifi=wifi,
            link=link,
            sessions=Sessions.draw(rng, now),
            battery=Battery.draw(rng, worn=build.worn_battery) if build.model.battery else None,
            cell=Cell.near(rng),
            rates=_rates(build, radio, wifi),
            settings=_settings(rng, build),
            booted=booted,
            lived_until=now,
            watchdog_reboots=rng.randint(20, 60) if build.firmware.bad else rng.randint(0, 2),
        )

    def advance(self, now: datetime) -> None:
        """Live until *now*; what happens on the way waits for the next report."""
        seconds = max(0.0, (now - self.lived_until).total_seconds())
        load = self.build.place.load(now)
        self.radio.advance(seconds)
        self.wifi.advance(seconds, load)
        self.link.advance(seconds, self.build.place.local(now), self.radio.speeds(load))
        self.sessions.advance(now)
        for at, kind in self._what_happened(now, seconds):
            self.events.append(self._happen(kind, at, now))
        self.lived_until = max(now, self.lived_until)

    def forget(self, until: datetime) -> None:
        """Say nothing of what happens up to *until*: before that its owner is not in the programme."""
        self.events.clear()
        self.sessions.forget(until)
        self.lived_until = max(until, self.lived_until)

    def report(self, now: datetime) -> Report:
        """Return the groups and events of a report at *now*; events are told once."""
        events, self.events = self.events, []
        groups: Report = {
            "router": self._router(now),
            "sim": {"imsi": self.build.identity.imsi, "iccid": self.build.identity.iccid},
            **self._measured(now),
            "wifi": self.wifi.reading(),
            "session": self.sessions.reading(),
            "settings": self.settings,
        }
        told = groups | ({"events": events} if events else {})
        return {name: content for name, content in told.items() if content}

    def _router(self, now: datetime) -> Report:
        identity, model = self.build.identity, self.build.model
        return {
            "serial": identity.serial,
            "imei": identity.imei,
            "mac": identity.mac,
            "manufacturer": "ZTE",
            "device_type": model.device_type,
            "model_name": model.name,
            "software_version": self.build.firmware.version,
            "hardware_version": model.hardware,
            "uptime_seconds": max(0, int((now - self.booted).total_seconds())),
        }

    def _measured(self, at: datetime, state: str = "connected", fading_db: float = 0.0) -> Report:
        load = self.build.place.load(at)
        return {
            "network": self.link.network(at, self.radio.rat, state),
            "signal": self.radio.measure(load, fading_db=fading_db),
            "power": self.battery.reading() if self.battery else {},
            "usage": self.link.usage(),
        }

    def _what_happened(self, now: datetime, seconds: float) -> list[tuple[datetime, str]]:
        emptied = self.battery is not None and self.battery.advance(seconds)
        # Events have whole seconds and must lie after the last report, not on it.
        room = int((now.replace(microsecond=0) - self.lived_until).total_seconds())
        if room < 1:
            return []
        kinds = [kind for kind, rate in self.rates.of_kind() if self.rng.random() < rate * seconds / 3600]
        kinds += ["battery_empty"] * emptied + ["data_limit_exceeded"] * self.link.over_limit
        base = now.replace(microsecond=0)
        return sorted((base - timedelta(seconds=self.rng.randrange(room)), kind) for kind in kinds)

    def _happen(self, kind: str, at: datetime, now: datetime) -> Event:
        event: Event = {"event": kind, "time": stamp(at)}
        details: Event = {}
        match kind:
            case "wan_unexpected_disconnect":
                details = self._lose_network(at, now)
            case "unexpected_reboot":
                reason = faults.reboot_reason(self.rng, bad_firmware=self.build.firmware.bad)
                details = self._restart(at, now, reason)
            case "battery_empty":
                details = {"event": "unexpected_reboot"} | self._restart(at, now, "power_loss")
            case "wifi_driver_error":
                details = {"wifi_driver_error_code": self.wifi.error_code()}
            case "software_version_outdated":
                details = {"available_software_version": self.build.model.newest}
            case "data_limit_exceeded":
                self.link.limit_told = True
                details = {"data_alert_percent": 90}
            case "abnormal_data":
                details = faults.abnormal(self.rng)
        return event | details

    def _lose_network(self, at: datetime, now: datetime) -> Event:
        cause = faults.disconnect_cause(self.rng, weak_radio=self.radio.weak)
        faded = 18.0 if cause["disconnect_cause"] in {"radio_link_failure", "no_signal"} else 0.0
        snapshot = self._measured(at, "disconnected", faded) | {"wifi": self.wifi.counts()}
        self.link.disconnects_today += 1
        self.link.up_since = min(now, at + timedelta(seconds=self.rng.randint(8, 150)))
        where = {"cell_id": self.cell.number(self.radio.rat)}
        return cause | where | {"disconnect_snapshot": {group: values for group, values in snapshot.items() if values}}

    def _restart(self, at: datetime, now: datetime, reason: str) -> Event:
        self.booted = at
        self.link.up_since = min(now, at + timedelta(seconds=self.rng.randint(35, 70)))
        self.wifi.restart()
        self.sessions.total = 0
        self.watchdog_reboots += reason == "watchdog"
        return {"reboot_reason": reason, "watchdog_reboots_total": self.watchdog_reboots}


def _rates(build: Build, radio: Radio, wifi: Wifi) -> Rates:
    return Rates.of(
        bad_firmware=build.firmware.bad,
        weak_radio=radio.weak,
        outdated=build.firmware.version != build.model.newest,
        short_range=wifi.short_range,
    )


def _settings(rng: Random, build: Build) -> Report:
    return {
        "lan_domain": "zte.home",
        "dhcp_server_enabled": rng.random() < 0.95,
        "auto_update_check_enabled": rng.random() < 0.7,
        "sleep_schedule_enabled": rng.random() < 0.2,
        "led_schedule_enabled": rng.random() < 0.2,
        "firewall_enabled": rng.random() < 0.9,
        "firewall_policy_level": rng.choice(("low", "medium", "medium", "high")),
        "port_forward_rule_count": rng.choice((0, 0, 0, 1, 3)),
        "upnp_enabled": rng.random() < 0.6,
        "dmz_enabled": rng.random() < 0.05,
        "remote_management_enabled": rng.random() < 0.1,
        "wan_ping_blocked": rng.random() < 0.8,
        "available_software_version": build.model.newest,
    }
