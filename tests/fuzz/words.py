"""What the fuzzer writes into messages: names of the catalogue, values within bounds, at them and beyond, canaries."""

import random
import tomllib
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from .tree import Arr, Node, Obj, node_of, quoted

ROOT: Final = Path(__file__).resolve().parents[2]
NOW: Final = datetime(2026, 11, 21, 17, 0, 30, tzinfo=UTC)
"""When every input is received."""
ROUTER: Final = "ZTE1024300012"

CANARIES: Final = ("Kanari3 vogel!", "4915771234567", "7777777777777777777")
"""No field takes a text with a blank and an exclamation mark, nor nine digits in a row, nor a number of 19 digits."""
RAW: Final = (ROUTER, "490154203237518", "d8:0a:e6:01:02:03", "262011234567890", "8949020000012345678", "Haus am See")
"""Identifiers of the seeds: they may come back as pseudonyms, never as they are."""

NOT_YES: Final = (
    "false", "null", "0", '"0"', '"true"', '"True"', '"1"', "1", "1.0", "2", "-1", '"yes"', '"on"', '""', '" "',
    '"true "', "[]", "[true]", "{}", '{"value":true}', "1e0", "true1", "TRUE", "True", "tru", '"\\u0074rue"',
)  # fmt: skip
"""What the flag must not be (catalogue 4.2), and what is no JSON."""
FLAG_NAMES: Final = (
    "ueip", "UEIP", "Ueip", "ueip_opt_in", "ueipEnabled", "ueip-enabled", "ueip_flag", "userExperienceImprovement",
    "tr069_user_improv_flag", "u\u200beip", "ueip ", "\ufeffueip", "ue\u0131p", "\uff55\uff45\uff49\uff50",
    "has_gdpr", "privacy_read_flag",
)  # fmt: skip
_NUMBERS: Final = (
    "0", "-0", "-1", "1", "0.5", "1.0", "1e0", "1E+2", "1e400", "-1e400", "1e-400", "0.1e1", "2147483647",
    "2147483648", "-2147483649", "4294967296", "4294967297", "9007199254740991", "9007199254740993",
    "9223372036854775807", "9223372036854775808", "18446744073709551616", "1" + "0" * 400, "00", "01", "+1", ".5",
    "1.", "NaN", "Infinity", "-",
)  # fmt: skip
_TEXTS: Final = (
    '""', '"x"', '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\/"', '"\\x"', '"a\\nb"',
    '"\u2028"', '"\U0001f4a9"', '"e\u0301"', '"\x7f"', '"\n"', '"' + "A" * 300 + '"', '"\\"', "'x'", '"26201"',
    '"46000"', '"45400"', '"90101"', '"00101"', '"DE"', '"CN"', '"HK"', '"de"', '"DEU"', '"UK"', '"XX"', '"report"',
    '"join"', '"exit"',
)  # fmt: skip
COUNTRIES: Final = (*"DE FR CH GP CN HK MO TW BR US GI XK UK EU de Z".split(), "", "D\u00c9")

_ODD_TIMES: Final = (
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-23:59", "0001-01-01T00:00:00+23:59", "1970-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z", "2026-11-21 17:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T16:59:60Z",
    "20261121T170000Z", "2026-W47-6T17:00:00Z", "2026-11-21T17:00:00.1234567Z", "2026-11-21T17:00:00,5Z",
    "-2026-11-21T17:00:00Z",
)  # fmt: skip


@cache
def catalogue() -> dict[str, Any]:
    """The catalogue as it is in the file."""
    return tomllib.loads((ROOT / "schemas" / "fields.toml").read_text("utf-8"))


@cache
def sendable() -> list[dict[str, Any]]:
    """The entries a router may send."""
    book = catalogue()
    fields = [f for f in book["field"] if f.get("sent", True) and f["type"] not in {"ref", "snapshot"}]
    return [*fields, *book["input"]]


@cache
def names() -> list[str]:
    """Keys that mean something to somebody: allowed ones, refused ones, their spellings."""
    book = catalogue()
    lists = [family.get(key, ()) for family in book["refused"] for key in ("names", "bare", "paths", "envelopes")]
    known = [entry["name"] for entry in (*book["field"], *book["input"])]
    groups = sorted({entry["group"] for entry in book["field"]})
    others = ("events", "time", "country", "message_id", "schema_version", "x", "")
    return [*known, *groups, *(name for some in lists for name in some), *FLAG_NAMES, *others]


def some_time(chance: random.Random) -> str:
    """A time near now, or at the ends of what is taken, or none."""
    seconds = chance.choice((0, 1, 30, 299, 301, 3600, 86_400, 7 * 86_400 - 1, 7 * 86_400 + 1, 40 * 86_400))
    when = NOW - timedelta(seconds=seconds * chance.choice((1, 1, 1, -1)), milliseconds=chance.choice((0, 0, 1, 999)))
    zone = chance.choice(("Z", "Z", "Z", "z", "+00:00", "-00:00", "+14:00", "-23:59", ""))
    text = when.isoformat().replace("+00:00", zone)
    return quoted(chance.choice(_ODD_TIMES) if chance.random() < 0.1 else text)


