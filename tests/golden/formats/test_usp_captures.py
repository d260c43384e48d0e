"""USP records of other agents than the captured one: notifications written from the standard, and what each becomes.

Sources: TR-369 1.4.1 (usp-record-1-4, usp-msg-1-4; sections 2.2, 4.4), TR-181 2.19, OB-USPA. No value of a sample is in
here.
"""

import json
from typing import Any, Final

import pytest
from tr369 import COLLECTED, RECEIVED, event, notify, outcome, record, rules_of
from tr369 import body as body_of

from collector.derive import Memory, Sample, applied, derive
from collector.model import Accepted, Dropped, DropReason, Outcome, Several
from collector.pipeline import Rules

ROUTER: Final = "MF289F0099"
AGENT: Final = f"os::C0B101-{ROUTER}"
AT: Final = "2026-11-21T17:03:31Z"
OWN: Final = {"name": "usp", "topic": "usp/controller/#", "format": "usp", "router_level": 3, "country": "DE"}
SHARED: Final = {**{k: v for k, v in OWN.items() if k != "router_level"}, "router_from": "payload"}
CELL: Final = "Device.Cellular.Interface.2."
Body = dict[str, Any]


def told(
    notification: bytes | None, topic: str = f"usp/controller/{ROUTER}", rules: Rules | None = None, **more: Any
) -> Outcome:
    """What becomes of a record of our agent with this message in it."""
    return outcome(record(notification, **{"sender": AGENT, **more}), topic, rules or rules_of(OWN), RECEIVED)


def kept(found: Outcome) -> Any:
    """Bodies of the records, pseudonyms aside, or why there is none."""
    if isinstance(found, Several):
        return [kept(one) for one in found.outcomes]
    if isinstance(found, Dropped):
        return found.reason
    groups = body_of(found)
    return {
        name: {n: v for n, v in members.items() if not n.endswith("_ref")} if isinstance(members, dict) else members
        for name, members in groups.items()
    }


def change(path: str, value: str, message_id: str = f"ValueChange-{AT}-7") -> bytes:
    """A value that changed."""
    return notify(message_id, value_change={"param_path": path, "param_value": value})


def boot(message_id: str = f"Event-{AT}-1", **params: str) -> bytes:
    """A start."""
    return notify(message_id, **event("Boot!", **params))


def restart(reason: str) -> Body:
    """The event of a start."""
    return {"events": [{"event": "unexpected_reboot", "reboot_reason": reason, "time": AT}]}


