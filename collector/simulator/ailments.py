"""The faults that are planted in routers of the ward, each by its effect on what the router does and measures."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from collector.simulator.faults import Event, Rates
from collector.simulator.products import BAD_FIRMWARE
from collector.simulator.router import Router
from collector.simulator.uplink import stamp

Report = dict[str, object]


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a report covers: from the previous turn to its own."""

    since: datetime
    until: datetime


def _nothing(_router: Router, _rng: Random) -> None:
    """Change nothing at the onset."""


def _no_more(_router: Router, _report: Report, _span: Span, _rng: Random) -> None:
    """Change nothing in a report."""


@dataclass(frozen=True, slots=True)
class Ailment:
    """One fault: what changes in the router at its onset, and what shows in every report from then on."""

    name: str
    begin: Callable[[Router, Random], None] = _nothing
    show: Callable[[Router, Report, Span, Random], None] = _no_more
    from_the_start: bool = False
    """A setting or an age rather than something that happens."""
    needs_battery: bool = False
    silences: bool = False
    clock_error: timedelta = timedelta()


def _group(report: Report, name: str) -> dict[str, object]:
    group = report.setdefault(name, {})
    assert isinstance(group, dict)
    return group


def _tell(report: Report, span: Span, rng: Random, rate_an_hour: float, event: Callable[[], Event]) -> list[datetime]:
    """Add what happened in the time that the report covers, at a rate that no report changes; return when."""
    events = report.setdefault("events", [])
    assert isinstance(events, list)
    times = []
    at = span.since + timedelta(hours=rng.expovariate(rate_an_hour))
    while at < span.until:
        times.append(at)
        events.append({"time": stamp(at), **event()})
        at += timedelta(hours=rng.expovariate(rate_an_hour))
    if not events:
        del report["events"]
    return times


def _weak(router: Router, rng: Random) -> None:
    router.radio.base_dbm = rng.uniform(-123, -117)


def _interfered(router: Router, rng: Random) -> None:
    router.radio.base_dbm = max(router.radio.base_dbm, -100)
    router.radio.interference_db = rng.uniform(26, 34)


def _refused(_router: Router, report: Report, span: Span, rng: Random) -> None:
    def disconnect() -> Event:
        cause, code = rng.choice((("authentication_failure", 20), ("network_detach", 7), ("network_detach", 15)))
        return {"event": "wan_unexpected_disconnect", "disconnect_cause": cause, "nas_cause_code": code}

    _tell(report, span, rng, 0.5, disconnect)


def _unregistered(_router: Router, report: Report, _span: Span, rng: Random) -> None:
    if rng.random() < 0.8:
        _group(report, "network")["wan_connection_state"] = rng.choice(("no_service", "no_service", "limited"))


def _disconnects(router: Router, rng: Random) -> None:
    router.rates = replace(router.rates, disconnect=rng.uniform(0.35, 2.0))


def restarting(*reasons: str, rate: float) -> Callable[[Router, Report, Span, Random], None]:
    """Restarts for one of these reasons, *rate* an hour."""

    def show(router: Router, report: Report, span: Span, rng: Random) -> None:
        def restart() -> Event:
            return {"event": "unexpected_reboot", "reboot_reason": rng.choice(reasons)}

        if times := _tell(report, span, rng, rate, restart):
            router.booted = times[-1]
            _group(report, "router")["uptime_seconds"] = int((span.until - times[-1]).total_seconds())

    return show


def _bad_driver(router: Router, _rng: Random) -> None:
    router.wifi.bad_driver = True


def _small_range(router: Router, _rng: Random) -> None:
    router.wifi.settings["wifi_coverage_mode"] = "short"
    router.wifi.household = max(8, router.wifi.household)
    router.rates = replace(router.rates, short_range=0.15)


def _weak_password(router: Router, rng: Random) -> None:
    router.wifi.settings[f"wifi_password_strength_{rng.choice(('2g', '5g'))}"] = rng.choice(("low", "none"))


def _old_encryption(router: Router, rng: Random) -> None:
    router.wifi.settings["wifi_security_mode_2g"] = rng.choice(("none", "wep", "wpa"))


def _crowd(router: Router, rng: Random) -> None:
    router.wifi.household = rng.randint(50, 60)
    router.wifi.settings |= {"wifi_max_stations_2g": 16, "wifi_max_stations_5g": 22}


def _bad_channel(router: Router, rng: Random) -> None:
    key, value = rng.choice((("wifi_bandwidth_2g_mhz", 40), ("wifi_channel_2g", 3), ("wifi_channel_2g", 8)))
    router.wifi.settings[key] = value


