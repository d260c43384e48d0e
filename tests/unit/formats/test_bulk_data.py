"""TR-369 bulk data: every encoding and report format, told by their bytes, and what agents make of them."""

import json
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tr369 import BULK, COLLECTED, body, options, outcome, readings, rules_of, said

from collector.formats.bulk_data import BulkData
from collector.formats.reading import Reading
from collector.model import Accepted, Dropped, DropReason, Several

MILLISECONDS = COLLECTED * 1000
UP = ("Device.DeviceInfo.UpTime", 700)
RSRP = "Device.Cellular.Interface.1.RSRP"


def read(payload: Any, **more: Any) -> tuple[Reading, ...] | DropReason:
    """The samples in a payload, or why there are none."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return BulkData(options(**more)).read(raw, ())


# ---------------------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("indent", [None, 1, "\t"])
def test_name_value_pairs_are_one_sample(indent: Any) -> None:
    """Pretty-printed or not."""
    report = {"Report": [{"CollectionTime": COLLECTED, UP[0]: UP[1], RSRP: -97}]}

    assert (Reading(values=(UP, (RSRP, -97)), time=MILLISECONDS),) == readings(
        json.dumps(report, indent=indent).encode()
    )


def test_a_hierarchy_of_objects_says_the_same_as_pairs() -> None:
    """Instance numbers are keys of their own."""
    device = {"DeviceInfo": {"UpTime": 700}, "Cellular": {"Interface": {"1": {"RSRP": -97}}}}

    [sample] = readings({"Report": [{"CollectionTime": COLLECTED, "Device": device}]})

    assert (UP, (RSRP, -97)) == sample.values
    assert MILLISECONDS == sample.time


@pytest.mark.parametrize(
    ("time", "milliseconds"),
    [
        (COLLECTED, MILLISECONDS),
        (MILLISECONDS, MILLISECONDS),
        (str(COLLECTED), MILLISECONDS),
        ("2026-11-21T17:03:31Z", MILLISECONDS),
        ("2026-11-21T17:03:31.000Z", MILLISECONDS),
        ("2026-11-21T18:03:31+01:00", MILLISECONDS),
        ("2026-11-22T01:03:31", MILLISECONDS),  # in the zone of the source
        (0, None),
        (12, None),
        ("1970-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("NULL", None),
        ("yesterday", None),
        (None, None),
        (True, None),
        ([], None),
    ],
)
def test_the_time_of_collection_is_read_in_every_notation(time: Any, milliseconds: int | None) -> None:
    """Unix-Epoch, ISO-8601; a clock that was never set has no time."""
    [sample] = readings({"Report": [{"CollectionTime": time, "up": 1}]})

    assert milliseconds == sample.time


@pytest.mark.parametrize(
    "name",
    ["timestamp", "Timestamp", "Time", "Device.Time.CurrentLocalTime", "Time.CurrentLocalTime",
     "InternetGatewayDevice.Time.CurrentLocalTime", "Device.DeviceInfo.X_RDKCENTRAL-COM_SystemTime"],
)  # fmt: skip
def test_a_profile_may_name_the_time_as_its_parameter_is_named(name: str) -> None:
    """With or without the root; it is no value of the sample then."""
    assert (Reading(values=(UP,), time=MILLISECONDS),) == readings({"Report": [{name: COLLECTED, UP[0]: UP[1]}]})


def test_of_several_clocks_the_first_that_is_set_counts() -> None:
    """One that never was says nothing against another."""
    [sample] = readings({"Report": [{"CollectionTime": 0, "Time": COLLECTED, "up": 1}]})

    assert (MILLISECONDS, (("up", 1),)) == (sample.time, sample.values)


def test_a_report_may_say_no_time() -> None:
    """ReportTimestamp None."""
    assert (Reading(values=(UP,)),) == readings({"Report": [dict([UP])]})


def test_each_element_of_a_report_is_a_sample_of_its_own() -> None:
    """Failed reports are sent again, in front of the current one."""
    elements = [{"CollectionTime": COLLECTED - 60 * n, RSRP: -90 - n, UP[0]: 700} for n in (2, 1, 0)]

    samples = readings({"Report": elements})

    assert [(MILLISECONDS - 120_000, -92), (MILLISECONDS - 60_000, -91), (MILLISECONDS, -90)] == [
        (sample.time, sample.values[0][1]) for sample in samples
    ]


def test_of_elements_without_a_time_only_the_last_is_of_now() -> None:
    """What failed to be sent before was measured before; nobody knows when."""
    samples = readings({"Report": [{RSRP: -92, UP[0]: 1}, {}, {RSRP: -91, UP[0]: 2}, {RSRP: -90, UP[0]: 3}]})

    assert [True, True, False] == [sample.late for sample in samples]


def test_of_rows_without_a_time_only_the_last_is_of_now() -> None:
    """As of elements; one row alone is of now."""
    tables = ("up,down\n700,1\n760,2\n820,3\n", "up,down\n700,1\n")

    assert [[True, True, False], [False]] == [[row.late for row in readings(table.encode())] for table in tables]


def test_reports_of_one_and_the_same_parameter_are_not_pairs_of_one_report() -> None:
    """Though each has a single key."""
    assert [("up", 700), ("up", 760)] == [
        sample.values[0] for sample in readings({"Report": [{"up": 700}, {"up": 760}]})
    ]


RDK = [
    {"Profile": "RDKB_Profile"},
    {"Time": "2026-11-21 17:03:31"},
    {"Device.DeviceInfo.SerialNumber": "ZTE1024300012"},
    {"Device.Cellular.Interface.1.RSRP": "-97"},
    {"Device.Cellular.Interface.1.X_RDK_SNR": "NULL"},
]


@pytest.mark.parametrize("root", ["Report", "searchResult", "MyProfile"])
def test_pairs_in_objects_of_their_own_are_one_sample(root: str) -> None:
    """RDK-B calls that NameValuePair, under whatever root its profile names; values are texts."""
    [sample] = readings({root: RDK})

    assert datetime(2026, 11, 21, 9, 3, 31, tzinfo=UTC).timestamp() * 1000 == sample.time
    assert ("Device.Cellular.Interface.1.RSRP", "-97") in sample.values
    assert {"router.serial": "ZTE1024300012", "signal.rsrp_dbm": -97} == said(dict(sample.values))


def test_a_cached_report_without_a_time_is_not_of_now() -> None:
    """REPORT_TYPE says that it was held back; it is no parameter."""
    [sample] = readings({"Report": [{"Profile": "x"}, {"REPORT_TYPE": "CACHED"}, {RSRP: "-97"}]})

    assert sample.late
    assert "REPORT_TYPE" not in dict(sample.values)
    [timed] = readings({"Report": [{"timestamp": str(COLLECTED)}, {"REPORT_TYPE": "CACHED"}, {RSRP: "-97"}]})
    assert MILLISECONDS == timed.time


def test_what_stands_beside_the_report_goes_with_its_last_element() -> None:
    """It is looked at, so that a secret there is counted as one."""
    samples = readings({"Report": [{"a": 1, "b": 2}, {"a": 3, "b": 4}], "DeviceId": "x"})

    assert [(("a", 1), ("b", 2)), (("a", 3), ("b", 4), ("DeviceId", "x"))] == [sample.values for sample in samples]
    assert (("DeviceId", "x"),) == readings({"Report": [], "DeviceId": "x"})[0].values


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"  ", b"null", b"[]", b'[{"a":1}]', b"{}", b'{"Report":[1]}', b'{"Report":"x"}', b'{"Report":{"a":1}',
        b'{"Report":[{"a":1,"a":2}]}', b'{"Report":[{"a":{"b":1},"a.b":2}]}', b'{"Report":[{"a":NaN}]}',
        b'{"Report":[{"a":"\xff"}]}', b'{"a":1}', b'{"a":1,"b":2}', b'{"a":[1],"b":[2]}', b'{"Report":[],"Report":[]}',
        b'{"Report":[{"a":1},{"a":2},{"b":3}]}', b'{"Report":[{"a":1}],"a":2}', b'{"x":{"a":1}}',
        b'{"Report":[{"a":' + b'{"b":' * 20 + b"1" + b"}" * 20 + b"}]}",
    ],
)  # fmt: skip
def test_what_is_no_report_is_malformed(payload: bytes) -> None:
    """A key twice at any depth, too, and too much depth; whoever is to name the router."""
    assert [DropReason.MALFORMED] * 2 == [read(payload, named=named) for named in (False, True)]


def test_a_report_of_nothing_says_nothing() -> None:
    """No element, or empty ones."""
    assert read({"Report": []}) == ()
    assert read({"Report": [{}, {}]}) == ()


def test_an_object_in_place_of_a_list_is_its_one_element() -> None:
    """Where the root says that it is a report."""
    assert (UP,) == readings({"Report": dict([UP])})[0].values


def test_a_byte_order_mark_is_none_of_the_report() -> None:
    """Some encoders write one."""
    assert (UP,) == readings(b"\xef\xbb\xbf" + json.dumps({"Report": [dict([UP])]}).encode())[0].values


# --------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("names", "key", "path"),
    [
        ({"up": "Device.DeviceInfo.UpTime"}, "up", "Device.DeviceInfo.UpTime"),
        ({"cell": "Device.Cellular.Interface"}, "cell.1.RSRP", RSRP),
        ({"cell": "Device.Cellular.Interface."}, "cell.1.RSRP", RSRP),
        ({"cell": "Device.Cellular.Interface.*."}, "cell.1.RSRP", RSRP),
        ({"cell": "Device.Cellular.Interface.1"}, "cell.RSRP", RSRP),
        ({"sta": "Device.WiFi.AccessPoint.*.AssociatedDevice.*."}, "sta.2.7.SignalStrength",
         "Device.WiFi.AccessPoint.2.AssociatedDevice.7.SignalStrength"),
        ({"w": "Device.WiFi", "w.r": "Device.WiFi.Radio"}, "w.r.1.Channel", "Device.WiFi.Radio.1.Channel"),
        ({"cell": "Device.Cellular.Interface"}, "cellar.1.RSRP", "cellar.1.RSRP"),
        ({"up": "Device.DeviceInfo.UpTime"}, "UP", "UP"),
        ({}, "Device.WiFi.SSID.1.Stats.Stats.ErrorsSent", "Device.WiFi.SSID.1.Stats.ErrorsSent"),
    ],
)  # fmt: skip
def test_names_of_a_profile_stand_for_paths(names: dict[str, str], key: str, path: str) -> None:
    """As the source's settings say; the doubled segment of the specification's example is one."""
    assert ((path, 1),) == readings({"Report": [{key: 1}]}, names=names)[0].values


def test_two_names_for_one_parameter_are_one_name_twice() -> None:
    """Nobody can tell which is right."""
    payload = {"Report": [{"up": 1, "Device.DeviceInfo.UpTime": 2}]}

    assert read(payload, names={"up": "Device.DeviceInfo.UpTime"}) is DropReason.MALFORMED


# ----------------------------------------------------------------------------------------------------------------- CSV

ROWS = (
    ("ReportTimestamp", "ParameterName", "ParameterValue", "ParameterType"),
    (COLLECTED, "Device.DeviceInfo.UpTime", "700", "unsignedInt"),
    (COLLECTED, " Device.Cellular.Interface.1.Stats.Stats.BytesSent", "7682161", "unsignedLong"),
    (COLLECTED + 60, "Device.DeviceInfo.ModelName", '"MF935,; ""white"""', "string"),
)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_row_for_each_parameter_is_a_sample_for_each_time(separator: str, end: str) -> None:
    """With the blank after a separator and the doubled segment that the specification prints, and with quotes."""
    text = end.join(separator.join(map(str, row)) for row in ROWS) + end

    first, second = readings(text.encode())

    assert ((UP[0], "700"), ("Device.Cellular.Interface.1.Stats.BytesSent", "7682161")) == first.values
    assert (("Device.DeviceInfo.ModelName", 'MF935,; "white"'),) == second.values
    assert (MILLISECONDS, MILLISECONDS + 60_000) == (first.time, second.time)


