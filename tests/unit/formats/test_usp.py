"""USP records: what an agent's notifications say of its router, and what of them is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tr369 import COLLECTED, USP, body, event, notify, options, outcome, record, rules_of, usp_readings

from collector.formats.reading import Reading
from collector.formats.usp import CHANGED, Usp
from collector.formats.usp_messages import message_class
from collector.model import Accepted, Dropped, DropReason

SENDER = "os::00256D-ZTE1024300012"
TIME = COLLECTED * 1000
DATED = "Event-2026-11-21T17:03:31Z-1"
BOOT = {"CommandKey": "", "Cause": "LocalReboot", "Reason": "Unknown", "FirmwareUpdated": "false"}


def test_a_change_of_value_is_a_sample_of_one_parameter() -> None:
    """With the time that the message id carries, and the id to tell it by."""
    change = {"param_path": "Device.Cellular.Interface.1.Status", "param_value": "Down"}

    [sample] = usp_readings(record(notify(DATED, value_change=change)))

    values = (("Device.Cellular.Interface.1.Status", "Down"), (CHANGED, True))
    assert Reading(values=values, time=TIME, key=DATED, endpoint=SENDER) == sample


def test_a_record_is_read_as_the_standard_writes_it() -> None:
    """Bytes put together by hand from the numbers of the fields (TR-369, usp-record-1-4 and usp-msg-1-4)."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    change = field(1, b"Device.X") + field(2, b"7")
    told = field(1, b"sub") + b"\x10\x00" + field(4, change)
    message = field(1, field(1, b"id") + b"\x10\x03") + field(2, field(1, field(8, told)))
    whole = field(1, b"1.4") + field(2, b"self::c") + field(3, b"self::a") + b"\x20\x00" + field(7, field(2, message))

    assert (Reading(values=(("Device.X", "7"), (CHANGED, True)), endpoint="self::a"),) == usp_readings(whole)


def test_a_start_carries_its_reasons_and_parameters_of_the_router() -> None:
    """The latter as JSON within a text."""
    carried = {"Device.DeviceInfo.SoftwareVersion": "B07", "Device.DeviceInfo": {"UpTime": 5}}

    [sample] = usp_readings(record(notify(DATED, **event("Boot!", **BOOT, ParameterMap=json.dumps(carried)))))

    assert {
        "Device.Boot!.CommandKey": "",
        "Device.Boot!.Cause": "LocalReboot",
        "Device.Boot!.Reason": "Unknown",
        "Device.Boot!.FirmwareUpdated": "false",
        "Device.DeviceInfo.SoftwareVersion": "B07",
        "Device.DeviceInfo.UpTime": 5,
    } == dict(sample.values)


@pytest.mark.parametrize("packed", ["", "  ", "{}"])
def test_a_start_may_carry_no_parameters(packed: str) -> None:
    """An empty map, or none."""
    [sample] = usp_readings(record(notify(DATED, **event("Boot!", **BOOT, ParameterMap=packed))))

    assert {f"Device.Boot!.{name}": value for name, value in BOOT.items()} == dict(sample.values)


def test_a_pushed_report_is_read_as_bulk_data() -> None:
    """Each element with its own time of collection, and an id of its own."""
    elements = [{"CollectionTime": COLLECTED - 60, "up": 1}, {"CollectionTime": COLLECTED, "up": 2}]
    push = event("Push!", "Device.BulkData.Profile.2.", Data=json.dumps({"Report": elements}, indent=1))

    first, second = usp_readings(record(notify(DATED, **push)), names={"up": "Device.DeviceInfo.UpTime"})

    assert (("Device.DeviceInfo.UpTime", 1),) == first.values
    assert (TIME - 60_000, TIME) == (first.time, second.time)
    assert (DATED, f"{DATED}:1") == (first.key, second.key)
    assert SENDER == second.endpoint


