"""Documents made from a JSON Schema: as it admits them, and with one value it does not admit."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from collector.fields.types import PATTERNS, strict

Schema = dict[str, Any]
Document = dict[str, Any]
Path = tuple[str, ...]

Validator = Draft202012Validator
"""Checks documents by a schema; the tests' one door to the library."""
_LONGEST_LIST = 4
"""Longer lists show nothing new, and a report has a size to keep to."""


class Schemas:
    """The documents of one schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._defs = schema.get("$defs", {})
        self._made: dict[str, st.SearchStrategy[Any]] = {}

    def documents(self) -> st.SearchStrategy[Document]:
        """Documents that are valid by the schema, short of what stands beside `properties`."""
        return self.of(self._schema)

    def of(self, found: Schema) -> st.SearchStrategy[Any]:
        """Values that *found* admits."""
        if "$ref" in found:
            return self._referred(found["$ref"])
        if "const" in found:
            return st.just(found["const"])
        if "enum" in found:
            return st.sampled_from(found["enum"])
        match found["type"]:
            case "object":
                return self._object(found)
            case "array":
                most = min(found.get("maxItems", _LONGEST_LIST), _LONGEST_LIST)
                return st.lists(self.of(found["items"]), max_size=most)
            case _:
                return _scalar(found)

    def _referred(self, reference: str) -> st.SearchStrategy[Any]:
        if reference not in self._made:
            self._made[reference] = self.of(self.target(reference))
        return self._made[reference]

    def target(self, reference: str) -> Schema:
        """What a reference within the schema refers to."""
        found: Schema = self._defs[reference.rpartition("/")[2]]
        return found

    def _object(self, found: Schema) -> st.SearchStrategy[Document]:
        made = {name: self.of(value) for name, value in found["properties"].items()}
        required = {name: made.pop(name) for name in found.get("required", ())}
        return st.fixed_dictionaries(required, optional=made)

    def leaves(self, group: str) -> Iterator[tuple[str, Schema]]:
        """Name and schema of every plain value in the definition *group*."""
        for name, found in self._defs[group]["properties"].items():
            if "$ref" not in found:
                yield name, found


def _scalar(found: Schema) -> st.SearchStrategy[Any]:
    match found["type"]:
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(found["minimum"], found["maximum"])
        case "number":
            low, high = found["minimum"], found["maximum"]
            return st.integers(low, high) | st.floats(low, high)
        case _:
            return _text(found)


def _text(found: Schema) -> st.SearchStrategy[str]:
    if found.get("format") == "date-time":
        return st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)).map(time_text)  # noqa: DTZ001 - made aware
    if "pattern" in found:
        fitting = st.from_regex(strict(found["pattern"]))
        longest = found.get("maxLength", 10_000)
        return fitting.filter(lambda text: len(text) <= longest)
    return st.text(min_size=found["minLength"], max_size=found["maxLength"])


def time_text(when: datetime) -> str:
    """RFC 3339 UTC to the second."""
    return when.replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def edges(found: Schema) -> list[Any]:
    """Values at the edges of what *found* admits."""
    if "enum" in found:
        return list(found["enum"])
    if "minimum" in found:
        return [found["minimum"], found["maximum"]]
    if found["type"] == "boolean":
        return [True, False]
    if "minLength" in found:
        return ["x", "x" * found["maxLength"]]
    if found.get("format") == "date-time":
        moment = datetime(2026, 11, 21, 17, tzinfo=UTC)
        return [time_text(moment), time_text(moment - timedelta(days=1)), "2026-11-21T16:59:59.25Z"]
    return _SAMPLES[found["pattern"]]


def violations(found: Schema) -> list[Any]:
    """Values just outside what *found* admits."""
    outside: list[Any] = [None, [], {}]
    if "minimum" in found:
        outside += [found["minimum"] - 1, found["maximum"] + 1, True, "1", ""]
        return [*outside, 0.5] if found["type"] == "integer" else outside
    if found["type"] == "boolean":
        return [*outside, 0, 1, "true"]
    if "enum" in found:
        return [*outside, "no such value", 17, ""]
    if "minLength" in found:
        return [*outside, "", "x" * (found["maxLength"] + 1), 5]
    outside += ["", "é", "x" * 300, "1\n1", 5, "yesterday at noon"]
    return [*outside, "2026-11-21T17:00:00", "2026-02-31"] if found.get("format") == "date-time" else outside


_SAMPLES = {
    PATTERNS["ver64"]: ["B", "BD_V1.0.0B12+x-" + "a" * 49],
    PATTERNS["code32"]: ["E", "MDM.0x17_a-" + "b" * 21],
    PATTERNS["plmn"]: ["26201"],
    PATTERNS["mcc"]: ["262"],
    PATTERNS["country"]: ["DE", "HK"],
    PATTERNS["imei"]: ["490154203237518", "4901542032375180"],
    PATTERNS["mac"]: ["02005e100001", "02:00:5E:10:00:01", "02-00-5e-10-00-01"],
    PATTERNS["ipv4"]: ["0.0.0.0", "255.255.255.255/32", "10.0.0.1/8"],
    PATTERNS["ipv6"]: ["::", "2a02:3030:61::1/64"],
    PATTERNS["domain"]: ["a", "x" * 253],
    PATTERNS["text"]: ["!", "~" * 32],
    "^[0-9]{14,15}$": ["26201000000001", "262010000000001"],
    "^[0-9]{18,20}$": ["8" * 18, "8" * 20],
}
"""Values at the edges of each pattern."""