LOCAL: Final = {"CommandKey": "", "Cause": "LocalReboot", "FirmwareUpdated": "false"}
LOST: Final = {"events": [{"event": "wan_unexpected_disconnect", "time": AT}]}
PUSHED: Final = "Device.BulkData.Profile.4."


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        # starts
        pytest.param(boot(**LOCAL, ParameterMap="{}"), restart("unknown"), id="a start nobody says more of"),
        pytest.param(boot(**LOCAL, Reason="Watchdog expired"), restart("watchdog"), id="a watchdog"),
        pytest.param(boot(**LOCAL, Reason="Kernel panic - not syncing"), restart("kernel_panic"), id="a panic"),
        pytest.param(boot(**LOCAL, Reason="Power on reset"), restart("power_loss"), id="power was away"),
        pytest.param(boot(**LOCAL, Reason="overheat"), restart("overheat"), id="too hot"),
        pytest.param(boot(**LOCAL, Reason="web userinterface"), restart("user"), id="somebody asked for it"),
        pytest.param(boot(**LOCAL, Reason="call 0170 1234567"), restart("unknown"), id="a reason in words of its own"),
        pytest.param(boot(**{**LOCAL, "Cause": "RemoteReboot"}), restart("remote_management"), id="from afar"),
        pytest.param(boot(**{**LOCAL, "Cause": "RemoteFactoryReset"}), restart("factory_reset"), id="as it was sold"),
        pytest.param(boot(**{**LOCAL, "Cause": "Sunspots"}), DropReason.NOTHING_SAID, id="a cause of a later version"),
        pytest.param(
            boot(**{**LOCAL, "FirmwareUpdated": "true"}, ParameterMap='{"Device.DeviceInfo.SoftwareVersion":"B12"}'),
            {"router": {"software_version": "B12"}},
            id="an update is no fault",
        ),
        pytest.param(boot(**{**LOCAL, "FirmwareUpdated": "1"}), DropReason.NOTHING_SAID, id="an update, as a number"),
        pytest.param(
            boot(**LOCAL, ParameterMap=json.dumps({
                "Device.DeviceInfo.UpTime": 19, "Device.DeviceInfo.SoftwareVersion": "B11",
                f"{CELL}USIM.IMSI": "262021234567890", "Device.WiFi.AccessPoint.1.Security.KeyPassphrase": "geheim"})),
            {"router": {"uptime_seconds": 19, "software_version": "B11"}, "sim": {"home_mcc": "262"},
             **restart("unknown")},
            id="parameters as JSON in a string",
        ),
        pytest.param(
            boot(**LOCAL, ParameterMap='{"Device":{"Cellular":{"Interface":{"2":{"RSRP":-111}}}}}'),
            {"signal": {"rsrp_dbm": -111}, **restart("unknown")},
            id="parameters as a hierarchy in a string",
        ),
        pytest.param(boot(**LOCAL, ParameterMap="{not json"), DropReason.MALFORMED, id="a string that is no JSON"),
        pytest.param(boot(**LOCAL, ParameterMap='{"a":1,"a":2}'), DropReason.MALFORMED, id="a key twice in a string"),
        pytest.param(boot("Event-1970-01-01T00:00:04Z-1", **LOCAL), DropReason.CLOCK_INVALID, id="a clock not set"),
        pytest.param(boot("42", **LOCAL), DropReason.CLOCK_INVALID, id="an id without a time"),
        # values that changed
        pytest.param(change(f"{CELL}Status", "Down"), {"network": {"wan_connection_state": "disconnected"}, **LOST},
                     id="the modem went down"),
        pytest.param(change(f"{CELL}Status", "Up"),
                     {"network": {"wan_connection_state": "connected", "wan_bearer": "cellular"}}, id="it came up"),
        pytest.param(change(f"{CELL}Status", "Dormant"), {"network": {"wan_connection_state": "connecting"}},
                     id="it sleeps"),
        pytest.param(change("Device.PPP.Interface.1.ConnectionStatus", "Disconnected"),
                     {"network": {"wan_connection_state": "disconnected"}, **LOST}, id="a session ended"),
        pytest.param(change("Device.PPP.Interface.1.LastConnectionError", "ERROR_AUTHENTICATION_FAILURE"),
                     {"events": [{**LOST["events"][0], "disconnect_cause": "authentication_failure"}]},
                     id="and why"),
        pytest.param(change("Device.PPP.Interface.1.LastConnectionError", "ERROR_NONE"), DropReason.NOTHING_SAID,
                     id="no error"),
        pytest.param(change(f"{CELL}RSRP", "-117"), {"signal": {"rsrp_dbm": -117}}, id="a level, which is a text"),
        pytest.param(change(f"{CELL}RSRP", "0"), DropReason.NOTHING_SAID, id="a level that is none"),
        pytest.param(change(f"{CELL}CurrentAccessTechnology", "UMTS"), {"network": {"rat": "umts"}}, id="a technology"),
        pytest.param(change("Device.Cellular.RoamingStatus", "Roaming"), {"network": {"roaming_state": "unknown"}},
                     id="it roams"),
        pytest.param(change(f"{CELL}NetworkInUse", "26201"),
                     {"network": {"plmn": "26201", "carrier_name": "Telekom Deutschland"}}, id="a network"),
        pytest.param(change(f"{CELL}NetworkInUse", "46000"), DropReason.REGION_CONFLICT, id="a network of elsewhere"),
        pytest.param(change("Device.DeviceInfo.SoftwareVersion", "B12"), {"router": {"software_version": "B12"}},
                     id="new firmware"),
        pytest.param(change("Device.WiFi.Radio.2.Channel", "108"), {"wifi": {"wifi_channel_5g": 108}}, id="a channel"),
        pytest.param(change(f"{CELL}SMS.Message.1.Text", "meet me at eight"), DropReason.NOTHING_SAID, id="a message"),
        pytest.param(change("Device.X_ACME_Secret", "?"), DropReason.NOTHING_SAID, id="a name nobody knows"),
        # reports
        pytest.param(
            notify(f"Event-{AT}-9", **event("Push!", PUSHED, Data=json.dumps(
                {"Report": [{"CollectionTime": COLLECTED, f"{CELL}RSRQ": -9, "Device.DeviceInfo.UpTime": 70}]}))),
            {"signal": {"rsrq_db": -9}, "router": {"uptime_seconds": 70}},
            id="a report that was pushed",
        ),
        pytest.param(
            notify(f"Event-{AT}-9", **event("Push!", PUSHED, Data=json.dumps(
                {"Report": [{"CollectionTime": COLLECTED - n, "Device.DeviceInfo.UpTime": 100 - n} for n in (60, 0)]}
            ))),
            [{"router": {"uptime_seconds": 40}}, {"router": {"uptime_seconds": 100}}],
            id="a report of two samples",
        ),
        pytest.param(
            notify(f"Event-{AT}-9", **event("Push!", PUSHED, Data=(
                f"ReportTimestamp,ParameterName,ParameterValue,ParameterType\n{AT},{CELL}RSSI,-80,int\n"))),
            {"signal": {"rssi_dbm": -80}},
            id="a report in CSV",
        ),
        pytest.param(
            notify(f"Event-{AT}-9", **event("Push!", PUSHED, Data='{"Report":[{"Device.DeviceInfo.UpTime":70}]}')),
            {"router": {"uptime_seconds": 70}},
            id="a report without a time is of its message's",
        ),
        pytest.param(notify(f"Event-{AT}-9", **event("Push!", PUSHED, Data="e30=")), DropReason.MALFORMED, id="base64"),
        pytest.param(notify(f"Event-{AT}-9", **event("Push!", PUSHED)), DropReason.MALFORMED, id="a push of nothing"),
        # others
        pytest.param(notify(f"Event-{AT}-9", **event("Triggered!", "Device.LocalAgent.Threshold.1.",
                                                     ParamPath=f"{CELL}RSRP", ParamValue="-121")),
                     {"signal": {"rsrp_dbm": -121}}, id="a threshold was crossed"),
        pytest.param(notify(f"Event-{AT}-9", **event("Periodic!", "Device.LocalAgent.")), DropReason.NOTHING_SAID,
                     id="a heartbeat"),
        pytest.param(notify(f"Event-{AT}-9", **event("Timer!", "Device.ScheduleTimer.")), DropReason.NOTHING_SAID,
                     id="another event"),
    ],
)  # fmt: skip
def test_a_notification_becomes(message: bytes, expected: Any) -> None:
    """Of an agent that publishes below its own topic."""
    assert expected == kept(told(message))


