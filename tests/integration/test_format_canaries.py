"""Canaries in every format of the sources, through the real broker: none may be found behind the collector.

What is published is a format's own: its names for what must stay on the router, its packings (JSON within a text, lists
joined with `($)`, base64, hex UCS-2, QR codes), in payload, topic and user properties. The router has joined and its
messages are kept, which a control among their values shows; some of them wait in the spool meanwhile. Then every byte
that was written or said is searched.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from collector.formats.adapters import KINDS
from collector.formats.aliases import load_aliases

from .harness import Site, files_below, traces, wait_until
from .test_canary import ADDRESS, CANARY, NUMBER, carried, refused_names, ucs2, wrapped
from .test_outages import wait_quiet
from .test_sources import ROUTER, join

CONTROL: Final = "Control-7.B07"
HERE: Final = "germany"
AT_ONCE: Final = 250
"""Names in one message."""
Sent = tuple[str, bytes]
"""Topic and payload."""


def soon(number: int) -> int:
    """A second after the join, which has just been, and another one a message: a clock may be so far ahead."""
    return int(time.time()) + 2 + number


def text_of(seconds: int) -> str:
    """The same in ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def packings() -> dict[str, Any]:
    """The carriers of catalogue 1.7.6, each as the firmware that has it writes it."""
    secret = json.dumps({"Device.WiFi.AccessPoint.1.Security.KeyPassphrase": CANARY, CANARY: CANARY})
    message = {"id": "1", "number": str(NUMBER), "content": ucs2(CANARY), "date": "26,11,21,17,00,00,+4"}
    return {
        "APN_config0": f"{CANARY}($){CANARY}($)manual($)*99#($)pap($){CANARY}($){CANARY}($)IPv4v6($)auto",
        "ngbr_cell_info": f"6300,{CANARY},-97,-11;1300,12,{NUMBER},-9",
        "wifi_profile": f"WIFI:S:{CANARY};T:WPA;P:{CANARY};H:false;;",
        "QrImageText": f"WIFI:T:WPA;S:{CANARY};P:{CANARY};;",
        "ParameterMap": secret,
        "Data": json.dumps({"Report": [{"Device.WiFi.SSID.1.SSID": CANARY, CANARY: secret}]}),
        "sms_data_total": {"messages": [message, {CANARY: [CANARY]}]},
        "pbm_data_info": [{"pbm_name": ucs2(CANARY), "pbm_number": str(NUMBER)}],
        "ussd_data": base64.b64encode(CANARY.encode()).decode(),
        "WPAPSK1_encode": base64.b64encode(f"12{CANARY}".encode()).decode(),
        "station_list": [{"hostname": CANARY, "mac_addr": "aa:bb:cc:00:11:22", "ip_addr": ADDRESS}],
        "station_mac": f"aa:bb:cc:00:11:22;{CANARY};",
        "spn_name_data": ucs2(CANARY),
        "X_Unheard_Of": json.dumps({"list": [json.dumps({CANARY: secret})]}),
        CANARY: CANARY,
    }


def crowds(kind: str) -> Iterator[dict[str, Any]]:
    """Names and values: the packings, then each refused name in all its positions, so many a message."""
    entries = load_aliases(KINDS[kind].aliases).alias
    conditions = {when.name for alias in entries for when in alias.conditions}
    known = {name.replace("{i}", "1") for alias in entries for name in (*alias.names, *conditions)}
    yield {name: value for name, value in packings().items() if name not in known}
    names = [name for name in refused_names() if name not in known]
    assert len(names) > 1000
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        yield {key: value for name in some for key, value in wrapped(name, CANARY).items() if key not in known}


def goform(names: dict[str, Any], number: int) -> list[Sent]:
    """A flat answer of the local interface."""
    said = {"time": soon(number), "wa_inner_version": CONTROL, "uptime": "77"}
    return [(f"goform/{ROUTER}/{CANARY}", json.dumps(names | said).encode())]


def ubus(names: dict[str, Any], number: int) -> list[Sent]:
    """Answers below the names of calls, and in the envelope of JSON-RPC."""
    answer = {"jsonrpc": "2.0", "id": number, "result": [0, names | {"wa_inner_version": CONTROL}]}
    document = {"time": soon(number), "nwinfo": answer, CANARY: names}
    return [(f"ubus/{ROUTER}/{CANARY}", json.dumps(document).encode())]


