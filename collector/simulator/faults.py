"""The events a router reports: what happened, when, and the codes an engineer reads."""

from dataclasses import dataclass
from random import Random

Event = dict[str, object]

# Cause, and the EMM or 5GMM cause value the network gave with it, if it gave one.
_RADIO_CAUSES: tuple[tuple[str, int | None], ...] = (("radio_link_failure", None), ("no_signal", None))
_NETWORK_CAUSES: tuple[tuple[str, int | None], ...] = (
    ("network_detach", 10),  # implicitly detached
    ("network_detach", 22),  # congestion
    ("isp_disconnect", 19),  # ESM failure
    ("isp_time_out", None),
    ("authentication_failure", 20),  # MAC failure
)
_ABNORMAL: tuple[tuple[str, str, str], ...] = (
    ("MODEM-0412", "modem", "minor"),
    ("NTP-TIMEOUT", "system", "warning"),
    ("FLASH-ECC-1", "system", "major"),
    ("DHCP-POOL-90", "lan", "warning"),
    ("DNS-0031", "wan", "minor"),
)


@dataclass(frozen=True, slots=True)
class Rates:
    """How often things go wrong, an hour."""

    disconnect: float
    reboot: float
    driver_error: float
    outdated: float
    short_range: float
    abnormal: float = 0.06

    @classmethod
    def of(cls, *, bad_firmware: bool, weak_radio: bool, outdated: bool, short_range: bool) -> "Rates":
        """Return the rates of a router with these troubles; without any, weeks pass between faults."""
        return cls(
            # The bad firmware is bad at one thing: an engineer must not mistake it for poor coverage.
            disconnect=1.5 if weak_radio else 0.12,
            reboot=1.4 if bad_firmware else 0.004,
            driver_error=2.5 if bad_firmware else 0.02,
            outdated=0.15 if outdated else 0.0,
            short_range=0.35 if short_range else 0.0,
        )

    def of_kind(self) -> tuple[tuple[str, float], ...]:
        """Return every kind of event that comes by chance, with its rate."""
        return (
            ("wan_unexpected_disconnect", self.disconnect),
            ("unexpected_reboot", self.reboot),
            ("wifi_driver_error", self.driver_error),
            ("software_version_outdated", self.outdated),
            ("wifi_short_range", self.short_range),
            ("abnormal_data", self.abnormal),
        )


def disconnect_cause(rng: Random, *, weak_radio: bool) -> Event:
    """Return why the network was lost: mostly the air for a router in the cellar, mostly the network for others."""
    causes = _RADIO_CAUSES if rng.random() < (0.85 if weak_radio else 0.3) else _NETWORK_CAUSES
    cause, nas = rng.choice(causes)
    return {"disconnect_cause": cause} | ({} if nas is None else {"nas_cause_code": nas})


def reboot_reason(rng: Random, *, bad_firmware: bool) -> str:
    """Return why the router restarted; only bad firmware crashes again and again."""
    if bad_firmware:
        return rng.choice(("watchdog", "watchdog", "watchdog", "kernel_panic"))
    return rng.choice(("power_loss", "power_loss", "out_of_memory", "unknown"))


def abnormal(rng: Random) -> Event:
    """Return the codes of some abnormal data; never its text."""
    code, component, severity = rng.choice(_ABNORMAL)
    return {
        "fault_code": code,
        "fault_component": component,
        "fault_severity": severity,
        "fault_count": rng.randint(1, 5),
    }
