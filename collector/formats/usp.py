"""USP records over MQTT (TR-369 1.4.1): what an agent notifies its controller of.

Greetings, heartbeats and answers to somebody else's questions say nothing of the router. `Boot!`, `ValueChange`,
`Triggered!` and `Push!` become samples; the last is a bulk data report in a text.

Rule 1: what cannot be read whole is not read: segments, payloads of a TLS session, a record of two kinds.
Rule 2: the endpoint id in the record names the router; whether it may is for the source to say.
Rule 3: a value sent because it changed says more than one in a report: `CHANGED` stands beside it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.message import DecodeError
from msgspec.structs import replace

from collector.formats.bulk_data import BulkData
from collector.formats.flatten import NotFlat, flatten
from collector.formats.reading import Options, Reading
from collector.formats.strict_json import NotStrict, parse_object
from collector.formats.times import moment
from collector.formats.usp_messages import PLAINTEXT, RECORDS, WHOLE, message_class
from collector.model import DropReason

_NOTIFICATIONS: Final = (
    "event", "value_change", "obj_creation", "obj_deletion", "oper_complete", "on_board_req",
)  # fmt: skip
_BOOT, _PUSH, _TRIGGERED = "Boot!", "Push!", "Triggered!"
_MAP, _DATA = "ParameterMap", "Data"
CHANGED: Final = "@changed"
"""The name that tells entries that a value was sent because it changed."""
_DATED: Final = re.compile(
    r"[A-Za-z_-]{1,32}-(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z)-\d{1,20}", re.ASCII
)
"""How OB-USPA writes message ids: kind, when the notification was made, and a number."""
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}")
_Readings = tuple[Reading, ...]


class _Unreadable(ValueError):
    """No record, or one that is not for us to read; says nothing of its content."""


class Usp:
    """Takes USP records apart."""

    def __init__(self, options: Options) -> None:
        self._zone = options.zone
        self._max_depth = options.max_depth
        self._bulk = BulkData(options)

    def read(self, payload: bytes, levels: tuple[str, ...]) -> _Readings | DropReason:
        """The samples in a record; the topic says nothing that is needed."""
        try:
            record = _parsed("Record", payload)
            content = _content_of(record)
            return () if content is None else self._message(_parsed("Msg", content), record.from_id, levels)
        except (_Unreadable, NotStrict, NotFlat):
            return DropReason.MALFORMED

    def _message(self, message: Any, sender: str, levels: tuple[str, ...]) -> _Readings | DropReason:
        if not message.HasField("header") or not message.HasField("body"):
            raise _Unreadable
        notify = message.body.request.notify
        told = self._told(notify, levels)
        if isinstance(told, DropReason):
            return told
        named = message.header.msg_id
        dated = _DATED.fullmatch(named)
        sent = moment(dated["time"], self._zone) if dated else None
        # An agent's numbers start again when it does, and so does a clock that nothing sets: with such an id as the
        # key, its next start would pass for the last one.
        key = named if sent is not None or _UUID.fullmatch(named) else None
        return tuple(
            replace(
                reading,
                time=sent if reading.time is None and not reading.late else reading.time,
                key=None if key is None else f"{key}:{place}" if place else key,
                endpoint=sender,
            )
            for place, reading in enumerate(told)
        )

    def _told(self, notify: Any, levels: tuple[str, ...]) -> _Readings | DropReason:
        """The samples in a notification; none if it says nothing of the router."""
        kind = _only(notify, _NOTIFICATIONS)
        if kind == "value_change":
            change = notify.value_change
            return (Reading(values=((change.param_path, change.param_value), (CHANGED, True))),)
        if kind != "event":
            return ()
        params = _unique(notify.event.params)
        if notify.event.event_name == _BOOT:
            return (Reading(values=self._boot(params)),)
        if notify.event.event_name == _PUSH:
            return self._bulk.read(params.get(_DATA, "").encode(), levels)
        if notify.event.event_name == _TRIGGERED and params.get("ParamPath"):
            return (Reading(values=((params["ParamPath"], params.get("ParamValue", "")),)),)
        return ()

    def _boot(self, params: Mapping[str, str]) -> tuple[tuple[str, Any], ...]:
        """The parameters of a start, and those that one of them carries as JSON."""
        said = {f"Device.{_BOOT}.{name}": value for name, value in params.items() if name != _MAP}
        packed = params.get(_MAP, "").strip()
        carried = parse_object(packed.encode(), max_depth=self._max_depth) if packed else {}
        values = (*said.items(), *(flatten(carried) if carried else ()))
        if len({name for name, _ in values}) != len(values):
            raise NotFlat
        return values


def _parsed(kind: str, data: bytes) -> Any:
    try:
        return message_class(kind).FromString(data)
    except (DecodeError, RecursionError):
        raise _Unreadable from None


def _content_of(record: Any) -> bytes | None:
    """The message in a record, None in one that carries none."""
    kind = _only(record, RECORDS)
    if kind is None or not record.from_id or record.payload_security != PLAINTEXT:
        raise _Unreadable
    if kind == "no_session_context":
        content: bytes = record.no_session_context.payload
        return content
    if kind != "session_context":
        return None
    session = record.session_context
    if (session.payload_sar_state, session.payloadrec_sar_state) != (WHOLE, WHOLE):
        raise _Unreadable
    # A session context without a payload only asks for records again, or says what was received (TR-369, 3.4).
    return b"".join(session.payload) or None


def _only(message: Any, kinds: tuple[str, ...]) -> str | None:
    """Which one of *kinds* a message has, None if it has none."""
    there = [kind for kind in kinds if message.HasField(kind)]
    if len(there) > 1:
        raise _Unreadable
    return there[0] if there else None


def _unique(pairs: Any) -> dict[str, str]:
    made = {pair.key: pair.value for pair in pairs}
    if len(made) != len(pairs):
        raise NotFlat
    return made