def test_a_column_for_each_parameter_is_a_sample_for_each_row() -> None:
    """Each with its time."""
    text = f"ReportTimestamp,up,Device.Cellular.Interface.1.RSRP\n{COLLECTED},700,-97\n\n{COLLECTED + 60},760,\n"

    samples = readings(text.encode(), names={"up": UP[0]})

    assert [((UP[0], "700"), (RSRP, "-97")), ((UP[0], "760"), (RSRP, ""))] == [sample.values for sample in samples]
    assert [MILLISECONDS, MILLISECONDS + 60_000] == [sample.time for sample in samples]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("ReportTimestamp,up\n2026-11-21T17:03:31Z,700\n", 1),
        ("up,down\n700,1\n", 1),
        ("ParameterName;ParameterValue\nup;700\n", 1),
        ("up\n700\n", 1),
        ('"ReportTimestamp","up"\n"","700"\n', 1),
    ],
)
def test_a_table_may_say_its_time_in_other_ways_or_not(text: str, count: int) -> None:
    """RowTimestamp may be ISO-8601 or None."""
    samples = readings(text.encode())

    assert count == len(samples)
    assert ("up", "700") in samples[0].values
    assert samples[0].time in {MILLISECONDS, None}


@pytest.mark.parametrize(
    "payload",
    [
        b"ReportTimestamp,up\n", b"ReportTimestamp\n1\n", b"ReportTimestamp,up\n1\n", b"ReportTimestamp,up\n1,2,3\n",
        b"ReportTimestamp,up,up\n1,2,3\n", b'ReportTimestamp,up\n1,"2\n', b"ParameterName,x\nup,1\n", b"-74\n",
        b"ReportTimestamp,ParameterName,ParameterValue\n1,up,2\n1,up,3\n", b"ReportTimestamp,up\n1,\xff\n",
        b"1795280840.566:-62\x00", b"a b\nc d\n", b"hello",
    ],
)  # fmt: skip
def test_what_is_no_table_is_malformed(payload: bytes) -> None:
    """A parameter twice, rows of another length, a text that merely stands there."""
    assert read(payload) is DropReason.MALFORMED


