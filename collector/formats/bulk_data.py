"""TR-369 bulk data over MQTT (TR-369 1.4.1, annex A; TR-181, `Device.BulkData.Profile`): JSON in both report formats,
what RDK-B makes of one of them, and CSV (`bulk_csv`).

MQTT 3.1.1 carries no content type, and the report format is named nowhere, so both are told from the bytes.

Rule 1: every element of a report is a reading of its own; elements of one pair each, as RDK-B sends them, make one.
        RDK-B puts the time of a marker beside it, and all instances of a table into a list below one name.
Rule 2: what was held back before it was sent and names no time has none: its arrival does not tell it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from collector.formats.bulk_csv import csv_samples
from collector.formats.bulk_names import Names
from collector.formats.endpoint import router_of
from collector.formats.flatten import NotFlat, flatten
from collector.formats.reading import Options, Reading
from collector.formats.strict_json import NotStrict, parse_object
from collector.formats.times import moment
from collector.model import DropReason

_BOM: Final = b"\xef\xbb\xbf"
_ROOT: Final = "Report"
_TIMES: Final = (
    "CollectionTime", "timestamp", "Timestamp", "Time", "Device.DeviceInfo.X_RDKCENTRAL-COM_SystemTime",
    "Device.Time.CurrentLocalTime", "Time.CurrentLocalTime", "InternetGatewayDevice.Time.CurrentLocalTime",
)  # fmt: skip
"""Names of a report's time; in RDK-B's reports it is one of the parameters, under the name the profile gives it."""
_MARKED: Final = "_CT"
"""What RDK-B adds to the name of a marker to name its time."""
_PAIR: Final = 2
"""Most names in one element: a marker and its time."""
_ROOTS: Final = ("Device.", "InternetGatewayDevice.")
_RDK_TYPE: Final = "REPORT_TYPE"
_CACHED: Final = "CACHED"
_WHO: Final = (
    "Device.LocalAgent.EndpointID", "Device.DeviceInfo.SerialNumber", "InternetGatewayDevice.DeviceInfo.SerialNumber",
)  # fmt: skip
"""What names the router, best first; with or without the root, which profiles may leave out."""
_MOST: Final = 2048
"""Most samples in one message: more than one a minute for a day. Each becomes a record that waits in memory."""
_Pairs = tuple[tuple[str, Any], ...]


class BulkData:
    """Takes bulk data reports apart."""

    def __init__(self, options: Options) -> None:
        self._zone = options.zone
        self._max_depth = options.max_depth
        self._names = Names(options.names)
        self._named = options.named

    def read(self, payload: bytes, levels: tuple[str, ...]) -> tuple[Reading, ...] | DropReason:
        """The samples in *payload*."""
        del levels  # the topic says nothing that is needed
        payload = payload.removeprefix(_BOM)
        try:
            found = self._json(payload) if payload.lstrip()[:1] == b"{" else self._csv(payload)
            return _of_one_router(found) if self._named and not isinstance(found, DropReason) else found
        except (NotStrict, NotFlat, UnicodeDecodeError):
            return DropReason.MALFORMED

    def _json(self, payload: bytes) -> tuple[Reading, ...] | DropReason:
        elements = _elements(parse_object(payload, max_depth=self._max_depth))
        if elements is None:
            return DropReason.MALFORMED
        said = [element for element in elements if element]
        if len(said) > _MOST:
            return DropReason.OVERSIZE
        last = len(said) - 1
        return tuple(self._sample(element, late=place < last) for place, element in enumerate(said))

    def _sample(self, element: dict[str, Any], *, late: bool) -> Reading:
        clocks = [name for name in _TIMES if name in element]
        times = (moment(element[name], self._zone) for name in clocks)
        cached = element.get(_RDK_TYPE) == _CACHED
        said = {name: value for name, value in element.items() if name not in {*clocks, _RDK_TYPE}}
        time = next((time for time in times if time is not None), None)
        return self._reading(flatten(_without_tables(said)) if said else (), time, late=late or cached)

    def _csv(self, payload: bytes) -> tuple[Reading, ...] | DropReason:
        samples = csv_samples(payload.decode("utf-8"))
        if samples is None:
            return DropReason.MALFORMED
        if len(samples) > _MOST:
            return DropReason.OVERSIZE
        last = len(samples) - 1
        return tuple(
            self._reading(pairs, moment(time, self._zone), late=place < last)
            for place, (time, pairs) in enumerate(samples)
        )

    def _reading(self, pairs: _Pairs, time: int | None, *, late: bool) -> Reading:
        return Reading(values=self._names.whole(pairs), time=time, late=late)


def _of_one_router(samples: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """The samples, all with the router that any of them names: a report comes from one agent.

    Raises:
        NotFlat: they name several.
    """
    named = {router_of(who): who for sample in samples if (who := _who(sample.values))}
    if len(named) > 1:
        raise NotFlat
    return tuple(replace(sample, endpoint=who) for who in named.values() for sample in samples) or samples


def _who(pairs: Iterable[tuple[str, Any]]) -> str | None:
    said = {name: value for name, value in pairs if isinstance(value, str) and value.strip()}
    spellings = (spelling for name in _WHO for spelling in (name, name.partition(".")[2]))
    return next((said[spelling].strip() for spelling in spellings if spelling in said), None)


def _elements(document: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The elements of a report, None if the document is none.

    The root is `Report`, or else stands alone under whatever name an RDK-B profile gives it.
    """
    beside = {name: value for name, value in document.items() if name != _ROOT}
    if _ROOT in document:
        report = document[_ROOT]
    elif len(document) == 1:
        (report,), beside = document.values(), {}
    else:
        return None
    elements = [report] if isinstance(report, dict) and _ROOT in document else report
    if not isinstance(elements, list) or not all(isinstance(element, dict) for element in elements):
        return None
    if _are_pairs(elements):
        elements = [{name: value for element in elements for name, value in element.items()}]
    if not beside:
        return elements
    # What stands beside the report is as new as its last element: both are from when the message was sent.
    *others, last = elements or [{}]
    if beside.keys() & last.keys():
        raise NotFlat
    return [*others, last | beside]