def test_a_pushed_report_is_of_when_it_was_collected_not_of_when_it_was_pushed() -> None:
    """Which may be minutes later."""
    push = event("Push!", Data=json.dumps({"Report": [{"CollectionTime": COLLECTED - 300, "up": 1}]}))

    assert [TIME - 300_000] == [sample.time for sample in usp_readings(record(notify(DATED, **push)))]


def test_samples_under_an_id_that_comes_again_have_none() -> None:
    """Each of the next report would be taken for one of the last."""
    push = event("Push!", Data=json.dumps({"Report": [{"up": 1, "x": 1}, {"up": 2, "x": 1}]}))

    assert [None, None] == [sample.key for sample in usp_readings(record(notify("7", **push)))]


def test_a_pushed_report_without_a_time_is_of_when_it_was_pushed() -> None:
    """Save what had waited before."""
    push = event("Push!", Data=json.dumps({"Report": [{"up": 1, "x": 1}, {"up": 2, "x": 1}]}))

    assert [None, TIME] == [sample.time for sample in usp_readings(record(notify(DATED, **push)))]


@pytest.mark.parametrize(
    ("message_id", "time", "key"),
    [
        (DATED, TIME, DATED),
        ("ValueChange-2026-11-21T17:03:31.5Z-12", TIME + 500, "ValueChange-2026-11-21T17:03:31.5Z-12"),
        ("NOTIFY_Event-2026-11-21T17:03:31Z-1", TIME, "NOTIFY_Event-2026-11-21T17:03:31Z-1"),
        ("Event-1970-01-01T00:00:03Z-1", None, None),
        ("7", None, None),
        ("Event-7", None, None),
        ("", None, None),
        ("Event-2026-11-21T17:03:31Z-1 of 2", None, None),
        ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", None, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        ("F81D4FAE7DEC11D0A76500A0C91E6BF6", None, "F81D4FAE7DEC11D0A76500A0C91E6BF6"),
        ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6-7", None, None),
    ],
)
def test_a_message_id_tells_a_message_if_no_other_can_have_it(message_id: str, time: int | None, key: Any) -> None:
    """A bare number starts again with the agent, as a clock does that nothing sets: two starts would be one."""
    change = {"param_path": "Device.X", "param_value": "1"}

    [sample] = usp_readings(record(notify(message_id, value_change=change)))

    assert (time, key) == (sample.time, sample.key)


GREETINGS = ["websocket_connect", "mqtt_connect", "stomp_connect", "disconnect", "uds_connect"]


@pytest.mark.parametrize("kind", GREETINGS)
def test_a_greeting_says_nothing_of_the_router(kind: str) -> None:
    """The first record after a connection, and the last."""
    greeting: dict[str, Any] = {kind: {}}

    assert usp_readings(record(**greeting)) == ()


@pytest.mark.parametrize(
    "payload",
    [
        notify(DATED, **event("Periodic!", "Device.LocalAgent.")),
        notify(DATED, **event("TransferComplete!", "Device.LocalAgent.", Command="x", FaultString="y")),
        notify(DATED, **event("Periodic!", ParamPath="Device.Cellular.Interface.1.RSRP", ParamValue="-121")),
        notify(DATED, obj_creation={}),
        notify(DATED, obj_deletion={}),
        notify(DATED, oper_complete={}),
        notify(DATED, on_board_req={}),
        notify(DATED),
        message_class("Msg")(header={"msg_id": "1", "msg_type": 2}, body={"response": {}}).SerializeToString(),
        message_class("Msg")(header={"msg_id": "1", "msg_type": 0}, body={"error": {}}).SerializeToString(),
        message_class("Msg")(header={"msg_id": "1", "msg_type": 99}, body={}).SerializeToString(),
    ],
)
def test_a_heartbeat_and_what_is_somebody_elses_say_nothing(payload: bytes) -> None:
    """Answers to controllers, errors, objects made and deleted, other events, messages of a later version."""
    assert usp_readings(record(payload)) == ()