def test_a_table_has_as_many_names_as_an_object_may_have() -> None:
    """Each is looked up: a hundred thousand of them held up all other messages for seconds."""
    names = [f"Device.X_ACME_{n}" for n in range(16_384)]
    tables = [f"{','.join(some)}\n{','.join('1' for _ in some)}" for some in (names, [*names, "Device.Last"])]
    row = "ParameterName,ParameterValue\n" + "\n".join(f"{name},1" for name in [*names, "Device.Last"])

    assert 16_384 == len(readings(tables[0].encode())[0].values)
    assert [DropReason.MALFORMED] * 2 == [read(table.encode()) for table in (tables[1], row)]


def test_a_text_that_is_no_table_is_not_taken_apart_to_find_that_out() -> None:
    """Its first line says so, whatever the separator; it is not read whole for each."""
    payload = b"a,b;c\td|e f~g'h\n" * 60_000
    tracemalloc.start()
    found = read(payload)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found is DropReason.MALFORMED
    assert most < 10 * len(payload)


# ------------------------------------------------------------------------------------------------------------ messages


def test_a_report_becomes_a_record_of_the_topics_router() -> None:
    """The payload need not say whose it is."""
    rules = rules_of(BULK)
    report = json.dumps({"Report": [{"CollectionTime": COLLECTED, RSRP: -97}]}).encode()

    found = outcome(report, "bulkdata/os::00256D-ZTE1024300012", rules)

    assert {"signal": {"rsrp_dbm": -97}} == body(found)
    assert isinstance(found, Accepted)
    region = found.record.region
    assert rules.pseudonyms[region].identity("ZTE1024300012") == found.record.identity
    assert "bulk_data" == found.record.source_adapter