def _are_pairs(elements: list[dict[str, Any]]) -> bool:
    """Whether elements are the pairs of one report (RDK-B), rather than reports of one and the same parameter.

    Raises:
        NotFlat: they are pairs, and two have the same name.
    """
    named = [[name for name in element if not name.endswith(_MARKED)] for element in elements]
    if len(elements) <= 1 or any(
        len(names) != 1 or len(element) > _PAIR for names, element in zip(named, elements, strict=True)
    ):
        return False
    names = {name for element in elements for name in element}
    if 1 < len(names) < sum(map(len, elements)):
        raise NotFlat
    return len(names) > 1


def _without_tables(element: dict[str, Any]) -> dict[str, Any]:
    """The element with RDK-B's tables replaced by their pairs: `{"Radios": [{"Device.WiFi.Radio.1.Enable": 1}]}`.

    Raises:
        NotFlat: a parameter occurs twice.
    """
    tables = {name for name, value in element.items() if _is_table(value)}
    if not tables:
        return element
    pairs = [pair for name in tables for row in element[name] for pair in row.items()]
    pairs += [(name, value) for name, value in element.items() if name not in tables]
    made = dict(pairs)
    if len(made) != len(pairs):
        raise NotFlat
    return made


def _is_table(value: Any) -> bool:
    """Whether a value is a list of objects whose names are whole paths."""
    rows = value if isinstance(value, list) else []
    return bool(rows) and all(isinstance(row, dict) and row and all(map(_is_whole, row)) for row in rows)


def _is_whole(name: str) -> bool:
    return name.startswith(_ROOTS)
