"""Agents of MQTT 3.1.1 and of MQTT 5 at a real broker: what they send of each format is the same record.

MQTT 3.1.1 has no properties: nothing says what a payload is, and a USP agent says in its topic where answers go. With
MQTT 5 the properties say both (TR-369 1.4.1, 4.4 and A.3), and nothing hangs on them.
"""

import json
import time
from collections.abc import Callable
from typing import Any, Final

import pytest
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from collector.formats.adapters import KINDS

from .harness import Site
from .test_format_canaries import event, record
from .test_sources import ROUTER, join

HERE: Final = "germany"
UPTIME: Final = 8191
Sent = tuple[str, bytes, dict[str, Any]]
"""Topic, payload, and the properties that MQTT 5 has for it."""


def bulk_data(at: int) -> Sent:
    """R-BULK.8a: the content type is the only property."""
    report = {"Report": [{"CollectionTime": at, "Device.DeviceInfo.UpTime": UPTIME}]}
    return f"bulk_data/{ROUTER}", json.dumps(report).encode(), {"ContentType": "application/json; charset=UTF-8"}


def usp(at: int) -> Sent:
    """A report within a notification; answers would go to the agent's topic."""
    topic, payload, _ = bulk_data(at)
    properties = {"ContentType": "usp.msg", "ResponseTopic": f"usp/agent/{ROUTER}"}
    return topic.replace("bulk_data", "usp"), record(0, event("Push!", Data=payload.decode())), properties


def netjson(at: int) -> Sent:
    """A sample."""
    document = {"type": "DeviceMonitoring", "general": {"uptime": UPTIME, "local_time": at}}
    return f"netjson/{ROUTER}", json.dumps(document).encode(), {"ContentType": "application/json"}


def goform(at: int) -> Sent:
    """A flat map of texts."""
    return f"goform/{ROUTER}", json.dumps({"time": str(at), "uptime": str(UPTIME)}).encode(), {}


def ubus(at: int) -> Sent:
    """A call's answer."""
    return f"ubus/{ROUTER}", json.dumps({"time": at, "system": {"uptime": UPTIME}}).encode(), {}


def collectd(at: int) -> Sent:
    """A value list, with the NUL that ends it."""
    return f"collectd/{ROUTER}/uptime/uptime", f"{at}.250:{UPTIME}\0".encode(), {}


BUILDERS: Final[dict[str, Callable[[int], Sent]]] = {
    made.__name__: made for made in (bulk_data, usp, netjson, goform, ubus, collectd)
}
"""A message of each format that says how long the router has been up; a new format needs a line here."""


def properties_of(said: dict[str, Any]) -> Properties:
    """The properties of a message, with one of somebody's own."""
    made = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    for name, value in {**said, "PayloadFormatIndicator": 0, "UserProperty": [("usp-endpoint-id", "os::X-1")]}.items():
        setattr(made, name, value)
    return made


def use_all(site: Site) -> None:
    """A source of every format."""
    site.configure(consent={"mode": "registered"})
    sections = [
        f'[[sources]]\nname = "{kind.replace("_", "-")}"\ntopic = "{kind}/+/#"\nformat = "{kind}"\nrouter_level = 2\n'
        'country = "DE"\n'
        for kind in KINDS
    ]
    site.config.write_text("\n".join([site.config.read_text(), *sections]))


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
def test_what_an_agent_sends_is_kept_in_either_version_of_mqtt(site: Site, version: MQTTProtocolVersion) -> None:
    """One record of each format; sent again, as an agent does that missed the answer, it is the same one."""
    use_all(site)
    collector = site.start()
    join(site, ROUTER)
    five = version == MQTTProtocolVersion.MQTTv5
    soon = int(time.time()) + 2
    sent = [build(soon + place) for place, build in enumerate(BUILDERS.values())]
    suffix = f"/reply-to=usp%2Fagent%2F{ROUTER}"

    with site.publisher(protocol=version) as agent:
        for topic, payload, said in sent * 2:
            below = "" if five or not topic.startswith("usp/") else suffix
            agent.publish(topic + below, payload, properties=properties_of(said) if five else None)
        assert len(agent.settle()) == 2 * len(sent)
    found = collector.wait_settled(2 * len(sent))

    # A value of collectd's joins the record of its interval, and is stored again as the same.
    assert [UPTIME] * len(KINDS) == [body["router"]["uptime_seconds"] for body in site.bodies(HERE)]
    assert set(found.dropped) <= {"duplicate"}
    assert len(sent) - 1 <= found.dropped["duplicate"] <= len(sent)


def test_a_backlog_that_came_while_nobody_listened_is_kept_whole(site: Site) -> None:
    """Seven of each format at once, oldest first, after an outage; each of its own time, the disconnect among them."""
    use_all(site)
    collector = site.start()
    join(site, ROUTER)
    collector.stop()
    soon = int(time.time()) + 2
    states = ["Up", "Up", "Down", "Down", "Up", "Up", "Up"]

    with site.publisher(protocol=MQTTProtocolVersion.MQTTv311) as agent:
        for place, state in enumerate(states):
            values = {"Device.DeviceInfo.UpTime": 9000 + place, "Device.Cellular.Interface.1.Status": state}
            report = json.dumps({"Report": [{"CollectionTime": soon + place, **values}]})
            agent.publish(f"bulk_data/{ROUTER}", report)
        assert len(agent.settle()) == len(states)
    found = collector.start().wait_ready().wait_settled(len(states))

    assert (found.stored, found.dropped) == ({HERE: len(states)}, {})
    bodies = site.bodies(HERE)
    assert [9000 + place for place in range(7)] == [body["router"]["uptime_seconds"] for body in bodies]
    assert [[], [], ["wan_unexpected_disconnect"], [], [], [], []] == [
        [event["event"] for event in body.get("events", [])] for body in bodies
    ]


def test_a_whole_data_model_is_one_message(site: Site) -> None:
    """Three thousand parameters, 250 kB, on a topic that begins with a slash, as the standard's example does."""
    use_all(site)
    ours = 'topic = "bulk_data/+/#"\nformat = "bulk_data"\nrouter_level = 2'
    theirs = 'topic = "/bulkdata/+"\nformat = "bulk_data"\nrouter_level = 3'
    site.config.write_text(site.config.read_text().replace(ours, theirs))
    collector = site.start()
    join(site, ROUTER)
    many = {f"Device.Ethernet.RMONStats.{n}.X_ACME_Octets.Of.A.Long.Name.{'x' * 30}": n for n in range(3000)}
    report = {"CollectionTime": int(time.time()) + 2, **many, "Device.DeviceInfo.UpTime": UPTIME}

    with site.publisher(protocol=MQTTProtocolVersion.MQTTv311) as agent:
        agent.publish(f"/bulkdata/{ROUTER}", json.dumps({"Report": [report]}))
        agent.settle()
    found = collector.wait_settled(1)

    assert (found.stored, found.dropped) == ({HERE: 1}, {})
    assert [{"router": {"uptime_seconds": UPTIME}}] == site.bodies(HERE)


def test_every_format_is_sent_in_both_versions() -> None:
    """A new one without a line is a fault of this file."""
    assert set(KINDS) == set(BUILDERS)
