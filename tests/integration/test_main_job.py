"""The main job, end to end: routers publish, records land where they belong, engineers find them, owners leave."""

import json
import math
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from collector.ingest.connection import REPLAY_SECONDS
from collector.simulator import Fleet, Publication

from .harness import (
    COUNTRY_OF,
    REGIONS,
    Collector,
    Publisher,
    Site,
    consent,
    now_text,
    report,
    wait_until,
)

SERIAL: Final = "ZTEAB0A123456"
IMEI: Final = "356938035643809"
IMEISV: Final = "3569380356438012"
MAC: Final = "02:00:5E:10:00:01"


def joined(site: Site, collector: Collector, router: Publisher, serial: str = SERIAL) -> None:
    """One report of a German router is stored: it has joined by its flag."""
    before = collector.metrics().settled
    router.report(report(serial))
    collector.wait_settled(before + 1)
    assert site.count("germany") > 0


def withdrawn(collector: Collector) -> int:
    """Messages dropped because their router has left."""
    return collector.metrics().dropped.get("withdrawn", 0)


def test_records_go_to_the_store_of_their_country(site: Site) -> None:
    """Each record is in its own region's file and in no other, whatever quality of service it came with."""
    homes = {"DE": "germany", "FR": "germany", "GB": "germany", "CN": "china", "HK": "hong_kong", "US": "hong_kong"}
    collector = site.start()
    expected: dict[str, set[bytes]] = {region: set() for region in REGIONS}
    with site.publisher() as router:
        for qos in (0, 1):
            for country, region in homes.items():
                document = report(f"ZTE{country}{qos}", country=country)
                router.report(document, qos=qos)
                expected[region].add(site.expected_id(region, f"ZTE{country}{qos}", document["message_id"]))
        found = collector.wait_settled(12)

    assert expected == {region: set(site.record_ids(region)) for region in REGIONS}
    assert {"germany": 6, "china": 2, "hong_kong": 4} == found.stored
    assert {} == found.dropped


def test_a_message_without_the_flag_leaves_one_count(site: Site) -> None:
    """Dropped, acknowledged, counted once, and nothing else of it is anywhere (D7)."""
    collector = site.start()
    with site.publisher() as router:
        router.report(report(SERIAL, ueip=None))
        found = collector.wait_settled(1)

    assert {"flag_absent": 1} == found.dropped
    assert 0 == found.total("collector_oldest_unacknowledged_seconds")
    assert nothing_is_stored(site)


def nothing_is_stored(site: Site) -> bool:
    """Whether no table of any store holds anything of a router."""
    tables = ("record", "router", "ledger", "lookup")
    return all(site.rows(region, f"SELECT count(*) FROM {table}") == [(0,)] for region in REGIONS for table in tables)


def test_local_only_fields_are_removed_and_the_rest_is_kept(site: Site) -> None:
    """A router's defect costs it the fields that must stay on it, not the message (D10)."""
    document = report(SERIAL, sms=[{"number": "+4915550001", "content": "hello"}], contacts={"Anna": "+4915550002"})
    document["signal"]["latitude"] = 52.5
    collector = site.start()
    with site.publisher() as router:
        router.report(document)
        found = collector.wait_settled(1)

    assert [{"router": {"manufacturer": "ZTE", "uptime_seconds": 86_400}, "signal": {"rsrp_dbm": -97, "sinr_db": 11.5}}
            ] == site.bodies("germany")  # fmt: skip
    assert {"local_only": 3} == found.by("collector_fields_removed_total", "treatment")
    assert [('{"local_only":3}',)] == site.rows("germany", "SELECT stripped FROM record")


def test_an_engineer_finds_a_router_by_what_the_customer_reads_out(site: Site) -> None:
    """Serial in any case, IMEI, IMEISV and MAC in any notation find the same router; anything else is answered no."""
    document = report(SERIAL)
    document["router"] |= {"imei": IMEI, "mac": MAC, "software_version": "BD_MC888V1.0.0B12"}
    collector = site.start()
    with site.publisher() as router:
        router.report(document)
        router.report(report("ZTEXX0B654321", country="HK"))
        collector.wait_settled(2)

    answers = [
        site.ueip("find", spelt, "--json")
        for spelt in (SERIAL, SERIAL.lower(), IMEI, IMEISV, MAC, MAC.replace(":", "-").lower())
    ]
    table = site.ueip("find", SERIAL.lower())
    nobody = site.ueip("find", "ZTEZZ9Z999999")
    nobody_as_json = site.ueip("find", "356938035643801", "--json")

    assert [0] * 6 == [answer.returncode for answer in answers]
    first, *others = [json.loads(answer.stdout) for answer in answers]
    assert all(other == first for other in others)
    assert [("germany", 1, "joined")] == [(f["region"], f["records_stored"], f["consent"]["state"]) for f in first]
    assert "BD_MC888V1.0.0B12" == first[0]["latest"]["router"]["software_version"]
    assert 0 == table.returncode
    assert "timeline" in table.stdout
    assert "BD_MC888V1.0.0B12" in table.stdout
    assert 1 == nobody.returncode
    assert "no region served here knows" in nobody.stderr
    assert (1, []) == (nobody_as_json.returncode, json.loads(nobody_as_json.stdout))


