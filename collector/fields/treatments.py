"""The treatments: what becomes of a value on its way into the record (D10).

Rule 1: a treatment is a function of the group as it arrived and of its surroundings; it does no I/O.
Rule 2: every field whose treatment is more than `keep` is named here, in `TREATED` or `AS_SENT`; `select` refuses a
        catalogue where one is not.
Rule 3: a raw identifier or address leaves a treatment as a pseudonym, a class or nothing.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from collector.fields.addresses import overlap, wan_class
from collector.model import Sealed
from collector.pseudonym import Pseudonymiser

MIB: Final = 1 << 20
MIN_STATIONS: Final = 3
"""Below this many stations an aggregate over them would describe a person's device (U33)."""


class Products(Sealed, frozen=True):
    """The closed lists behind fields of type `list`, and what counts as a factory setting."""

    manufacturers: frozenset[str]
    models: frozenset[str]
    carriers: Mapping[str, str]
    is_default_ssid: Callable[[str], bool]
    default_lan_domains: frozenset[str]


class Surroundings(Sealed, frozen=True, gc=False):
    """What a treatment may look at beside its own group."""

    pseudonyms: Pseudonymiser
    products: Products
    plmn: str | None
    """The serving network, for the pseudonym of a cell."""
    made: Any = None
    """What the compiled writer remembers of a region (`native.bodies`), where there is one."""

    def in_network(self, plmn: str | None) -> "Surroundings":
        """The same in another serving network."""
        return self if plmn == self.plmn else Surroundings(self.pseudonyms, self.products, plmn, self.made)


Treat = Callable[[Any, Surroundings], Any]


class Treatment(NamedTuple):
    """What is done for one field, and the members of its group it *reads*: it is called if one of them is there.

    Apart from these it may look at those *beside* them, and, if it is *in_network*, at the serving network; what it
    makes follows from that alone. One that only rounds up to a multiple says of what.
    """

    reads: tuple[str, ...]
    treat: Treat
    beside: tuple[str, ...] = ()
    in_network: bool = False
    multiple_of: int = 0


def _listed(name: str, values: str) -> Treat:
    def treat(group: Any, around: Surroundings) -> Any:
        value = getattr(group, name)
        return value if value in getattr(around.products, values) else "other"

    return treat


def _sim_ref(group: Any, around: Surroundings) -> Any:
    """Of the IMSI, else of the ICCID; never both, which would link them (U08)."""
    if group.imsi is not UNSET:
        return around.pseudonyms.text("imsi", group.imsi)
    return around.pseudonyms.text("iccid", group.iccid)


def _home_mcc(group: Any, _: Surroundings) -> Any:
    return group.imsi[:3]


def _carrier_name(group: Any, around: Surroundings) -> Any:
    return around.products.carriers.get(group.plmn, "other")


def _wan_ip_class(group: Any, _: Surroundings) -> Any:
    if group.wan_ip_class is not UNSET or (group.wan_ipv4 is UNSET and group.wan_ipv6 is UNSET):
        return group.wan_ip_class
    return wan_class(group.wan_ipv4 or None, group.wan_ipv6 or None) or UNSET


def _subnet_overlap(group: Any, _: Surroundings) -> Any:
    if group.lan_wan_subnet_overlap is not UNSET or group.lan_ipv4 is UNSET or group.wan_ipv4 is UNSET:
        return group.lan_wan_subnet_overlap
    return overlap(group.lan_ipv4, group.wan_ipv4)


def _ssid_ref(name: str) -> Treat:
    def treat(group: Any, around: Surroundings) -> Any:
        ssid = getattr(group, name)
        return around.pseudonyms.text("ssid", ssid) if _is_ssid(ssid) else UNSET

    return treat


def _is_ssid(name: Any) -> bool:
    """An SSID is at most 32 octets (IEEE 802.11, 9.4.2.2); anything longer is not one."""
    return name is not UNSET and len(name if name.isascii() else name.encode()) <= 32  # noqa: PLR2004


def _ssid_is_default(group: Any, around: Surroundings) -> Any:
    found = group.ssid_is_default
    if found is not UNSET:
        return found
    for name in (group.ssid_2g, group.ssid_5g):
        if _is_ssid(name):
            if not around.products.is_default_ssid(name):
                return False
            found = True
    return found