def session(**more: Any) -> bytes:
    """A record with a session context."""
    return record(session_context={"session_id": 1, "sequence_id": 2, **more})


OTHERS = ("value_change", "obj_creation", "obj_deletion", "oper_complete", "on_board_req")
CHANGE = notify(DATED, value_change={"param_path": "Device.X", "param_value": "1"})


def test_a_session_context_with_a_whole_message_is_read() -> None:
    """One without a message only keeps the session."""
    whole, apart = usp_readings(session(payload=[CHANGE])), usp_readings(session(payload=[CHANGE[:9], CHANGE[9:]]))
    assert ("Device.X", "1") == whole[0].values[0]
    assert whole == apart
    assert usp_readings(session()) == ()
    assert usp_readings(session(retransmit_id=1)) == ()


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"\x00", b"{}", b"hello", b"\xff" * 40, record(b"\xff\xff"), record(b""), record(sender=""), record(),
        record(CHANGE, sender=""), record(CHANGE, payload_security=1), record(CHANGE, payload_security=7),
        record(CHANGE, mqtt_connect={}), record(CHANGE)[:-3], record(CHANGE[:-3]),
        session(payload=[CHANGE], payload_sar_state=1), session(payload=[CHANGE], payload_sar_state=3),
        session(payload=[CHANGE], payloadrec_sar_state=2), session(payload=[b"\xff"]),
        record(message_class("Msg")(header={"msg_id": "1"}).SerializeToString()),
        record(message_class("Msg")(body={"request": {"notify": event("Boot!")}}).SerializeToString()),
        *(record(notify(DATED, **event("Boot!"), **{kind: {}})) for kind in OTHERS),
        record(notify(DATED, **event("Boot!", ParameterMap="{"))),
        record(notify(DATED, **event("Boot!", ParameterMap="[]"))),
        record(notify(DATED, **event("Boot!", ParameterMap='{"a":1,"a":2}'))),
        record(notify(DATED, **event("Boot!", ParameterMap='{"Device.Boot!.Cause":1}', Cause="x"))),
        record(notify(DATED, event={"event_name": "Boot!", "params": [{"key": "Cause"}, {"key": "Cause"}]})),
        record(notify(DATED, **event("Push!", Data="{}"))),
        record(notify(DATED, **event("Push!"))),
        record(notify(DATED, **event("Push!", Data='{"Report":[{"a":1,"a":2}]}'))),
    ],
)  # fmt: skip
def test_what_cannot_be_read_whole_is_malformed(payload: bytes) -> None:
    """Segments, TLS within the record, two kinds at once, names that come twice, nobody as the sender."""
    assert usp_readings(payload) is DropReason.MALFORMED


# ------------------------------------------------------------------------------------------------------------ messages


@pytest.mark.parametrize(
    "topic",
    ["usp/controller", "usp/controller/reply-to=usp%2Fagent%2FC0B101-ZTE1024300012", "usp/controller/a/b"],
)
def test_the_record_names_its_router_whatever_the_topic_says(topic: str) -> None:
    """MQTT 5 and 3.1.1, where the source says that the payload may name it."""
    rules = rules_of(USP)
    change = {"param_path": "Device.Cellular.Interface.1.Status", "param_value": "Dormant"}

    found = outcome(record(notify(DATED, value_change=change)), topic, rules)

    assert {"network": {"wan_connection_state": "connecting"}} == body(found)
    assert isinstance(found, Accepted)
    assert rules.pseudonyms[found.record.region].identity("ZTE1024300012") == found.record.identity