def test_ueip_exit_closes_the_gate_and_erases_while_the_collector_runs(site: Site) -> None:
    """After the command returns nothing of the router is stored, and what it sends later is withdrawn (D5)."""
    collector = site.start()
    with site.publisher() as router:
        joined(site, collector, router)
        joined(site, collector, router, "ZTEAB0A000002")

        left = site.ueip("exit", SERIAL.lower())
        others = site.count("germany")
        router.report(report(SERIAL))
        found = collector.wait_settled(3)

    assert 0 == left.returncode
    assert "1 record erased" in left.stderr
    assert 1 == others == site.count("germany")
    assert {"withdrawn": 1} == found.dropped
    assert 1 == site.ueip("find", SERIAL.lower()).returncode


@pytest.mark.parametrize("retain", [False, True], ids=["plain", "retained"])
def test_a_join_event_after_the_exit_reopens_the_gate(site: Site, *, retain: bool) -> None:
    """A new act of the owner on the consent topic lets later reports in again; the flag alone does not (K19)."""
    collector = site.start()
    subscribed = time.monotonic()
    with site.publisher() as router:
        joined(site, collector, router)
        # What comes right after subscribing with the retain flag may be old, and is doubted.
        wait_until(lambda: time.monotonic() - subscribed > REPLAY_SECONDS, what="the end of what was retained")
        site.ueip("exit", SERIAL)
        router.report(report(SERIAL))
        wait_until(lambda: withdrawn(collector) == 1, what="the drop")
        left = time.monotonic()
        wait_until(lambda: time.monotonic() - left > 1, what="the second in which a join is none")

        router.publish(f"ueip/v1/{SERIAL}/consent", consent("join"), retain=retain)
        wait_until(lambda: recorded(collector, "join") == 2, what="the join")
        router.report(report(SERIAL))
        found = collector.wait_settled(3)

    assert {"germany": 2} == found.stored
    assert 1 == site.count("germany")


def recorded(collector: Collector, action: str, result: str = "recorded") -> int:
    """Consent events of a kind that the ledgers settled with *result*."""
    return collector.metrics().total("collector_consent_events_total", action=action, result=result)


def test_an_older_retained_join_does_not_reopen_at_reconnect(site: Site) -> None:
    """The broker delivers a retained join at every connect; neither one known nor one from before the exit counts."""
    known, unseen = consent("join"), consent("join", time=now_text(timedelta(hours=1)))
    collector = site.start()
    with site.publisher() as router:
        router.publish(f"ueip/v1/{SERIAL}/consent", known, retain=True)
        wait_until(lambda: recorded(collector, "join") == 1, what="the join")
        joined(site, collector, router, "ZTEAB0A000002")
        site.ueip("exit", SERIAL)
        site.ueip("exit", "ZTEAB0A000002")
        collector.stop()
        router.publish("ueip/v1/ZTEAB0A000002/consent", unseen, retain=True)
        router.settle()

        collector.start().wait_ready()
        wait_until(lambda: recorded(collector, "join", "repeated") and recorded(collector, "join", "stale"))
        router.report(report(SERIAL))
        router.report(report("ZTEAB0A000002"))
        found = collector.wait_settled(2)

    assert {"withdrawn": 2} == found.dropped
    assert 0 == site.count("germany")


def test_an_explicit_false_is_an_exit(site: Site) -> None:
    """A router switched off in its own pages is erased even if no event ever arrives (K21)."""
    collector = site.start()
    with site.publisher() as router:
        joined(site, collector, router)
        router.report(report(SERIAL, ueip=False))
        wait_until(lambda: recorded(collector, "exit") == 1, what="the exit")
        router.report(report(SERIAL))
        found = collector.wait_settled(3)

    assert {"flag_false": 1, "withdrawn": 1} == found.dropped
    assert 0 == site.count("germany")
    assert 1 == found.total("collector_records_erased_total", region="germany")