def bulk_data(names: dict[str, Any], number: int) -> list[Sent]:
    """A report in either format, CSV with the same beside the first, and what RDK-B sends beside it."""
    said: dict[str, Any] = {"CollectionTime": soon(number), "Device.DeviceInfo.SoftwareVersion": CONTROL}
    plain = {name: value for name, value in names.items() if not isinstance(value, dict | list)}
    pairs = {**plain, **{f"Device.X_{name}": value for name, value in plain.items()}}
    tree = {"CollectionTime": soon(number) + 60, "Device": {"DeviceInfo": {"SoftwareVersion": CONTROL}}}
    made: list[Any] = [{"Report": [pairs | said]}, {"Report": [tree | {"Device.X": names}]}]
    if number == 0:
        rows = [{f"Device.X.{place}.{name}": value} for place, (name, value) in enumerate(plain.items(), start=1)]
        table, marker = {CANARY: rows}, {f"{CANARY}_split": CANARY, f"{CANARY}_split_CT": CANARY}
        made += [{"Report": [*({name: value} for name, value in (pairs | said).items()), table, marker]}]
    lines = [f"{said['CollectionTime']},{n.replace(',', '')},{CANARY},string" for n in list(plain)[:50]]
    csv = "\n".join(["ReportTimestamp,ParameterName,ParameterValue,ParameterType", *lines])
    topic = f"bulk_data/{ROUTER}/{CANARY}"
    return [*((topic, json.dumps(document).encode()) for document in made), (topic, csv.encode())]


def field(number: int, content: bytes | str) -> bytes:
    """A field of a protobuf message: bytes, a text or a message in it."""
    data = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(number: int) -> bytes:
    """A number, seven bits a byte, the lowest first."""
    low, high = number & 0x7F, number >> 7
    return bytes([low]) if not high else bytes([low | 0x80]) + varint(high)


def record(number: int, notify: bytes) -> bytes:
    """A USP Record without a session that carries a Notify (TR-369: numbers of the published .proto files)."""
    header = field(1, f"Event-{text_of(soon(number))}-{number}") + varint(2 << 3) + varint(3)
    message = field(1, header) + field(2, field(1, field(8, notify)))
    to_us = field(1, "1.4") + field(2, f"self::{CANARY}") + field(3, f"os::012345-{ROUTER}")
    return to_us + field(7, field(2, message))


def event(name: str, **params: str) -> bytes:
    """An event of the root object."""
    pairs = b"".join(field(3, field(1, key) + field(2, value)) for key, value in params.items())
    return field(1, CANARY) + field(3, field(1, "Device.") + field(2, name) + pairs)


def usp(names: dict[str, Any], number: int) -> list[Sent]:
    """`Boot!`, `Push!`, a changed value, a heartbeat and a threshold."""
    plain = {name: value for name, value in names.items() if not isinstance(value, dict | list)}
    started = {**plain, "Device.DeviceInfo.SoftwareVersion": CONTROL}
    pushed = {"Report": [{**plain, "CollectionTime": soon(number), "Device.DeviceInfo.UpTime": 77}]}
    reasons = {"CommandKey": CANARY, "Cause": "LocalReboot", "Reason": CANARY, "FirmwareUpdated": "false"}
    changed = field(4, field(1, f"Device.SMS.Message.1.{CANARY}") + field(2, CANARY))
    notifies = [
        event("Boot!", **reasons, ParameterMap=json.dumps(started)),
        event("Push!", Data=json.dumps(pushed)),
        changed,
        event("Periodic!", **{CANARY: CANARY}),
        event("Triggered!", ParamPath=f"Device.{CANARY}", ParamValue=CANARY),
    ]
    topic = f"usp/{ROUTER}/reply-to=usp%2Fagent%2F{ROUTER}"
    return [(topic, record(5 * number + place, notify)) for place, notify in enumerate(notifies)]


def collectd(names: dict[str, Any], number: int) -> list[Sent]:
    """A value list for each name, as plugin, type and instance; texts among the values; a control that is kept."""
    at = soon(number)
    plain = [name for name in names if not set(name) & set("/+#") and len(name) < 60]
    topics = [f"{name}-{CANARY}/{name}-{CANARY}" for name in plain[:: 1 + number]][:100]
    topics += [f"ping/ping_droprate-{CANARY}", f"iwinfo-{CANARY}/stations", f"interface-wan{CANARY}/if_octets"]
    made = [(f"collectd/{ROUTER}/{topic}", f"{at}.5:1\0".encode()) for topic in topics]
    odd = [
        (f"collectd/{ROUTER}/uptime/uptime", text.encode()) for text in (f"{at}:{CANARY}\0", CANARY, f"{at}:1:{CANARY}")
    ]
    return [*made, *odd, (f"collectd/{ROUTER}/uptime/uptime", f"{at}.5:{UPTIME}\0".encode())]


UPTIME: Final = 77


