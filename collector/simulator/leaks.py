"""What faulty firmware sends along in an otherwise good report: things that must never leave the router.

All of it is made up, and marked so that a search for `leaked-` in any store, spool, log or metric must find nothing.
"""

from collections.abc import Callable

from collector.simulator.publication import Draft

CANARY = "leaked-"
"""The beginning of every planted text; found anywhere behind the collector, it is a bug of the collector."""


def add(draft: Draft) -> None:
    """Put one kind of local-only content into *draft*, another kind next time; the rest of it stays good."""
    _KINDS[draft.number % len(_KINDS)](draft)


def _messages(draft: Draft) -> None:
    draft.report["sms"] = [
        {"id": 1, "number": "+491550000001", "content": f"{CANARY}sms your code: 0000", "date": "26,11,21,17,00"},
        {"id": 2, "number": "+491550000002", "content": f"{CANARY}sms see you at eight", "date": "26,11,21,17,05"},
    ]
    draft.report["sms_unread_num"] = 2


def _contacts(draft: Draft) -> None:
    draft.report["contacts"] = [{"name": f"{CANARY}contact", "phone_number": "+491550000003"}]
    draft.group("sim")["msisdn"] = "+491550000004"


def _keys(draft: Draft) -> None:
    draft.group("wifi").update(wifi_password=f"{CANARY}wifi-key", WPAPSK1=f"{CANARY}psk", wps_pin="00000000")
    draft.group("settings")["admin_Password"] = f"{CANARY}admin"


def _location(draft: Draft) -> None:
    draft.report["location"] = {"lat": 52.5000001, "lon": 13.4000001}
    draft.report |= {"lat": 52.5000001, "lon": 13.4000001}


def _stations(draft: Draft) -> None:
    draft.group("wifi")["station_list"] = [
        {"mac_addr": "02:00:5E:00:00:01", "hostname": f"{CANARY}phone-of-anna", "ip_addr": "192.168.0.101"},
        {"mac_addr": "02:00:5E:00:00:02", "hostname": f"{CANARY}tv-bedroom", "ip_addr": "192.168.0.102"},
    ]


def _access(draft: Draft) -> None:
    draft.group("network").update(wan_apn=f"{CANARY}apn", ppp_username=f"{CANARY}user", ppp_passwd=f"{CANARY}secret")
    draft.group("settings")["APN_config0"] = f"{CANARY}apn($)manual($)user($)secret"


_KINDS: tuple[Callable[[Draft], None], ...] = (_messages, _contacts, _keys, _location, _stations, _access)