@pytest.mark.parametrize(
    ("parameters", "router"),
    [
        ({"Device.DeviceInfo.SerialNumber": "R7"}, "R7"),
        ({"DeviceInfo.SerialNumber": " R7 "}, "R7"),
        ({"InternetGatewayDevice.DeviceInfo.SerialNumber": "R7"}, "R7"),
        ({"serial": "R7"}, "R7"),
        ({"Device.LocalAgent.EndpointID": "os::00256D-R7", "Device.DeviceInfo.SerialNumber": "other"}, "R7"),
        ({"Device.LocalAgent.EndpointID": " ", "Device.DeviceInfo.SerialNumber": "R7"}, "R7"),
        ({"Device.LocalAgent.EndpointID": 7, "Device.DeviceInfo.SerialNumber": "R7"}, "R7"),
    ],
)
def test_a_source_may_let_the_payload_name_the_router(parameters: dict[str, Any], router: str) -> None:
    """Where the broker lets nobody else publish; in any of the rows."""
    rules = rules_of({**BULK, "router_level": None, "router_from": "payload", "topic": "all",
                      "names": {"serial": "Device.DeviceInfo.SerialNumber"}})  # fmt: skip
    rows = [{"CollectionTime": COLLECTED - 60, RSRP: -98}, {"CollectionTime": COLLECTED, RSRP: -97, **parameters}]

    found = outcome(json.dumps({"Report": rows}).encode(), "all", rules)

    assert isinstance(found, Several)
    for one in found.outcomes:
        assert isinstance(one, Accepted)
        assert rules.pseudonyms[one.record.region].identity(router) == one.record.identity


