"""Sources at a real broker: who a router is, as the broker's rules and properties have it."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tr369 import event, notify, record

from collector.broker import LocalBroker
from collector.data import data_path
from collector.source_settings import Format

from .harness import Publisher, Site, as_us

ROUTER: Final = "ZTEAB0A123456"
OTHER: Final = "ZTEXX0B654321"
DIGEST: Final = "6a4c8feffed9c0456bf70cc5dac36d9e9fce9f125d16cff236275faed7d9b766"
ANSWER: Final = '{"wa_inner_version": "B07", "uptime": "77"}'


def use(site: Site, *, broker: dict[str, Any] | None = None, **source: Any) -> None:
    """Configure one source of ZTE's maps, in the mode that asks for joins."""
    site.configure(consent={"mode": "registered"}, broker={"port": site.broker.port, **(broker or {})})
    given = {"name": "zte", "topic": "zte/+/status", "format": "goform", "country": "DE", **source}
    lines = [
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for key, value in given.items()
    ]
    site.config.write_text("\n".join([site.config.read_text(), "[[sources]]", "arrival_time = true", *lines, ""]))


def join(site: Site, router: str) -> None:
    """The owner joins, by the rights desk."""
    done = site.ueip(
        "consent", "join", router, "--country", "DE", "--policy-version", "2020-03-14", "--language", "en",
        "--policy-digest", DIGEST, "--storage-region", "germany", "--adult-or-guardian", "adult",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def named(*pairs: tuple[str, str]) -> Properties:
    """User properties, as a broker hands them on."""
    made = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if pairs:
        made.UserProperty = list(pairs)
    return made


def test_the_router_may_be_whom_the_brokers_property_names(site: Site) -> None:
    """It alone: not a topic's level, not another property, and nobody where a client wrote one beside the broker's."""
    use(site, broker={"sender_property": "broker-user"}, router_from="sender")
    collector = site.start()
    join(site, ROUTER)
    with site.publisher() as bridge:
        bridge.publish("zte/x/status", ANSWER, properties=named(("other", OTHER), ("broker-user", ROUTER)))
        bridge.publish(f"zte/{ROUTER}/status", ANSWER)
        bridge.publish(f"zte/{ROUTER}/status", ANSWER, properties=named(("Broker-User", ROUTER)))
        bridge.publish("zte/x/status", ANSWER, properties=named(("broker-user", ROUTER), ("broker-user", OTHER)))
        bridge.publish("zte/x/status", ANSWER, properties=named(("broker-user", OTHER)))
        found = collector.wait_settled(5)

    assert ({"germany": 1}, {"unknown_topic": 3, "no_consent_record": 1}) == (found.stored, found.dropped)
    assert "1 record" in site.ueip("find", ROUTER).stdout
    assert ROUTER not in collector.said()


class Guarded(NamedTuple):
    """A format as docs/formats.md and config/mosquitto.acl have it: a router's topic and a message of its."""

    format: str
    topic: str
    level: int
    pattern: str
    published: str
    payload: Callable[[int], bytes | str]


def started(now: int) -> bytes:
    """A `Boot!` of the router."""
    said = event(
        "Boot!", Cause="LocalReboot", FirmwareUpdated="false", ParameterMap='{"Device.DeviceInfo.UpTime":"77"}'
    )
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    return record(notify(f"Event-{when}-1", **said), sender=f"os::012345-{ROUTER}")


GUARDED: Final = (
    Guarded("bulk_data", "bulkdata/+", 2, "bulkdata/%u", "bulkdata/{}", lambda now: json.dumps(
        {"Report": [{"CollectionTime": now, "Device.DeviceInfo.UpTime": 77}]}
    )),
    Guarded("usp", "usp/controller/#", 3, "usp/controller/%u/#", "usp/controller/{}/reply-to=usp%2Fagent%2F1",
            started),
    Guarded("goform", "zte/+/status", 2, "zte/%u/#", "zte/{}/status", lambda now: ANSWER),
    Guarded("ubus", "zte/+/ubus", 2, "zte/%u/#", "zte/{}/ubus", lambda now: json.dumps(
        {"time": now, "system": {"info": {"jsonrpc": "2.0", "result": [0, {"uptime": 77}]}}, "device_uptime": 77}
    )),
    Guarded("collectd", "collectd/+/#", 2, "collectd/%u/#", "collectd/{}/uptime/uptime", lambda now: f"{now}.5:77\0"),
    Guarded("netjson", "netjson/+/#", 2, "netjson/%u/#", "netjson/{}/status", lambda now: json.dumps(
        {"type": "DeviceMonitoring", "general": {"local_time": now, "uptime": 77}}
    )),
)  # fmt: skip


@pytest.fixture
def guarded(site: Site) -> Site:
    """A site whose broker obeys config/mosquitto.acl, with the lines of all formats in it, and knows two routers."""
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto_passwd is not installed (it comes with mosquitto)")
    passwords, access = site.folder.parent / "passwords", site.folder.parent / "access"
    passwords.touch(mode=0o600)
    for name in ("ueip-collector", ROUTER, OTHER):
        subprocess.run([program, "-b", passwords, name, "secret"], check=True, capture_output=True)
    _take_out(access, *dict.fromkeys(_lines(GUARDED)))
    text = (
        f"listener {site.broker.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
        f"acl_file {access}\nmax_queued_messages 0\nmax_inflight_messages 0\n"
    )
    site.broker = LocalBroker(site.broker.folder, port=site.broker.port, configuration=as_us(text))
    (site.folder / "password").write_text("secret\n")
    return site


def _lines(formats: Iterable[Guarded]) -> Iterator[str]:
    for one in formats:
        yield f"pattern write {one.pattern}"
        yield f"topic read {one.topic.split('/', 1)[0]}/#"


def _take_out(access: Path, *lines: str) -> None:
    """Our access rules, with these lines no longer in comments."""
    text = data_path("config", "mosquitto.acl").read_text()
    for line in lines:
        text, count = re.subn(rf"(?m)^# {re.escape(line)}$", line, text)
        assert count == 1, f"config/mosquitto.acl says '{line}' {count} times"
    access.write_text(text)


def test_the_brokers_rules_tie_every_sources_topic_to_the_router(guarded: Site) -> None:
    """Of each format: another router's forgery never reaches the collector, the router's own message does (K34)."""
    assert {one.format for one in GUARDED} == set(get_args(Format))
    secret = {"username": "ueip-collector", "password_file": "password"}
    guarded.configure(consent={"mode": "registered"}, broker={"port": guarded.broker.port, **secret})
    lines = (
        f'[[sources]]\nname = "{one.format.replace("_", "-")}"\ntopic = "{one.topic}"\nformat = "{one.format}"\n'
        f'router_level = {one.level}\ncountry = "DE"\narrival_time = true\n'
        for one in GUARDED
    )
    guarded.config.write_text("\n".join([guarded.config.read_text(), *lines]))
    collector = guarded.start()
    join(guarded, ROUTER)
    now = int(time.time()) + 2
    with Publisher(guarded.broker.port, username=OTHER, password="secret") as forger:
        for one in GUARDED:
            forger.publish(one.published.format(ROUTER), one.payload(now), name=f"forged {one.format}")
        taken = forger.settle()
    with Publisher(guarded.broker.port, username=ROUTER, password="secret") as router:
        for one in GUARDED:
            router.publish(one.published.format(ROUTER), one.payload(now), name=one.format)
        taken += router.settle()
        found = collector.wait_settled(len(GUARDED))

    assert sorted(one.format for one in GUARDED) == sorted(taken)
    assert (len(GUARDED), {"germany": len(GUARDED)}, {}) == (found.received, found.stored, found.dropped)


def test_check_config_says_what_each_source_will_do(site: Site) -> None:
    """And `--broker` that its topic was granted."""
    use(site, router_level=2)
    site.broker.start()

    done = site.ueip("check-config", "--broker")

    assert done.returncode == 0, done.stderr
    assert (
        "zte: goform on zte/+/status; router from level 2 of the topic; flag from nowhere: the ledger alone; "
        "country DE; without a time measured on arrival"
    ) in done.stderr
