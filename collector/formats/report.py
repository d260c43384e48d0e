"""The wire format v1: topic and payload to `Report` (docs/firmware.md).

A clean message is decoded once, by the closed schema. What that refuses, and what might hold a key twice, is read
again, slowly and key by key.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson
from msgspec import UNSET

from collector.fields.clean import Cleaner, Notes, Tally
from collector.fields.compiled import Compiled
from collector.fields.select import snapshot_plmn
from collector.formats.strict_json import NotStrict, parse_object
from collector.model import DropReason, Flag, Message, Report
from collector.pseudonym import normal_imei

SCHEMA_VERSION: Final = 1
FORMAT: Final = "report-v1"
ROUTER: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TOPIC: Final = re.compile(rf"ueip/v1/({ROUTER.pattern})/(report|consent)")
LONGEST_TOPIC: Final = len("ueip/v1//consent") + 64
"""A topic may have 65,535 bytes (MQTT 5, 1.5.4); this bounds the memory for topics."""
_encode: Final = msgspec.json.Encoder().encode
_skip: Final = msgspec.json.Decoder(msgspec.defstruct("nothing", [])).decode
FLAG: Final = b'"ueip"'
"""Without these bytes and without escapes there is no flag, and nothing more needs to be known."""
_QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")
"""As a number, for speed: given bytes, CPython's `in` first makes an exception and throws it away."""


def parse_topic(topic: str) -> tuple[str, str] | None:
    """Router and kind (`report`, `consent`) of a v1 topic, or None if it is not one."""
    return _parse_topic(topic) if len(topic) <= LONGEST_TOPIC else None


def parse_topic_anew(topic: str) -> tuple[str, str] | None:
    """As `parse_topic`, of a topic that is not too long; nothing is remembered of it."""
    found = _TOPIC.fullmatch(topic)
    return None if found is None else (found[1], found[2])


_parse_topic: Final = lru_cache(16_384)(parse_topic_anew)


def report_topic(router: str) -> str:
    """Where a router of the format v1 publishes its reports."""
    return f"ueip/v1/{router}/report"


class ReportDecoder:
    """Decodes reports of the wire format v1."""

    def __init__(self, compiled: Compiled, cleaner: Cleaner, *, max_bytes: int, max_depth: int) -> None:
        self.compiled = compiled
        self.cleaner = cleaner
        self.max_bytes = max_bytes
        self.max_depth = max_depth

    def decode(self, message: Message, router: str) -> Report | DropReason:
        """The report in *message*, or why there is none. Does not judge the flag, unless it cannot be there at all."""
        payload = message.payload
        if len(payload) > self.max_bytes:
            return DropReason.OVERSIZE
        if _BACKSLASH not in payload:
            if payload.find(FLAG) < 0 and _is_object(payload):
                return DropReason.FLAG_ABSENT
            if (tree := self._clean(payload)) is not None:
                return _report(router, tree, _flag_of(tree), None)
            if (read := self._nearly_clean(payload)) is not None:
                tree, flag, tally = read
                return _report(router, tree, flag, tally)
        return self.decode_slowly(message, router, Tally())

    def valid(self, payload: bytes) -> Any:
        """The wire tree of a report without escapes in which all is known and valid, or None.

        A key may occur twice, and its last value counts: whoever takes the tree has to check for that.
        """
        if payload.find(FLAG) < 0 or len(payload) > self.max_bytes or _BACKSLASH in payload:
            return None
        return self.compiled.decode(payload)

    def _clean(self, payload: bytes) -> Any:
        """The wire tree of a payload without escapes in which all is known and valid, or None."""
        tree = self.compiled.decode(payload)
        return tree if tree is not None and not has_key_twice(payload, tree) else None

    def _nearly_clean(self, payload: bytes) -> tuple[Any, Flag, Tally] | None:
        """The same for a payload that also holds unknown keys, as defective firmware sends them, or None."""
        tree = self.compiled.decode_open(payload)
        # With no more brackets than levels allowed, it cannot nest too deep.
        if tree is None or payload.count(b"{") + payload.count(b"[") > self.max_depth:
            return None
        try:
            document = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return None
        if payload.count(_QUOTE) != orjson.dumps(document).count(b'"'):
            return None
        tally = Tally()
        self.cleaner.refuse_unknown(document, tally)
        return tree, self._agreed(_flag_of(tree), document), tally

    def _agreed(self, flag: Flag, document: dict[str, Any]) -> Flag:
        return Flag.INVALID if flag is Flag.YES and self.cleaner.flags_disagree(document) else flag

    def decode_slowly(self, message: Message, router: str, notes: Notes) -> Report | DropReason:
        """As `decode`, key by key; *notes* is told what is removed."""
        try:
            document = parse_object(message.payload, max_depth=self.max_depth)
        except NotStrict:
            return DropReason.MALFORMED
        tree = self.cleaner.clean(document, notes)
        if "policy_version" in document and tree.policy_version is UNSET:
            tree.policy_version = ""  # unreadable is not absent: it counts as a version that does not exist
        flag = self._agreed(_flag(document), document)
        return _report(router, tree, flag, notes if isinstance(notes, Tally) else None)


