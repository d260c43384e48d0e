"""Changes USP records: what they carry as what it is, texts of JSON as trees, and now and then bytes as bytes."""

import random
from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.message import DecodeError

from collector.formats.usp_messages import message_class

from .mutate import mutated, mutated_bytes
from .words import CANARIES, ROUTER

_KEYS: Final = ("ParameterMap", "Data", "Cause", "Reason", "FirmwareUpdated", "CommandKey", CANARIES[0])
_EVENTS: Final = ("Boot!", "Push!", "Periodic!", "TransferComplete!", CANARIES[0], "")
_PATHS: Final = (
    "Device.Cellular.Interface.1.Status", "Device.Cellular.Interface.1.RSRP", "Device.DeviceInfo.SoftwareVersion",
    "Device.WiFi.AccessPoint.1.Security.KeyPassphrase", "Device.Cellular.Interface.1.USIM.PIN", CANARIES[0], "",
)  # fmt: skip
_VALUES: Final = ("Down", "Up", "-97", "0", "true", "NULL", "1970-01-01T00:00:00Z", *CANARIES, "[]", '"', "\u2028")
_SENDERS: Final = (
    f"os::00256D-{ROUTER}", f"ops::00256D-X-{ROUTER}", f"imei::{ROUTER}", ROUTER, "os::00256D-OTHER", "self::x", "",
    CANARIES[0],
)  # fmt: skip
_IDS: Final = (
    "Event-2026-11-21T17:00:00Z-1", "Event-1970-01-01T00:00:00Z-1", "Event-9999-99-99T99:99:99Z-1", "1", "",
    "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", CANARIES[0],
)  # fmt: skip


def changed_record(data: bytes, chance: random.Random, donors: Sequence[bytes]) -> bytes:
    """Another record made of one, or of what was one."""
    record, message = message_class("Record")(), message_class("Msg")()
    try:
        record.ParseFromString(data)
        message.ParseFromString(record.no_session_context.payload)
    except (DecodeError, RecursionError):
        return mutated_bytes(data, chance, donors)
    if chance.random() < 0.3 or not record.HasField("no_session_context"):
        return mutated_bytes(data, chance, donors)
    notify = message.body.request.notify
    for _ in range(chance.choice((1, 1, 2, 4))):
        chance.choice((_texts, _texts, _texts, _event, _change, _header, _kinds))(record, message, notify, chance)
    record.no_session_context.payload = message.SerializeToString()
    _carrier(record, chance)
    return bytes(record.SerializeToString())


def _texts(_: Any, __: Any, notify: Any, chance: random.Random) -> None:
    """What stands in parameters: mostly JSON."""
    for pair in notify.event.params:
        pair.value = mutated(pair.value.encode(), chance, ()).decode("utf-8", "replace")


def _event(_: Any, __: Any, notify: Any, chance: random.Random) -> None:
    """Another event, another parameter, one that comes twice."""
    if chance.random() < 0.3:
        notify.event.event_name = chance.choice(_EVENTS)
    pairs = notify.event.params
    if pairs and chance.random() < 0.5:
        pairs[0].key = chance.choice(_KEYS)
    else:
        pairs.add(key=chance.choice(_KEYS), value=chance.choice(_VALUES))


def _change(_: Any, __: Any, notify: Any, chance: random.Random) -> None:
    notify.ClearField("event")
    notify.value_change.param_path = chance.choice(_PATHS)
    notify.value_change.param_value = chance.choice(_VALUES)


def _header(record: Any, message: Any, _: Any, chance: random.Random) -> None:
    record.from_id = chance.choice(_SENDERS)
    message.header.msg_id = chance.choice(_IDS)


def _kinds(record: Any, _: Any, notify: Any, chance: random.Random) -> None:
    """A message of two kinds, or a record of two."""
    chance.choice((notify.oper_complete, notify.value_change, record.mqtt_connect, record.disconnect)).SetInParent()


def _carrier(record: Any, chance: random.Random) -> None:
    """Encrypted, or in a session, whole or in segments."""
    match chance.randrange(12):
        case 0:
            record.payload_security = chance.choice((1, 2, -1))
        case 1 | 2:
            session, payload = record.session_context, record.no_session_context.payload
            cut = chance.choice((len(payload), chance.randint(0, len(payload))))
            session.payload.extend([payload[:cut], payload[cut:]])
            session.payload_sar_state = chance.choice((0, 0, 1, 3))
            record.ClearField("no_session_context")