def netjson(names: dict[str, Any], number: int) -> list[Sent]:
    """A DeviceMonitoring document with a household in it."""
    station = {"mac": "aa:bb:cc:00:11:22", "hostname": CANARY, "ip": ADDRESS, "client_id": f"01:{CANARY}", **names}
    wireless = {"ssid": f"{CANARY} lives here", "clients": [station], "channel": 6, **names}
    document = {
        **names,
        "type": "DeviceMonitoring",
        "general": {"hostname": CANARY, "local_time": soon(number), "uptime": UPTIME, CANARY: names},
        "interfaces": [{"name": CANARY, "type": "wireless", "wireless": wireless, "addresses": [{"address": CANARY}]}],
        "dhcp_leases": [station],
        "neighbors": [station],
        "dns_servers": [CANARY],
    }
    return [(f"netjson/{ROUTER}/{CANARY}", json.dumps(document).encode())]


BUILDERS: Final[dict[str, Callable[[dict[str, Any], int], list[Sent]]]] = {
    made.__name__: made for made in (goform, ubus, bulk_data, usp, collectd, netjson)
}
"""How each format says these names; a new format needs a line here."""
KEPT: Final = {
    "goform": CONTROL, "ubus": CONTROL, "bulk_data": CONTROL, "usp": CONTROL,
    "collectd": f'"uptime_seconds":{UPTIME}', "netjson": f'"uptime_seconds":{UPTIME}',
}  # fmt: skip
"""What of it must be found, or the search would prove nothing."""


def use(site: Site, kind: str) -> None:
    """One source of this format, in a site that spools soon."""
    site.configure(consent={"mode": "registered"}, spool={"after_seconds": 0.2})
    lines = [
        "[[sources]]", f'name = "{kind.replace("_", "-")}"', f'topic = "{kind}/+/#"', f'format = "{kind}"',
        "router_level = 2", 'country = "DE"', "arrival_time = true", "max_message_bytes = 16777216",
    ]  # fmt: skip
    site.config.write_text("\n".join([site.config.read_text(), *lines, ""]))


def publish(site: Site, messages: list[Sent], before: int, *, away: bool = False) -> int:
    """Publish these, and wait until the collector has all of them; how many that makes with those before.

    With a store that is *away* some may be left with the broker, and come again once it is back.
    """
    with site.publisher(client_id=CANARY, username=CANARY, password=CANARY) as router:
        for topic, payload in messages:
            router.publish(topic, payload, properties=carried())
        router.settle()
    count = before + len(messages)

    def come() -> bool:
        metrics = site.collector.metrics()
        return metrics.received + away * metrics.total("collector_messages_left_total") >= count

    wait_until(come, what=f"{count} messages")
    return count


def said(site: Site) -> dict[str, bytes]:
    """All pages and answers, and every file of the installation."""
    words = {"find": ("find", ROUTER), "find --json": ("find", ROUTER, "--json"), "check-config": ("check-config",)}
    answers = {name: site.ueip(*command) for name, command in words.items()}
    assert [0, 0, 0] == [answer.returncode for answer in answers.values()]
    pages = {page: site.collector.get(page)[1] for page in ("/metrics", "/readyz", "/healthz")}
    told = {name: f"{answer.stdout}\n{answer.stderr}".encode() for name, answer in answers.items()}
    return {**pages, **told, **dict(files_below(site.folder))}


@pytest.mark.parametrize("kind", KINDS)
def test_no_canary_of_a_format_is_found_behind_the_collector(site: Site, kind: str) -> None:
    """In no byte of stores, spool, logs, pages or answers, while records of those messages are kept."""
    use(site, kind)
    collector = site.start()
    join(site, ROUTER)
    messages = [made for number, names in enumerate(crowds(kind)) for made in BUILDERS[kind](names, number)]
    stray = [(topic.replace(ROUTER, CANARY), payload) for topic, payload in messages[:3]]
    half = len(messages) // 2

    count = publish(site, messages[half:], 0)
    assert wait_quiet(collector).stored["germany"]
    with site.locked(HERE):
        count = publish(site, messages[:half], count, away=True)
        # What may wait in the spool is there by then; the rest is left with the broker, and comes afterwards.
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and not collector.metrics().total("collector_spool_records"):
            time.sleep(0.1)
        waiting = dict(files_below(site.folder))
    count = publish(site, stray, count)

    found = wait_quiet(collector)
    assert not found.dropped.get("internal_error")
    assert any(KEPT[kind] in json.dumps(body, separators=(",", ":")) for body in site.bodies(HERE))
    running = said(site)
    collector.stop()
    stopped = dict(files_below(site.folder))
    assert any("spool" in name for name in waiting)
    assert traces(KEPT[kind], running.items())
    for text in (CANARY, str(NUMBER), ADDRESS):
        for places in (waiting, running, stopped):
            assert [] == traces(text, places.items())


def test_every_format_has_its_canaries() -> None:
    """A new one without them is a fault of this file."""
    assert set(KINDS) <= set(BUILDERS) == set(KEPT)