def test_an_exit_event_is_an_exit_in_whatever_country_it_names(site: Site) -> None:
    """An owner who leaves with a country the router never joined with still leaves (K35: when in doubt, out)."""
    collector = site.start()
    with site.publisher() as router:
        joined(site, collector, router)
        router.publish(f"ueip/v1/{SERIAL}/consent", consent("exit", country="US"))
        wait_until(lambda: site.count("germany") == 0, what="the erasure")
        router.report(report(SERIAL))
        found = collector.wait_settled(2)

    assert {"withdrawn": 1} == found.dropped


def test_readyz_names_the_part_that_is_away(site: Site) -> None:
    """200 with every part ready; 503 and the broker named while it is down; 200 again when it is back."""
    collector = site.start()

    ready = collector.readyz()
    site.broker.stop()
    away = {"broker", "consent_topic"}

    def both() -> tuple[int, dict[str, str]] | None:
        status, parts = collector.readyz()
        return (status, parts) if away == {part for part, state in parts.items() if state != "ready"} else None

    status, parts = wait_until(both, what="both connections to be missed")
    alive = collector.get("/healthz")
    site.broker.start()

    parts_of_regions = [f"{part}_{region}" for part in ("store", "spool") for region in REGIONS]
    assert (200, dict.fromkeys(["broker", "consent_topic", *parts_of_regions], "ready")) == ready
    assert 503 == status
    # The reports' connection is not tried before the other one is there.
    assert all(any(word in parts[part] for word in ("cannot be reached", "lost", "held until")) for part in away)
    assert (200, b"alive\n") == alive
    collector.wait_ready()


def _changed(**changes: Any) -> bytes:
    return json.dumps(report(SERIAL, **changes)).encode()


def _nested(depth: int) -> bytes:
    return _changed(extra="@").replace(b'"@"', b"[" * (depth - 1) + b"]" * (depth - 1))


def _bad_input() -> dict[str, tuple[bytes, str]]:
    """Payloads by what is wrong with them, each with the reason it must be dropped for."""
    good = _changed()
    return {
        "empty": (b"", "malformed"),
        "blank": (b" \n", "malformed"),
        "binary": (bytes(range(256)) * 4, "malformed"),
        "ten megabytes": (b"x" * 10_000_000, "oversize"),
        "ten megabytes of JSON": (_changed(extra="x" * 10_000_000), "oversize"),
        "a byte too many": (good + b" " * (65_537 - len(good)), "oversize"),
        "deeper than allowed": (_nested(17), "malformed"),
        "very deep": (b"[" * 60_000, "malformed"),
        "deep objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "malformed"),
        "NaN": (good.replace(b"-97", b"NaN"), "malformed"),
        "Infinity": (good.replace(b"-97", b"-Infinity"), "malformed"),
        "two documents": (good + good, "malformed"),
        "cut off": (good[:-20], "malformed"),
        "a key twice": (good.replace(b'"ueip": true', b'"ueip": false, "ueip": true'), "malformed"),
        "a key twice, escaped": (good.replace(b'"ueip": true', b'"ueip": true, "\\u0075eip": true'), "malformed"),
        "invalid UTF-8": (good.replace(b"ZTE", b"Z\xff\xfe"), "malformed"),
        "a lone surrogate": (good.replace(b'"ZTE"', b'"\\ud800"'), "malformed"),
        "UTF-16": (good.decode().encode("utf-16"), "malformed"),
        "a list": (b"[" + good + b"]", "malformed"),
        "a number": (b"1", "malformed"),
        "a text": (b'"true"', "malformed"),
        "null": (b"null", "malformed"),
        "a flag as text": (_changed(ueip="true"), "flag_invalid"),
        "a flag as number": (_changed(ueip=1), "flag_invalid"),
        "a flag in a list": (_changed(ueip=[True]), "flag_invalid"),
        "a flag one level down": (_changed(ueip=None, settings={"ueip": True}), "flag_absent"),
        "a version as text": (_changed(schema_version="1"), "schema_version"),
        "a huge version": (_changed(schema_version=2**70), "schema_version"),
        "a message id as number": (_changed(message_id=7), "message_id"),
        "a message id with blanks": (_changed(message_id="a b"), "message_id"),
        "a country as number": (_changed(country=49), "region_unknown"),
        "a country in lower case": (_changed(country="de"), "region_unknown"),
        "a network as list": (_changed(network=["26201"]), "region_unknown"),
        "a time as number": (_changed(time=1_795_280_400), "clock_invalid"),
        "a time without zone": (_changed(time="2026-11-21T17:00:00"), "clock_invalid"),
        "the last year": (_changed(time="9999-12-31T23:59:59-23:59"), "future"),
        "the first year": (_changed(time="0001-01-01T00:00:00+23:59"), "too_old"),
        "a serial as object": (_changed(router={"serial": {"a": 1}, "imei": "356938035643801"}), "identity_mismatch"),
    }