def _worn(router: Router, rng: Random) -> None:
    assert router.battery is not None
    router.battery.drain = rng.uniform(32.0, 46.0)


def _hot(_router: Router, report: Report, _span: Span, rng: Random) -> None:
    power = _group(report, "power")
    if power:
        power["battery_temperature_celsius"] = round(rng.gauss(60, 1.5), 1)


def _kept_full(_router: Router, report: Report, _span: Span, rng: Random) -> None:
    power = _group(report, "power")
    if power:
        power |= {"battery_percent": rng.choice((99, 100)), "battery_discharge_percent_per_hour": 0.0}
        power |= {"battery_charging": rng.random() < 0.5, "battery_long_charge_mode": False}


def _over_limit(router: Router, _rng: Random) -> None:
    router.link.limit_bytes = router.link.received


def _outdated(router: Router, _rng: Random) -> None:
    router.build = replace(router.build, firmware=router.build.model.firmware[0])
    router.rates = replace(router.rates, outdated=0.1)


def _flapping(_router: Router, report: Report, span: Span, rng: Random) -> None:
    now = span.until
    session = _group(report, "session")
    session.clear()
    sessions = int(now.timestamp() // 150)  # every two and a half minutes
    session |= {
        "acs_session_start_time": stamp(now - timedelta(seconds=rng.randrange(10, 60))),
        "acs_session_end_time": stamp(now - timedelta(seconds=5)),
        "acs_session_seconds": rng.randint(2, 4),
        "acs_session_seconds_total": sessions % 1_000_000 * 3,
    }


def _codes(_router: Router, report: Report, span: Span, rng: Random) -> None:
    code: Event = {"event": "abnormal_data", "fault_code": "FLASH-ECC-1", "fault_component": "system"}
    _tell(report, span, rng, 0.5, lambda: code | {"fault_severity": "major", "fault_count": rng.randint(1, 9)})


def _overlap(router: Router, _rng: Random) -> None:
    router.link.addresses = {"wan_ipv4": "192.168.0.7", "lan_ipv4": "192.168.0.1/24"}


def _take_bad_firmware(router: Router, _rng: Random) -> None:
    router.build = replace(router.build, firmware=BAD_FIRMWARE)
    bad = Rates.of(bad_firmware=True, weak_radio=False, outdated=False, short_range=False)
    router.rates = replace(router.rates, reboot=bad.reboot, driver_error=bad.driver_error)
    router.wifi.bad_driver = True


BAD_UPDATE = Ailment("bad_update", _take_bad_firmware)
"""Takes the firmware that is bad on purpose: not a router's fault but a version's, for surveys of a fleet."""
AILMENTS = (
    Ailment("signal_weak", _weak),
    Ailment("signal_interfered", _interfered),
    Ailment("attach_refused", show=_refused),
    Ailment("registration_lost", show=_unregistered),
    Ailment("disconnects_frequent", _disconnects),
    Ailment("addresses_overlap", _overlap),
    Ailment("restarts_watchdog", show=restarting("watchdog", rate=0.25)),
    Ailment("restarts_crash", show=restarting("kernel_panic", "out_of_memory", rate=0.12)),
    Ailment("restarts_power", show=restarting("power_loss", rate=0.35)),
    Ailment("restarts_thermal", show=restarting("overheat", rate=0.12)),
    Ailment("restarts_unexplained", show=restarting("unknown", rate=0.35)),
    Ailment("wifi_driver_errors", _bad_driver),
    Ailment("wifi_short_range", _small_range),
    Ailment("wifi_password_weak", _weak_password, from_the_start=True),
    Ailment("wifi_security_old", _old_encryption, from_the_start=True),
    Ailment("wifi_crowded", _crowd),
    Ailment("wifi_badly_set", _bad_channel, from_the_start=True),
    Ailment("battery_worn", _worn, from_the_start=True, needs_battery=True),
    Ailment("battery_hot", show=_hot, needs_battery=True),
    Ailment("battery_long_charge", show=_kept_full, from_the_start=True, needs_battery=True),
    Ailment("data_limit_reached", _over_limit),
    Ailment("software_old", _outdated, from_the_start=True),
    Ailment("acs_flapping", show=_flapping),
    Ailment("abnormal_codes", show=_codes),
    Ailment("clock_wrong", clock_error=timedelta(minutes=-40)),
    Ailment("data_stopped", silences=True),
)
"""Named as the rules of the diagnosis name what they find; that is all the two share."""