def test_a_report_that_names_no_router_or_two_is_of_nobody() -> None:
    """Where nothing but the payload would name it."""
    rules = rules_of({**BULK, "router_level": None, "router_from": "payload", "topic": "all"})
    row = {"CollectionTime": COLLECTED, RSRP: -97}
    rows = [{**row, "Device.DeviceInfo.SerialNumber": serial} for serial in ("R7", "R8")]

    assert Dropped(DropReason.UNKNOWN_TOPIC) == outcome(json.dumps({"Report": [row]}).encode(), "all", rules)
    assert Dropped(DropReason.MALFORMED) == outcome(json.dumps({"Report": rows}).encode(), "all", rules)


def test_a_serial_number_in_the_payload_is_not_believed_where_the_topic_names_the_router() -> None:
    """The broker guards the topic, nobody the payload."""
    rules = rules_of(BULK)
    report = {"CollectionTime": COLLECTED, RSRP: -97, "Device.DeviceInfo.SerialNumber": "R8"}

    found = outcome(json.dumps({"Report": [report]}).encode(), "bulkdata/R7", rules)

    assert isinstance(found, Accepted)
    assert rules.pseudonyms[found.record.region].identity("R7") == found.record.identity


def test_the_same_report_delivered_again_is_the_same_record() -> None:
    """Told by router, time and content."""
    rules, payload = rules_of(BULK), json.dumps({"Report": [{"CollectionTime": COLLECTED, RSRP: -97}]}).encode()

    one, other = (outcome(payload, "bulkdata/r1", rules, COLLECTED * 1000 + n * 90_000) for n in (1, 2))
    third = outcome(payload.replace(b"-97", b"-98"), "bulkdata/r1", rules)

    assert isinstance(one, Accepted)
    assert isinstance(other, Accepted)
    assert isinstance(third, Accepted)
    assert one.record.record_id == other.record.record_id != third.record.record_id


def test_several_elements_are_several_outcomes() -> None:
    """Each counted for itself."""
    elements = [{"CollectionTime": COLLECTED - n, RSRP: -97, UP[0]: 7 + n} for n in range(3)]

    found = outcome(json.dumps({"Report": elements}).encode(), "bulkdata/r1", rules_of(BULK))

    assert isinstance(found, Several)
    assert [Accepted] * 3 == [type(one) for one in found.outcomes]


def test_a_message_of_more_samples_than_anybody_keeps_back_is_too_large() -> None:
    """Each would wait for its commit: one message within its size could make tens of thousands of them."""
    rules = rules_of(BULK)
    elements = [{"CollectionTime": COLLECTED - n, UP[0]: 7 + n} for n in range(2049)]
    rows = ["ReportTimestamp,Device.DeviceInfo.UpTime", *(f"{COLLECTED - n},{7 + n}" for n in range(2049))]

    most = [json.dumps({"Report": elements[1:]}).encode(), "\n".join(rows[:-1]).encode()]
    more = [json.dumps({"Report": elements}).encode(), "\n".join(rows).encode()]

    for payload in most:
        found = outcome(payload, "bulkdata/r1", rules)
        assert isinstance(found, Several)
        assert len(found.outcomes) == 2048
    assert [Dropped(DropReason.OVERSIZE)] * 2 == [outcome(payload, "bulkdata/r1", rules) for payload in more]