def _lan_domain_is_default(group: Any, around: Surroundings) -> Any:
    if group.lan_domain_is_default is not UNSET or group.lan_domain is UNSET:
        return group.lan_domain_is_default
    return group.lan_domain.lower().rstrip(".") in around.products.default_lan_domains


def _enough_stations(name: str) -> Treatment:
    def treat(group: Any, _: Surroundings) -> Any:
        count = group.wifi_station_count
        return UNSET if count is UNSET or count < MIN_STATIONS else getattr(group, name)

    return Treatment((name,), treat, beside=("wifi_station_count",))


def _mebibytes(name: str) -> Treatment:
    def treat(group: Any, _: Surroundings) -> Any:
        value = getattr(group, name)
        return value + -value % MIB

    return Treatment((name,), treat, multiple_of=MIB)


def _minute(name: str) -> Treat:
    def treat(group: Any, _: Surroundings) -> Any:
        return minute_text(getattr(group, name))

    return treat


def _cell_ref(event: Any, around: Surroundings) -> Any:
    """Of network and cell together: a cell id alone is not unique (3GPP TS 23.003, 19.6)."""
    if around.plmn is None:
        return UNSET
    return around.pseudonyms.text("cell", f"{around.plmn}-{event.cell_id}")


TREATED: Final[dict[str, Treatment]] = {
    "manufacturer": Treatment(("manufacturer",), _listed("manufacturer", "manufacturers")),
    "model_name": Treatment(("model_name",), _listed("model_name", "models")),
    "sim_ref": Treatment(("imsi", "iccid"), _sim_ref),
    "home_mcc": Treatment(("imsi",), _home_mcc),
    "carrier_name": Treatment(("plmn",), _carrier_name),
    "wan_ip_class": Treatment(("wan_ip_class", "wan_ipv4", "wan_ipv6"), _wan_ip_class),
    "lan_wan_subnet_overlap": Treatment(("lan_wan_subnet_overlap", "lan_ipv4"), _subnet_overlap, beside=("wan_ipv4",)),
    "ssid_2g_ref": Treatment(("ssid_2g",), _ssid_ref("ssid_2g")),
    "ssid_5g_ref": Treatment(("ssid_5g",), _ssid_ref("ssid_5g")),
    "ssid_is_default": Treatment(("ssid_is_default", "ssid_2g", "ssid_5g"), _ssid_is_default),
    "lan_domain_is_default": Treatment(("lan_domain_is_default", "lan_domain"), _lan_domain_is_default),
    "wifi_station_rssi_dbm_min": _enough_stations("wifi_station_rssi_dbm_min"),
    "wifi_station_rssi_dbm_median": _enough_stations("wifi_station_rssi_dbm_median"),
    "wifi_association_failures_total": _enough_stations("wifi_association_failures_total"),
    "wan_rx_bytes_month": _mebibytes("wan_rx_bytes_month"),
    "wan_tx_bytes_month": _mebibytes("wan_tx_bytes_month"),
    "acs_session_start_time": Treatment(("acs_session_start_time",), _minute("acs_session_start_time")),
    "acs_session_end_time": Treatment(("acs_session_end_time",), _minute("acs_session_end_time")),
    "cell_ref": Treatment(("cell_id",), _cell_ref, in_network=True),
}
"""The treatment of each field that is worked out or coarsened here."""

AS_SENT: Final = frozenset(
    {
        "apn_class", "wifi_password_strength_2g", "wifi_password_strength_5g", "wifi_password_strength_guest",
        "fault_code", "fault_component", "fault_severity", "fault_count", "disconnect_snapshot",
    }
)  # fmt: skip
"""Fields that are treated before they arrive, by the router or by their type, or group by group."""


_CLOCKS_SET_SINCE: Final = 2015
"""Earlier years come from clocks that were never set: 1970, 0001, a build date."""
_CLOCKS_GONE_WILD: Final = 2100


def utc(when: datetime) -> datetime | None:
    """The time in UTC, or None if the calendar ends before it."""
    try:
        return when.astimezone(UTC)
    except OverflowError:
        return None


def minute_text(when: datetime) -> Any:
    """RFC 3339 UTC with the seconds set to zero (U46, U47); nothing for a clock that was not set (1.7.8)."""
    moment = utc(when)
    if moment is None or not _CLOCKS_SET_SINCE <= moment.year < _CLOCKS_GONE_WILD:
        return UNSET
    return moment.replace(second=0, microsecond=0, tzinfo=None).isoformat() + "Z"