def scalar(chance: random.Random) -> str:
    """Any scalar."""
    match chance.randrange(8):
        case 0:
            return chance.choice(("true", "false", "null"))
        case 1 | 2:
            return chance.choice(_NUMBERS)
        case 3 | 4:
            return chance.choice(_TEXTS)
        case 5:
            return some_time(chance)
        case 6:
            return canary(chance)
        case _:
            return quoted(chance.choice(COUNTRIES))


def canary(chance: random.Random) -> str:
    """Something that must not be kept: as it is, in a text, or packed the ways routers pack."""
    text, digits, number = CANARIES
    pair = f'{{"sms":"{text}","msisdn":"{digits}"}}'
    packed = (f"a={text};sms={digits}", f"<sms>{text}</sms>", pair, b64encode(pair.encode()).decode(), f"[{pair}]")
    return chance.choice((quoted(text), quoted(digits), number, number, quoted(chance.choice(packed))))


def value_of(entry: dict[str, Any], chance: random.Random) -> str:
    """A value for a field: mostly one it takes, at a bound as often as not; else anything."""
    if chance.random() < 0.1:
        return scalar(chance)
    match entry["type"]:
        case "bool":
            return chance.choice(("true", "false"))
        case "int" | "number":
            return _number(entry, chance)
        case "enum":
            return str(node_of(chance.choice(entry["values"])))
        case "time":
            return some_time(chance)
        case "digits":
            return quoted("2620112345678901234567"[: chance.choice((entry["min_length"], entry["max_length"], 13, 21))])
        case kind:
            return quoted(chance.choice(_BY_TYPE[kind]))


def _number(entry: dict[str, Any], chance: random.Random) -> str:
    low, high = entry["min"], entry["max"]
    close = chance.choice((low, high, low - 1, high + 1, 0, chance.randint(int(low), int(high)), (low + high) // 2))
    return f"{close}.5" if entry["type"] == "number" and chance.random() < 0.3 else str(close)


_BY_TYPE: Final = {
    "list": ("ZTE", "MC888", "MF286R", "Haus", "B\u00fcro", CANARIES[0]),
    "ssid": ("Haus am See", "ZTE_123ABC", "\u00e4" * 16, "\u00e4" * 17, "x" * 33, "\U0001f3e0" * 8, '"'),
    "ver64": ("1.0", "BD_MC888V1.0.0B05", "v2+b-1", "123456789", "1.0\n", "x" * 64, "x" * 65),
    "code32": ("0x17", "MDM.42", "A-1_b", "a b", "MDM.42\n"),
    "plmn": ("26201", "20801", "310260", "46000", "45400", "23430", "90101", "00101", "34001", "99999", "2620"),
    "country": ("DE", "CN", "de", "Z"),
    "imei": (RAW[1], "4901542032375181", "35-209900-176148-1", "490154203237519"),
    "mac": (RAW[2], "D80AE6010203", "d8-0a-e6-01-02-03", "d80a.e601.0203"),
    "ipv4": ("10.0.0.2", "100.64.1.1", "8.8.8.8", "192.168.0.1/24", "0.0.0.0", "127.0.0.1", "224.0.0.1", "1.2.3.4/0", "1.2.3.4/33", "256.1.1.1"),  # noqa: E501
    "ipv6": ("2a02:3030::1", "fd00::1", "fe80::1", "::", "::1",
             "2a02::1/64", "1::2::3", "::ffff:1.2.3.4", "::1/999", ":" * 39),
    "domain": ("lan", "zte.home", "mueller.example", "." * 253, "-"),
    "text": (ROUTER, ROUTER.lower(), "OTHER1", "\u00e9"),
}  # fmt: skip


def event(chance: random.Random) -> Obj:
    """A fault event, perhaps with a snapshot."""
    made = Obj([['"event"', quoted(chance.choice(catalogue()["event"])["name"])], ['"time"', some_time(chance)]])
    for _ in range(chance.randrange(4)):
        entry = chance.choice([e for e in sendable() if e["group"] == "event" or e.get("on_events")])
        made.put(entry["name"], value_of(entry, chance))
    if chance.random() < 0.3:
        entry = chance.choice(sendable())
        made.put("disconnect_snapshot", Obj([[quoted(entry["group"]), field_of(entry, chance)]]))
    return made


def field_of(entry: dict[str, Any], chance: random.Random) -> Obj:
    """A group with that field in it."""
    return Obj([[quoted(entry["name"]), value_of(entry, chance)]])


def nested(node: Node, chance: random.Random) -> Node:
    """*node* some levels down."""
    levels = chance.choice((1, 2, 5, 15, 16, 17, 60, 1200))
    if levels > 60:
        return "[" * levels + "]" * levels  # as text: trees are walked by recursion
    for _ in range(levels):
        node = Arr([node]) if chance.random() < 0.5 else Obj([['"x"', node]])
    return node