@pytest.mark.parametrize(
    ("path", "value", "lost"),
    [
        ("Device.Cellular.Interface.4.Status", "Down", True),
        ("Device.Cellular.Interface.4.Status", "LowerLayerDown", True),
        ("Device.Cellular.Interface.4.Status", "Up", False),
        ("Device.Cellular.Interface.4.Status", "Dormant", False),
        ("Device.Cellular.X_RDK_Status", "DEREGISTERED", True),
        ("Device.PPP.Interface.2.ConnectionStatus", "Disconnected", True),
        ("Device.PPP.Interface.2.ConnectionStatus", "Connecting", False),
        ("Device.DHCPv4.Client.1.DHCPStatus", "Init", True),
        ("Device.DHCPv4.Client.1.DHCPStatus", "Renewing", False),
    ],
)
def test_a_state_that_changed_to_down_is_a_disconnect(path: str, value: str, lost: bool) -> None:
    """Though nothing said before that the link was up; the same state in a report is none."""
    changed = body(
        outcome(
            record(notify(DATED, value_change={"param_path": path, "param_value": value})),
            "usp/controller",
            rules_of(USP),
        )
    )
    report = json.dumps({"Report": [{"CollectionTime": COLLECTED, path: value}]})
    pushed = body(outcome(record(notify(DATED, **event("Push!", Data=report))), "usp/controller", rules_of(USP)))

    assert pushed["network"] == changed["network"]
    assert "events" not in pushed
    assert [{"event": "wan_unexpected_disconnect", "time": "2026-11-21T17:03:31Z"}] * lost == changed.get("events", [])


def test_a_threshold_that_was_crossed_is_a_sample_of_one_parameter() -> None:
    """TR-181 2.19, `LocalAgent.Threshold.{i}.Triggered!`."""
    told = event(
        "Triggered!", "Device.LocalAgent.Threshold.1.", ParamPath="Device.Cellular.Interface.1.RSRP", ParamValue="-121"
    )
    none = event("Triggered!", "Device.LocalAgent.Threshold.1.")

    assert (("Device.Cellular.Interface.1.RSRP", "-121"),) == usp_readings(record(notify(DATED, **told)))[0].values
    assert usp_readings(record(notify(DATED, **none))) == ()


@pytest.mark.parametrize(
    ("agent", "kept"),
    [
        ("os::00256D-ZTE1024300012", True),
        ("00256D-ZTE1024300012", True),
        ("ZTE1024300012", True),
        ("os::00256D-ANOTHER", False),
        ("", False),
    ],
)
def test_a_source_may_hold_the_record_to_the_topic_that_answers_go_to(agent: str, kept: bool) -> None:
    """`router_level` at the suffix that MQTT 3.1.1 agents put there; the broker ties it to who may read it."""
    rules = rules_of({**USP, "router_from": "topic", "router_level": 3})
    payload = record(notify(DATED, value_change={"param_path": "Device.DeviceInfo.UpTime", "param_value": "9"}))

    found = outcome(payload, f"usp/controller/reply-to=usp%2Fagent%2F{agent}", rules)

    assert isinstance(found, Accepted if kept else Dropped)
    if isinstance(found, Dropped):
        assert found.reason in {DropReason.IDENTITY_MISMATCH, DropReason.UNKNOWN_TOPIC}


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"Cause": "LocalReboot"}, "unknown"),
        ({"Cause": "LocalReboot", "Reason": "Unknown", "FirmwareUpdated": "false"}, "unknown"),
        ({"Cause": "RemoteReboot", "Reason": "Unknown"}, "remote_management"),
        ({"Cause": "LocalFactoryReset"}, "factory_reset"),
        ({"Cause": "RemoteFactoryReset"}, "factory_reset"),
        ({"Cause": "LocalReboot", "Reason": "watchdog"}, "watchdog"),
        ({"Cause": "LocalReboot", "Reason": "Hardware watchdog bite"}, "watchdog"),
        ({"Cause": "LocalReboot", "Reason": "power on reset"}, "power_loss"),
        ({"Cause": "LocalReboot", "Reason": "Power lost"}, "power_loss"),
        ({"Cause": "LocalReboot", "Reason": "overheat"}, "overheat"),
        ({"Cause": "LocalReboot", "Reason": "FAN fault"}, "overheat"),
        ({"Cause": "LocalReboot", "Reason": "web userinterface"}, "user"),
        ({"Cause": "LocalReboot", "Reason": "Kernel crash in foo"}, "kernel_panic"),
        ({"Cause": "LocalReboot", "Reason": "Userspace crash in wpad 1.2"}, "unknown"),
        ({"Cause": "LocalReboot", "Reason": "Out of memory"}, "out_of_memory"),
        ({"Cause": "LocalReboot", "Reason": "Lily pulled the plug"}, "unknown"),
        ({"Cause": "RemoteReboot", "Reason": "Firmware Upgrade 1.2"}, None),
        ({"Cause": "LocalReboot", "Reason": "Unknown", "FirmwareUpdated": "true"}, None),
        ({"Cause": "LocalReboot", "FirmwareUpdated": "1"}, None),
        ({}, None),
    ],
)
def test_a_start_is_a_restart_with_its_reason(params: dict[str, str], reason: str | None) -> None:
    """Dated by the message id; one that new firmware asked for was told to, and is none."""
    carried = json.dumps({"Device.DeviceInfo.UpTime": "31"})

    made = body(
        outcome(
            record(notify(DATED, **event("Boot!", **params, ParameterMap=carried))), "usp/controller", rules_of(USP)
        )
    )

    restart = {"event": "unexpected_reboot", "time": "2026-11-21T17:03:31Z", "reboot_reason": reason}
    assert ([restart] if reason else []) == made.get("events", [])
    assert {"uptime_seconds": 31} == made["router"]