def has_key_twice(payload: bytes, tree: Any) -> bool:
    """Whether a key occurs twice in a payload without escapes, from which *tree* was decoded.

    msgspec keeps the last of two equal keys without a word. A payload without escapes has as many quotes as its tree
    written out again, unless a key occurs twice: so duplicates are seen without a second parser. Where the two are
    equal, because the router writes in the order of the schema, no quotes need to be counted.
    """
    written = _encode(tree)
    return written != payload and payload.count(_QUOTE) != written.count(_QUOTE)


def _is_object(payload: bytes) -> bool:
    """Whether *payload* is one JSON object; no Python object is made of it."""
    try:
        _skip(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _flag_of(tree: Any) -> Flag:
    """The flag of a tree, where it is a boolean or absent."""
    said = tree.ueip
    return Flag.YES if said is True else Flag.NO if said is False else Flag.ABSENT


def _flag(document: dict[str, Any]) -> Flag:
    """The flag as D1 has it: `is True`, for Python takes 1 and "false" for true as well."""
    if "ueip" not in document:
        return Flag.ABSENT
    value = document["ueip"]
    return Flag.YES if value is True else Flag.NO if value is False else Flag.INVALID


def _report(router: str, tree: Any, flag: Flag, tally: Tally | None) -> Report:
    return Report(
        router=router,
        format=FORMAT,
        message_id=tree.message_id or None,
        schema_version=None if (version := tree.schema_version) is UNSET else version,
        flag=flag,
        policy_version=None if (policy := tree.policy_version) is UNSET else policy,
        country=tree.country or None,
        time=None if (said := tree.time) is UNSET else milliseconds(said),
        age=None if tree.uptime_at_event_seconds is UNSET else _age(tree),
        plmns=_plmns(tree),
        suspect_plmn=tally is not None and tally.suspect_plmn,
        names_another=(group := tree.router) is not UNSET
        and names_another(router, group.serial or None, group.imei or None),
        content=tree,
        removed=tuple(sorted(tally.counts.items())) if tally else (),
    )


def _plmns(tree: Any) -> tuple[str, ...]:
    """The serving networks that a report names, the one of now first, then those of its events."""
    serving = () if (network := tree.network) is UNSET or not network.plmn else (network.plmn,)
    return serving if (events := tree.events) is UNSET else serving + plmns_of_events(events)


def plmns_of_events(events: Iterable[Any]) -> tuple[str, ...]:
    """The serving networks that the snapshots of a report's events name."""
    return tuple([plmn for event in events if (plmn := snapshot_plmn(event.disconnect_snapshot))])


def milliseconds(when: datetime) -> int:
    """Milliseconds since 1970 of an aware time; any year the calendar has."""
    delta = when - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def rfc3339(milliseconds: int) -> str:
    """A time of ours for people and JSON, to the second."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _age(tree: Any) -> int | None:
    """How old the measurement is by the router's own uptime, in ms, for routers without a clock (K08)."""
    event, send = tree.uptime_at_event_seconds, tree.uptime_at_send_seconds
    if event is UNSET or send is UNSET or event > send:
        return None
    return int(send - event) * 1000


def names_another(router: str, serial: str | None, said: str | None) -> bool:
    """Whether a payload with this serial and the IMEI *said* names a router, but not that of the topic."""
    if router in (serial, said) or (serial is None and said is None):
        return False
    imei = None if said is None else normal_imei(said)
    return imei is None or imei != normal_imei(router)
