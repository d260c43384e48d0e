"""ZTE's local interface, as agents publish its answers: flat maps of `goform`, nested ones of `ubus`.

Both are JSON. A `goform` answer is one object of texts (`multi_data=1`); `ubus` gives objects below the names of calls,
or JSON-RPC answers `{"result": [0, {...}]}`, one or a list of them, with texts and numbers mixed.

Rule 1: the flag is `tr069_user_improv_flag` at the top of the object (catalogue 1.7.2); nowhere else, and never one of
        its look-alikes.
Rule 2: an expired session answers with every value blank. That says nothing; it does not mean a router without signal.
"""

from collections.abc import Mapping
from typing import Any, Final

from collector.formats.flatten import NotFlat, flatten
from collector.formats.reading import Options, Reading
from collector.formats.strict_json import NotStrict, parse_structure
from collector.formats.times import moment
from collector.model import DropReason, Flag

FLAG: Final = "tr069_user_improv_flag"
_YES, _NO = ("1", 1), ("0", 0)
_TIMES: Final = ("time", "timestamp", "_timestamp", "last_updated")
"""Firmware gives no time; the agents that publish its answers add one of these at the top."""
_SESSION: Final = frozenset(
    {
        "loginfo", "LD", "RD", "AD", "stok", "login_error", "login_lock_time", "psw_fail_num_str", "user_ip_addr",
        "zte_web_sault", "ubus_rpc_session", "login_fail_num", "login_fail_lock_lefttime", "login_timeout_lefttime",
    }
)  # fmt: skip
"""Names that only concern the session with the local interface."""
_ANSWER: Final = 2
"""Members of a JSON-RPC answer's `result`: the status of ubus and the data."""


class Maps:
    """Takes such answers apart."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def read(self, payload: bytes, levels: tuple[str, ...]) -> tuple[Reading, ...] | DropReason:
        """One reading, or none if every value is blank or only concerns the session."""
        del levels  # the source finds the router in them, and they hold nothing else
        try:
            document = _answered(parse_structure(_bare(payload), max_depth=self._options.max_depth))
            values = flatten(document)
        except (NotStrict, NotFlat):
            return DropReason.MALFORMED
        if all(_blank(value) or _of_session(name) for name, value in values):
            return ()
        top = document if isinstance(document, dict) else {}
        time = next((name for name in _TIMES if not _blank(top.get(name))), None)
        return (
            Reading(
                values=tuple(pair for pair in values if pair[0] not in {FLAG, time}),
                time=None if time is None else moment(top[time], self._options.zone),
                flag=self._flag(top),
            ),
        )

    def _flag(self, top: Mapping[str, Any]) -> Flag:
        """What the declared place says; a no counts even if the source relies on the ledger alone (D2)."""
        said = _said(top)
        if said is Flag.NO:
            return said
        if said is Flag.YES and self._contradicted(top):
            return Flag.INVALID
        return said if self._options.flagged else Flag.NONE

    def _contradicted(self, top: Mapping[str, Any]) -> bool:
        """Whether another spelling of the flag stands beside it and does not say yes (1.7.2)."""
        others = (value for name, value in top.items() if name != FLAG and self._options.spells_the_flag(name))
        return any(value is not True and not _is(value, _YES) for value in others)


def _bare(payload: bytes) -> bytes:
    """Without the byte order mark that Windows adds, and the NUL that ends a C string."""
    return payload.removeprefix(b"\xef\xbb\xbf").rstrip(b"\0")


def _said(top: Mapping[str, Any]) -> Flag:
    if FLAG not in top:
        return Flag.ABSENT
    value = top[FLAG]
    return Flag.YES if _is(value, _YES) else Flag.NO if _is(value, _NO) else Flag.INVALID


def _is(value: Any, one_of: tuple[Any, ...]) -> bool:
    """`in`, but 1 is neither true nor 1.0."""
    return any(type(value) is type(one) and value == one for one in one_of)


def _answered(node: Any) -> Any:
    """JSON-RPC answers without their envelopes: alone, in a list, or each below the name of its call."""
    if _is_answer(node):
        return _data(node)
    if isinstance(node, list) and all(_is_answer(item) for item in node):
        said = ((place, _data(item)) for place, item in enumerate(node, start=1))
        return {f"call{place}": data for place, data in said if data}
    if isinstance(node, dict):
        return {name: _data(child) if _is_answer(child) else child for name, child in node.items()}
    return node


def _is_answer(node: Any) -> bool:
    return _is_result(node) or (isinstance(node, dict) and "jsonrpc" in node)


def _is_result(node: Any) -> bool:
    return isinstance(node, list) and len(node) == _ANSWER and type(node[0]) is int and isinstance(node[1], dict)


def _data(answer: Any) -> Any:
    """The data of an answer, nothing for a refusal: `result[0]` is 0 where the call went well."""
    result: Any = answer.get("result") if isinstance(answer, dict) else answer
    return result[1] if _is_result(result) and result[0] == 0 else {}


def _blank(value: Any) -> bool:
    return not (value.strip() if isinstance(value, str) else value) and type(value) not in {bool, int, float}


def _of_session(name: str) -> bool:
    return name.rpartition(".")[2] in _SESSION
