"""The messages of USP 1.4 (TR-369, `usp-record-1-4` and `usp-msg-1-4`) as far as they are read here.

protobuf makes its classes at run time from the names, numbers and types below, which are facts of the standard: so
no code is generated, and a field that is not listed here is skipped like an unknown one.

Rule 1: maps are written as the repeated pairs that they are on the wire, for a map forgets a key that came twice.
Rule 2: enums are written as numbers: a value that a later version adds is read, though not understood.
"""

from functools import cache
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE: Final = "usp"
_TYPES: Final = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "enum": FieldDescriptorProto.TYPE_INT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
}
_Fields = dict[str, tuple[int, str]]

PLAINTEXT: Final = 0
"""`Record.PayloadSecurity`: the payload is a message; TLS12 (1) is part of a TLS session that does not end here."""
WHOLE: Final = 0
"""`PayloadSARState`: the payload is not in segments."""

RECORDS: Final = (
    "no_session_context", "session_context", "websocket_connect", "mqtt_connect", "stomp_connect", "disconnect",
    "uds_connect",
)  # fmt: skip
"""The kinds of record; a record is exactly one of them."""
_MESSAGES: Final[dict[str, _Fields]] = {
    "Record": {
        "version": (1, "string"),
        "to_id": (2, "string"),
        "from_id": (3, "string"),
        "payload_security": (4, "enum"),
        "mac_signature": (5, "bytes"),
        "sender_cert": (6, "bytes"),
        **{kind: (number, "NoSessionContext" if number == 7 else "SessionContext" if number == 8 else "Nothing")  # noqa: PLR2004 - the numbers of the fields
           for number, kind in enumerate(RECORDS, start=7)},
    },
    "NoSessionContext": {"payload": (2, "bytes")},
    "SessionContext": {
        "session_id": (1, "uint64"),
        "sequence_id": (2, "uint64"),
        "expected_id": (3, "uint64"),
        "retransmit_id": (4, "uint64"),
        "payload_sar_state": (5, "enum"),
        "payloadrec_sar_state": (6, "enum"),
        "payload": (7, "repeated bytes"),
    },
    "Nothing": {},
    "Msg": {"header": (1, "Header"), "body": (2, "Body")},
    "Header": {"msg_id": (1, "string"), "msg_type": (2, "enum")},
    "Body": {"request": (1, "Request"), "response": (2, "Nothing"), "error": (3, "Nothing")},
    "Request": {"notify": (8, "Notify")},
    "Notify": {
        "subscription_id": (1, "string"),
        "send_resp": (2, "bool"),
        "event": (3, "Event"),
        "value_change": (4, "ValueChange"),
        "obj_creation": (5, "Nothing"),
        "obj_deletion": (6, "Nothing"),
        "oper_complete": (7, "Nothing"),
        "on_board_req": (8, "Nothing"),
    },
    "Event": {"obj_path": (1, "string"), "event_name": (2, "string"), "params": (3, "repeated Pair")},
    "Pair": {"key": (1, "string"), "value": (2, "string")},
    "ValueChange": {"param_path": (1, "string"), "param_value": (2, "string")},
}  # fmt: skip


@cache
def message_class(name: str) -> Any:
    """The class of a message, such as `Record` or `Msg`."""
    return GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@cache
def _pool() -> DescriptorPool:
    file = FileDescriptorProto(name="usp-1-4.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            message.field.append(_field(field, number, kind))
    pool = DescriptorPool()
    pool.Add(file)
    return pool


def _field(name: str, number: int, kind: str) -> FieldDescriptorProto:
    label = FieldDescriptorProto.LABEL_REPEATED if kind.startswith("repeated ") else FieldDescriptorProto.LABEL_OPTIONAL
    plain = kind.removeprefix("repeated ")
    if plain in _TYPES:
        return FieldDescriptorProto(name=name, number=number, label=label, type=_TYPES[plain])
    message = f".{_PACKAGE}.{plain}"
    return FieldDescriptorProto(
        name=name, number=number, label=label, type=FieldDescriptorProto.TYPE_MESSAGE, type_name=message
    )