UPTIME: Final = change("Device.DeviceInfo.UpTime", "70")


@pytest.mark.parametrize(
    ("agent", "router"),
    [
        ("os::C0B101-R1", "R1"),
        ("os::C0B101-R%2D1", "R-1"),
        ("ops::C0B101-MF%2D289-R1", "R1"),
        ("oui:00256D:my-unique-box-42", "00256D-my-unique-box-42"),
        ("cid:3AA3F8:box-42", "3AA3F8-box-42"),
        ("pen:3561:box-42", "3561-box-42"),
        ("uuid::f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        ("imei::356938035643809", "356938035643809"),
        ("proto::box", "box"),
        ("urn:bbf:usp:id:os::C0B101-R1", "R1"),
        ("R1", "R1"),
        ("os::C0B101-" + "x" * 80, None),
        ("a/b", None),
        ("#", None),
    ],
)
def test_every_scheme_of_endpoint_ids_names_a_router(agent: str, router: str | None) -> None:
    """Where the source lets the payload say who it is (TR-369, 2.2)."""
    rules = rules_of(SHARED)

    found = told(UPTIME, "usp/controller", rules, sender=agent)

    if router is None:
        assert Dropped(DropReason.UNKNOWN_TOPIC) == found
    else:
        assert isinstance(found, Accepted)
        assert rules.pseudonyms[found.record.region].identity(router) == found.record.identity


@pytest.mark.parametrize(
    ("topic", "sender", "reason"),
    [
        (f"usp/controller/{ROUTER}", AGENT, None),
        (f"usp/controller/{AGENT}", AGENT, None),
        (f"usp/controller/{ROUTER}/reply-to=usp%2Fagent%2F{ROUTER}", AGENT, None),
        (f"usp/controller/reply-to=usp%2Fagent%2FC0B101-{ROUTER}", AGENT, None),
        (f"usp/controller/reply-to=usp%2Fagent%2F{AGENT.replace(':', '%3A')}", AGENT, None),
        (f"usp/controller/reply-to=usp%2Fagent%2F{ROUTER}", "os::C0B101-ANOTHER", DropReason.IDENTITY_MISMATCH),
        ("usp/controller/ANOTHER", AGENT, DropReason.IDENTITY_MISMATCH),
        ("usp/controller", AGENT, DropReason.UNKNOWN_TOPIC),
        ("usp/controller/reply-to=", AGENT, DropReason.UNKNOWN_TOPIC),
    ],
)
def test_the_topic_holds_an_agent_to_its_name(topic: str, sender: str, reason: DropReason | None) -> None:
    """A level of its own, or the suffix with which MQTT 3.1.1 says where answers go (TR-369, 4.4.2)."""
    found = told(UPTIME, topic, sender=sender)

    assert reason == (found.reason if isinstance(found, Dropped) else None)


def test_a_record_sent_again_is_the_same_and_the_next_start_is_another() -> None:
    """By the message id; one that starts again with the agent, or with its clock, tells nothing apart."""
    rules = rules_of({**OWN, "arrival_time": True})

    def ids(*messages: bytes) -> list[bytes]:
        found = [
            outcome(record(message, sender=AGENT), f"usp/controller/{ROUTER}", rules, RECEIVED + 600_000 * place)
            for place, message in enumerate(messages)
        ]
        return [one.record.record_id for one in found if isinstance(one, Accepted)]

    def differ(*messages: bytes) -> bool:
        first, second = ids(*messages)
        return first != second

    assert not differ(change(f"{CELL}RSRP", "-99"), change(f"{CELL}RSRP", "-99"))
    assert differ(change(f"{CELL}RSRP", "-99"), change(f"{CELL}RSRP", "-99", f"ValueChange-{AT}-8"))
    uuid = "0e4b1c9a-2f0d-4a33-9c62-6a1d9a3a7b10"
    assert not differ(boot(uuid, **LOCAL), boot(uuid, **LOCAL))
    assert differ(boot("1", **LOCAL), boot("1", **LOCAL))
    assert differ(boot("Event-1970-01-01T00:00:04Z-1", **LOCAL), boot("Event-1970-01-01T00:00:04Z-1", **LOCAL))


def test_a_link_that_goes_is_one_disconnect_whoever_tells_of_it() -> None:
    """A change that is told, and the reports that follow."""
    memory: Memory | None = None
    kinds = []
    for second, message in enumerate([
        change(f"{CELL}Status", "Up", "ValueChange-2026-11-21T17:00:01Z-1"),
        change(f"{CELL}Status", "Down", "ValueChange-2026-11-21T17:00:02Z-2"),
        change(f"{CELL}Status", "Down", "ValueChange-2026-11-21T17:00:03Z-3"),
        change(f"{CELL}Status", "Up", "ValueChange-2026-11-21T17:00:04Z-4"),
        notify("Event-2026-11-21T17:00:05Z-5", **event("Push!", PUSHED, Data=json.dumps(
            {"Report": [{f"{CELL}Status": "Down"}]}))),
        change(f"{CELL}Status", "Down", "ValueChange-2026-11-21T17:00:06Z-6"),
    ]):  # fmt: skip
        found = told(message)
        assert isinstance(found, Accepted), second
        body = body_of(found)
        derived = derive(memory, Sample(body, found.record.measured_at, found.record.counters or ()))
        memory = derived.memory
        kinds.append([each["event"] for each in applied(body, derived).get("events", [])])

    assert [[], ["wan_unexpected_disconnect"], [], [], ["wan_unexpected_disconnect"], []] == kinds


@pytest.mark.parametrize("kind", ["mqtt_connect", "websocket_connect", "stomp_connect", "uds_connect", "disconnect"])
def test_a_greeting_is_in_order_and_says_nothing(kind: str) -> None:
    """It is acknowledged and counted."""
    greeting: dict[str, Any] = {kind: {}}

    assert Dropped(DropReason.NOTHING_SAID) == told(None, **greeting)