@pytest.mark.parametrize(("levels", "kept"), [((-61,), False), ((-61, -70, 0, 0), False), ((-61, -70, -40), True)])
def test_an_aggregate_over_few_stations_is_not_kept_however_many_there_are(levels: tuple[int, ...], kept: bool) -> None:
    """A profile that reports one station of five tells of that one: a person's device (U33)."""
    station = "Device.WiFi.AccessPoint.1.AssociatedDevice.{}.SignalStrength"
    stations = {station.format(n): level for n, level in enumerate(levels, start=1)}
    report = {"CollectionTime": COLLECTED, "Device.WiFi.AccessPoint.1.AssociatedDeviceNumberOfEntries": 5, **stations}

    found = outcome(json.dumps({"Report": [report]}).encode(), "bulkdata/r1", rules_of(BULK))

    assert isinstance(found, Accepted)
    assert kept is (b"-61" in found.record.body) is (b"rssi_dbm" in found.record.body)


@pytest.mark.parametrize("arrival", [False, True])
def test_what_was_held_back_is_not_taken_for_measured_on_arrival(arrival: bool) -> None:
    """It may be from before the join (K06)."""
    rules = rules_of({**BULK, "arrival_time": arrival})
    cached = {"Report": [{"REPORT_TYPE": "CACHED"}, {RSRP: "-97"}]}
    fresh = {"Report": [{"REPORT_TYPE": "FRESH"}, {RSRP: "-97"}]}

    held, now = (outcome(json.dumps(payload).encode(), "bulkdata/r1", rules) for payload in (cached, fresh))

    assert isinstance(held, Dropped)
    assert DropReason.CLOCK_INVALID is held.reason
    assert isinstance(now, Accepted if arrival else Dropped)


def test_a_source_has_a_size_limit_of_its_own() -> None:
    """A report of 125 kB and more is ordinary; one of a megabyte and more is not, unless the source says so."""
    rules = rules_of(BULK, {**BULK, "name": "small", "topic": "small/+", "max_message_bytes": 4096})
    report = {"CollectionTime": COLLECTED, RSRP: -97, **{f"Device.X_ACME_Table.{n}.Value": n for n in range(6000)}}
    payload = json.dumps({"Report": [report]}).encode()
    assert 150_000 < len(payload) < 1_048_576

    assert {"signal": {"rsrp_dbm": -97}} == body(outcome(payload, "bulkdata/r1", rules))
    assert Dropped(DropReason.OVERSIZE) == outcome(payload, "small/r1", rules)
    assert Dropped(DropReason.OVERSIZE) == outcome(payload + b" " * 1_048_576, "bulkdata/r1", rules)


def test_nothing_known_is_nothing_said() -> None:
    """A report of parameters that no field is made of."""
    payload = json.dumps({"Report": [{"CollectionTime": COLLECTED, "Device.MoCA.Interface.1.Stats.BytesSent": 1}]})

    assert Dropped(DropReason.NOTHING_SAID) == outcome(payload.encode(), "bulkdata/r1", rules_of(BULK))


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["CollectionTime", "Report", "Device", "Device.DeviceInfo.UpTime", "REPORT_TYPE", "timestamp", "1"]
)
REPORTS = st.fixed_dictionaries({"Report": st.lists(st.dictionaries(KEYS | st.text(max_size=6), JSONS, max_size=5))})


@given(
    REPORTS.map(lambda report: json.dumps(report).encode()) | JSONS.map(lambda j: json.dumps(j).encode()) | st.binary()
)
def test_whatever_comes_there_are_samples_or_a_reason(payload: bytes) -> None:
    """Nothing raises; names are unique; a time is within the calendar."""
    found = BulkData(options()).read(payload, ())

    if isinstance(found, DropReason):
        assert found is DropReason.MALFORMED
        return
    for sample in found:
        names = [name for name, _ in sample.values]
        assert len(names) == len(set(names))
        assert sample.time is None or 1_420_070_400_000 <= sample.time <= 253_402_300_799_999


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60))
def test_whatever_text_comes_there_is_a_table_or_a_reason(text: str) -> None:
    """Nothing raises."""
    for payload in (
        text.encode(),
        f"ReportTimestamp,up\n{text}".encode(),
        f"ParameterName;ParameterValue\n{text}".encode(),
    ):
        assert isinstance(BulkData(options()).read(payload, ()), tuple | DropReason)