def test_every_kind_of_bad_input_is_one_counted_drop_and_nothing_else(site: Site) -> None:
    """One reason each; no record, no ledger entry, no word in the log, no lost connection; the sums hold throughout."""
    topic = f"ueip/v1/{SERIAL}/report"
    cases = [(name, topic, payload, False, reason) for name, (payload, reason) in _bad_input().items()]
    cases += [
        ("retained", topic, _changed(), True, "retained"),
        ("another kind", f"ueip/v1/{SERIAL}/debug", _changed(), False, "unknown_topic"),
        ("too long a topic", f"{topic}/more", _changed(), False, "unknown_topic"),
        ("too short a topic", "ueip/v1/report", _changed(), False, "unknown_topic"),
        ("an odd router", "ueip/v1/ZTE AB/report", _changed(), False, "unknown_topic"),
        ("another router", "ueip/v1/ZTEXX9X999999/report", _changed(), False, "identity_mismatch"),
    ]
    collector = site.start()
    said, outcomes = collector.said(), {}
    with site.publisher() as router:
        for number, (name, where, payload, retain, _) in enumerate(cases, start=1):
            before = collector.metrics().dropped
            router.publish(where, payload, retain=retain)
            found = collector.wait_settled(number)
            outcomes[name] = dict(Counter(found.dropped) - Counter(before))
        router.report(report("ZTEAB0A000002"))
        last = collector.wait_settled(len(cases) + 1)

    assert {name: {reason: 1} for name, _, _, _, reason in cases} == outcomes
    assert len(cases) + 1 == last.received
    assert {"germany": 1} == last.stored
    assert {} == last.by("collector_fields_removed_total", "treatment")
    assert 1 == last.total("collector_consent_events_total"), "the join of the one good report"
    assert 2 == last.total("collector_broker_connects_total"), "one for reports, one for consent events"
    assert said == collector.said(), "nothing is logged of what routers send"


def test_wrong_values_cost_the_field_and_not_the_record(site: Site) -> None:
    """A field outside its type or bounds is left out and counted (F3)."""
    document = report(
        SERIAL, signal={"rsrp_dbm": "-97", "sinr_db": 1e300, "signal_bars": 4}, power=[1], events={"a": 1}
    )
    collector = site.start()
    with site.publisher() as router:
        router.report(document)
        found = collector.wait_settled(1)

    assert [{"signal_bars": 4}] == [body["signal"] for body in site.bodies("germany")]
    assert {"invalid": 4} == found.by("collector_fields_removed_total", "treatment")


def test_a_fleet_that_behaves_and_misbehaves_gets_what_it_expects(site: Site) -> None:
    """Every message of a simulated fleet ends as the fleet says it must: stored, or dropped for that one reason."""
    collector = site.start()
    began = datetime.now(UTC)
    fleet = Fleet(size=80, seed=5, start=began - timedelta(minutes=40), owners_act_from=began)
    past = [began - timedelta(minutes=minutes) for minutes in (40, 30, 20, 10)]
    expected: Counter[str] = Counter()

    def send(publications: list[Publication]) -> None:
        for publication in publications:
            router.publish(publication.topic, publication.payload, qos=publication.qos, retain=publication.retain)
            expected[publication.expectation] += 1
        collector.wait_settled(expected.total() - expected["consent"])

    with site.publisher() as router:
        for moment in past:
            send(list(fleet.round(moment)))
        for _ in range(6):
            send(list(fleet.round(datetime.now(UTC))))
        found = collector.metrics()

    consents = expected.pop("consent")
    outcomes = Counter({f"dropped:{reason}": count for reason, count in found.dropped.items()})
    outcomes["stored"] = sum(found.stored.values())
    assert expected == outcomes
    assert consents == recorded(collector, "exit") > 1
    erased = found.total("collector_records_erased_total")
    assert outcomes["stored"] - erased == sum(site.count(region) for region in REGIONS)


def test_the_sums_hold_while_messages_arrive(site: Site) -> None:
    """`received = stored + dropped + in flight` at every reading, under load and at its end (D21)."""
    count = 3000
    collector = site.start()
    with site.publisher() as router:
        for number in range(count):
            country = COUNTRY_OF[REGIONS[number % 3]]
            router.report(report(f"ZTEAB0A{number % 50:06}", country=country, ueip=None if number % 10 == 0 else True))
        readings = [collector.metrics()]
        while readings[-1].settled < count:
            readings.append(collector.metrics())
            assert len(readings) < 100 * math.ceil(count / 100), "it never ends"
        router.settle()

    assert all(reading.adds_up() for reading in readings)
    last = collector.wait_settled(count)
    assert count == last.received == sum(last.stored.values()) + last.dropped["flag_absent"]
    assert last.stored == {region: site.count(region) for region in REGIONS}