def test_nothing_of_a_reason_in_words_is_kept() -> None:
    """F8."""
    found = outcome(
        record(notify(DATED, **event("Boot!", Cause="LocalReboot", Reason="Lily 4711"))),
        "usp/controller",
        rules_of(USP),
    )

    assert isinstance(found, Accepted)
    assert b"Lily" not in found.record.body
    assert b"4711" not in found.record.body


def test_a_notification_sent_again_is_the_same_record() -> None:
    """Agents retry until somebody answers; the id tells, not the time of arrival."""
    rules, payload = rules_of(USP), record(notify(DATED, **event("Boot!", **BOOT)))

    one, other = (outcome(payload, "usp/controller", rules, COLLECTED * 1000 + n * 600_000) for n in (1, 2))

    assert isinstance(one, Accepted)
    assert isinstance(other, Accepted)
    assert one.record.record_id == other.record.record_id


def test_a_start_without_a_time_needs_a_source_that_takes_arrival_for_it() -> None:
    """The record itself has none."""
    payload = record(notify("5", **event("Boot!", **BOOT)))
    undated, arrival = rules_of(USP), rules_of({**USP, "arrival_time": True})

    assert Dropped(DropReason.CLOCK_INVALID) == outcome(payload, "usp/controller", undated)
    [restart] = body(outcome(payload, "usp/controller", arrival))["events"]
    assert "2026-11-21T17:03:33Z" == restart["time"]


@given(
    st.binary(max_size=200)
    | st.binary(max_size=60).map(record)
    | st.binary(max_size=60).map(lambda b: session(payload=[b]))
)
def test_whatever_bytes_come_there_are_samples_or_a_reason(payload: bytes) -> None:
    """Nothing raises."""
    found = Usp(options()).read(payload, ())

    assert isinstance(found, tuple) or found is DropReason.MALFORMED


@given(st.data())
def test_a_record_with_a_byte_changed_is_read_or_refused(data: st.DataObject) -> None:
    """Nothing raises, and a sample says who sent it."""
    whole = bytearray(record(notify(DATED, **event("Boot!", **BOOT, ParameterMap='{"Device.DeviceInfo.UpTime":1}'))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))

    found = Usp(options()).read(bytes(whole), ())

    assert isinstance(found, DropReason) or all(sample.endpoint for sample in found)
