"""Every message gets one outcome, and the sum holds at every moment (D21)."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import HOUR, SECOND, START

from collector.acks import AckRing, Token
from collector.config import ConsentSettings, Settings, WriterSettings
from collector.config_regions import RegionSettings, RegionsSettings
from collector.consent.ledger import Result
from collector.intake import Intake
from collector.metrics import Metrics
from collector.model import Action, DropReason, Message, Region
from collector.pipeline import Rules
from collector.pseudonym import Key, Pseudonymiser
from collector.rules import assemble, consent_rules
from collector.source_settings import SourceSettings
from collector.stores.memory import MemoryStore
from collector.stores.writer import Writer

COUNTRIES = {"DE": Region.GERMANY, "HK": Region.HONG_KONG, "CN": Region.CHINA}
OVERHEAD = 1024


def make_settings() -> Settings:
    """All three regions; no file of them is opened."""
    places = {
        region.value: RegionSettings(store=Path(f"{region}.db"), key_files=(Path(f"{region}.key"),), retention_days=365)
        for region in Region
    }
    return Settings(regions=RegionsSettings.model_validate(places))


SETTINGS = make_settings()
WITH_A_SOURCE = Settings(
    regions=SETTINGS.regions,
    consent=ConsentSettings(mode="registered"),
    sources=(SourceSettings(name="lab", topic="lab/+", format="bulk_data", router_level=2, country="DE"),),
)
PSEUDONYMS = {region: Pseudonymiser([Key(bytes([n]) * 32)]) for n, region in enumerate(Region)}


def make_rules() -> Rules:
    """Rules with keys of their own and nothing remembered."""
    return assemble(SETTINGS, PSEUDONYMS)


def text(when: int) -> str:
    """RFC 3339 UTC to the second."""
    return datetime.fromtimestamp(when / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def report(number: int = 1, *, at: int = START, ueip: Any = True, country: str = "DE", **more: Any) -> bytes:
    """A minimal v1 report."""
    document = {"schema_version": 1, "message_id": f"m-{number}", "country": country, "time": text(at), **more}
    return json.dumps(document | ({} if ueip is None else {"ueip": ueip})).encode()


def consent(action: str, number: int = 1, *, at: int = START, country: str | None = "DE") -> bytes:
    """A v1 consent event."""
    document = {"schema_version": 1, "event_id": f"e-{number}", "action": action, "time": text(at)}
    return json.dumps(document | ({} if country is None else {"country": country})).encode()


class Bench:
    """The intake with writers over stores in memory, acknowledging on one connection."""

    def __init__(self, *, most: int = 1 << 30, rules: Rules | None = None, hears_clearing: bool = False) -> None:
        self.rules = rules or make_rules()
        self.metrics = Metrics()
        self.stores = {region: MemoryStore(region, consent_rules(SETTINGS)) for region in Region}
        self.told: list[str] = []
        self.cleared: list[str] = []
        self.acknowledged: list[int] = []
        self.sent = 0
        self.ring = AckRing(self.acknowledged.extend)
        self.writers = {region: self._writer(region) for region in Region}
        self.intake = Intake(
            self.rules,
            self.writers,
            self.metrics,
            max_in_flight_bytes=most,
            pause=lambda: self.told.append("pause"),
            resume=lambda: self.told.append("resume"),
            pause_all=lambda: self.told.append("pause all"),
            clear=self.cleared.append,
            hears_clearing=hears_clearing,
        )

    def _writer(self, region: Region) -> Writer:
        closed = self.rules.closed[region]
        return Writer(self.stores[region], WriterSettings(), self.metrics, closed, settled=self._settled)

    def _settled(self) -> None:
        self.intake.settled()
        self.check()

    def get(self, payload: bytes, *, router: str = "r1", kind: str = "report", at: int = START, **more: Any) -> Token:
        """Receive one message, as a connection hands it over."""
        self.sent += 1
        token = self.ring.token(self.sent)
        topic = more.get("topic", f"ueip/v1/{router}/{kind}")
        self.intake.receive(Message(topic, payload, more.get("retained", False), at), token)
        self.check()
        return token

    async def commit(self, *regions: Region, fail: bool = False) -> None:
        """One commit of what waits in these regions, or in all."""
        for region in regions or Region:
            writer = self.writers[region]
            if writer.waiting:
                self.stores[region].fail_next = int(fail)
                await writer.step()
                self.stores[region].fail_next = 0
            self.check()

    def check(self) -> None:
        """`received = stored + dropped + in flight`, and memory is counted for exactly what is in flight."""
        metrics = self.metrics
        assert metrics.received == metrics.stored.total() + metrics.dropped.total() + metrics.in_flight
        assert metrics.in_flight >= 0
        # Consent events take memory too, and are no reports.
        assert metrics.in_flight_bytes >= OVERHEAD * metrics.in_flight

    def dropped(self) -> dict[DropReason, int]:
        """Drops by reason."""
        return {reason: count for reason, count in self.metrics.dropped.items() if count}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that failed is asked again at once."""


# One outcome each


async def test_a_report_is_in_flight_until_its_record_is_stored() -> None:
    """Counted on receipt; acknowledged after the commit and not before (D20)."""
    bench = Bench()
    payload = report()
    bench.get(payload)
    before = (bench.metrics.received, bench.metrics.in_flight, bench.metrics.in_flight_bytes, bench.acknowledged[:])
    await bench.commit()
    after = (bench.metrics.received, bench.metrics.in_flight, bench.metrics.in_flight_bytes, bench.acknowledged[:])

    assert (1, 1, len(payload) + OVERHEAD, []) == before
    assert (1, 0, 0, [1]) == after
    assert {Region.GERMANY: 1} == {region: count for region, count in bench.metrics.stored.items() if count}


@pytest.mark.parametrize("country", COUNTRIES)
async def test_a_report_goes_to_the_store_of_its_region(country: str) -> None:
    """And to no other."""
    bench = Bench()
    bench.get(report(country=country))
    await bench.commit()
    stored = {region: len(await store.ledger()) for region, store in bench.stores.items()}

    assert {region: int(region is COUNTRIES[country]) for region in Region} == stored


BAD: dict[str, tuple[dict[str, Any], DropReason]] = {
    "no JSON": ({"payload": b"{"}, DropReason.MALFORMED),
    "nothing": ({"payload": b""}, DropReason.MALFORMED),
    "too long": ({"payload": report(padding="x" * 70_000)}, DropReason.OVERSIZE),
    "no flag": ({"payload": report(ueip=None)}, DropReason.FLAG_ABSENT),
    "another flag": ({"payload": report(ueip="true")}, DropReason.FLAG_INVALID),
    "retained": ({"payload": report(), "retained": True}, DropReason.RETAINED),
    "no topic of ours": ({"payload": report(), "topic": "ueip/v1/r1/raport"}, DropReason.UNKNOWN_TOPIC),
    "no country": ({"payload": report(country="XX")}, DropReason.REGION_UNKNOWN),
    "too old": ({"payload": report(at=START - 169 * HOUR)}, DropReason.TOO_OLD),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_refused_is_counted_and_acknowledged_at_once(name: str) -> None:
    """A message that could not be parsed holds no slot (lesson 8), and nothing of it goes anywhere (D7)."""
    bench = Bench()
    given_, reason = BAD[name]
    bench.get(**given_)

    assert (1, 0, {reason: 1}, [1]) == (
        bench.metrics.received,
        bench.metrics.in_flight,
        bench.dropped(),
        bench.acknowledged,
    )
    assert not any(writer.waiting for writer in bench.writers.values())


async def test_each_sample_of_a_message_has_an_outcome_of_its_own() -> None:
    """Counted, stored or dropped for itself; the message is acknowledged when the last of them is settled."""
    bench = Bench(rules=assemble(WITH_A_SOURCE, PSEUDONYMS))
    up = "Device.DeviceInfo.UpTime"
    samples = [{"CollectionTime": (START - ago) // 1000, up: 700} for ago in (169 * HOUR, 2 * HOUR, HOUR)]
    payload = json.dumps({"Report": samples}).encode()
    bench.get(payload, topic="lab/r1")
    before = (bench.metrics.received, bench.metrics.in_flight, bench.metrics.in_flight_bytes, bench.acknowledged[:])
    await bench.commit()

    assert (3, 2, 2 * (len(payload) // 3 + OVERHEAD), []) == before
    assert (2, {DropReason.TOO_OLD: 1}) == (bench.metrics.stored.total(), bench.dropped())
    assert (0, 0, [1]) == (bench.metrics.in_flight, bench.metrics.in_flight_bytes, bench.acknowledged)


async def test_a_refusal_waits_for_the_messages_before_it() -> None:
    """Settled at once, acknowledged in order."""
    bench = Bench()
    bench.get(report())
    bench.get(b"{")
    before = bench.acknowledged[:]
    await bench.commit()

    assert [] == before
    assert [1, 2] == bench.acknowledged


async def test_a_remembered_exit_drops_on_receipt() -> None:
    """Before any work, with the same reason the commit would give."""
    bench = Bench()
    bench.get(report(1))
    await bench.commit()
    bench.get(consent("exit", at=START + SECOND), kind="consent", at=START + SECOND)
    await bench.commit()
    bench.get(report(2, at=START + HOUR), at=START + HOUR)

    assert {DropReason.WITHDRAWN: 1} == bench.dropped()
    assert [1, 2, 3] == bench.acknowledged


# Consent


async def test_consent_messages_are_not_reports() -> None:
    """They change neither side of the sum, good or bad; a bad one has its own count."""
    bench = Bench()
    bench.get(consent("join"), kind="consent")
    bench.get(b"{", kind="consent")
    bench.get(consent("join", country="XX"), kind="consent")
    await bench.commit()

    assert (0, 0, {}) == (bench.metrics.received, bench.metrics.in_flight, bench.dropped())
    assert {DropReason.MALFORMED: 1, DropReason.REGION_UNKNOWN: 1} == dict(bench.metrics.consent_refused)
    assert {(Region.GERMANY, Action.JOIN, Result.RECORDED): 1} == dict(bench.metrics.consent)
    assert [1, 2, 3] == bench.acknowledged


async def test_a_consent_event_is_acknowledged_when_the_ledger_has_it() -> None:
    """A lost exit would be the worst loss of all."""
    bench = Bench()
    bench.get(consent("join"), kind="consent")
    before = bench.acknowledged[:]
    await bench.commit(fail=True)
    failed = bench.acknowledged[:]
    await bench.commit()

    assert ([], [], [1]) == (before, failed, bench.acknowledged)


@pytest.mark.parametrize("last", list(Region))
async def test_an_explicit_false_is_acknowledged_after_all_three_ledgers_answered(last: Region) -> None:
    """It is one message and one drop, whichever regions know the router (D2)."""
    bench = Bench()
    for number, country in enumerate(COUNTRIES):
        bench.get(report(number, country=country))
    await bench.commit()
    bench.get(report(9, ueip=False, at=START + SECOND), at=START + SECOND)
    counted = (bench.metrics.received, bench.dropped(), bench.metrics.in_flight)
    await bench.commit(*(region for region in Region if region is not last))
    await bench.commit(last, fail=True)
    before = bench.acknowledged[:]
    await bench.commit(last)

    assert (4, {DropReason.FLAG_FALSE: 1}, 0) == counted
    assert [1, 2, 3] == before
    assert [1, 2, 3, 4] == bench.acknowledged
    assert {DropReason.FLAG_FALSE: 1} == bench.dropped()
    assert dict.fromkeys(Region, 1) == {region: len(await s.closed(10)) for region, s in bench.stores.items()}


async def test_an_explicit_false_drops_what_waits_in_every_region() -> None:
    """With the next commit of each, and each with its own outcome."""
    bench = Bench()
    for number, country in enumerate(COUNTRIES):
        bench.get(report(number, country=country))
    bench.get(report(9, ueip=False, at=START + SECOND), at=START + SECOND)
    for region in Region:
        await bench.commit(region)

    assert {DropReason.WITHDRAWN: 3, DropReason.FLAG_FALSE: 1} == bench.dropped()
    assert 0 == bench.metrics.in_flight
    assert [1, 2, 3, 4] == bench.acknowledged


# What the broker retains


async def test_a_retained_report_is_dropped_and_cleared() -> None:
    """Counted once, acknowledged at once, whatever is in it (K10)."""
    bench = Bench()
    bench.get(report(), retained=True)
    bench.get(b"\xff", router="r2", retained=True)

    assert {DropReason.RETAINED: 2} == bench.dropped()
    assert ["ueip/v1/r1/report", "ueip/v1/r2/report"] == bench.cleared
    assert [1, 2] == bench.acknowledged


async def test_the_clearing_itself_is_no_report() -> None:
    """An empty retained message, ours or another collector's, is neither counted nor answered by one more."""
    bench = Bench()
    bench.get(b"", retained=True)

    assert (0, {}, []) == (bench.metrics.received, bench.dropped(), bench.cleared)
    assert [1] == bench.acknowledged


@pytest.mark.parametrize("topic", ["ueip/v1/r1/reports", "ueip/v1/a/b/report", "bulkdata/r1", "ueip/v1/r 1/report"])
async def test_nothing_is_published_to_a_topic_that_is_no_reports(topic: str) -> None:
    """What it is for nobody here knows."""
    bench = Bench()
    bench.get(report(), topic=topic, retained=True)

    assert [] == bench.cleared


async def test_a_clearing_that_comes_back_through_a_share_is_no_report() -> None:
    """Without its retain flag, as what is shared comes; alone, an empty report is a defect of the router."""
    alone, shares = Bench(), Bench(hears_clearing=True)
    alone.get(b"")
    shares.get(b"")

    assert {DropReason.MALFORMED: 1} == alone.dropped()
    assert (0, {}, [1], []) == (shares.metrics.received, shares.dropped(), shares.acknowledged, shares.cleared)


async def test_retained_consent_is_left_alone() -> None:
    """It is wanted there (4.5)."""
    bench = Bench()
    bench.get(consent("join"), kind="consent", retained=True)
    bench.get(b"", kind="consent", retained=True)

    assert [] == bench.cleared


@pytest.mark.parametrize("way", ["flag", "event"])
async def test_at_an_exit_the_broker_forgets_too(way: str) -> None:
    """Once the ledger has it, and only then: a refusal by somebody who never joined asks nothing of the broker."""
    bench = Bench()
    bench.get(report())
    await bench.commit()
    for router in ("r1", "stranger"):
        if way == "flag":
            bench.get(report(2, ueip=False), router=router)
        else:
            bench.get(consent("exit", country=None), router=router, kind="consent", at=START + SECOND)
    before = list(bench.cleared)
    await bench.commit()

    assert ([], ["ueip/v1/r1/report"]) == (before, bench.cleared)
    assert [1, 2, 3] == bench.acknowledged


# Memory


async def test_reading_stops_above_the_limit_and_goes_on_below_half_of_it() -> None:
    """Looked at after each read and each commit; between the two marks nothing flaps."""
    size = len(report(1)) + OVERHEAD
    bench = Bench(most=4 * size)
    for number in range(1, 5):
        bench.get(report(number), router=f"r{number}")
    bench.intake.read_done()
    at_the_limit = bench.told[:]
    bench.get(report(5, country="HK"))
    bench.intake.read_done()
    bench.intake.read_done()
    above = (bench.told[:], bench.metrics.paused)
    await bench.commit(Region.HONG_KONG)
    between = (bench.told[:], bench.metrics.paused)
    await bench.commit(Region.GERMANY, fail=True)
    failed = bench.told[:]
    await bench.commit(Region.GERMANY)

    assert [] == at_the_limit
    assert (["pause"], True) == above
    assert (["pause"], True) == between
    assert ["pause"] == failed
    assert (["pause", "resume"], False) == (bench.told, bench.metrics.paused)


async def test_consent_events_are_read_on_for_a_quarter_more() -> None:
    """An exit must not wait behind reports; a flood of consent events has its bound too (D22)."""
    size = len(report(1)) + OVERHEAD
    bench = Bench(most=4 * size)
    told = []
    for number in range(1, 8):
        bench.get(report(number), router=f"r{number}")
        bench.intake.read_done()
        told.append(bench.told[:])
    await bench.commit(Region.GERMANY)

    assert [[], [], [], [], ["pause"], ["pause", "pause all"], ["pause", "pause all"]] == told
    assert ["pause", "pause all", "resume"] == bench.told


async def test_an_exit_makes_room_too() -> None:
    """What it drops no longer counts; the exit itself does, until the ledgers have it."""
    size = len(report(1)) + OVERHEAD
    bench = Bench(most=2 * size)
    for number in range(1, 5):
        bench.get(report(number))
    bench.intake.read_done()
    bench.get(report(9, ueip=False))
    for region in Region:
        await bench.commit(region)

    assert ["pause", "pause all", "resume"] == bench.told
    assert 0 == bench.metrics.in_flight_bytes


# Anything, in any order

ROUTERS = ("r1", "r2")
STEP = st.one_of(
    st.tuples(
        st.just("report"), st.sampled_from(ROUTERS), st.sampled_from([*COUNTRIES, "DE", "XX"]), st.integers(1, 5)
    ),
    st.tuples(st.just("false"), st.sampled_from(ROUTERS), st.sampled_from([*COUNTRIES, "XX"]), st.integers(1, 5)),
    st.tuples(st.just("bad"), st.sampled_from(ROUTERS), st.sampled_from([*BAD]), st.just(0)),
    st.tuples(
        st.sampled_from(["join", "exit"]), st.sampled_from(ROUTERS), st.sampled_from([*COUNTRIES]), st.integers(1, 3)
    ),
    st.tuples(st.just("noise"), st.sampled_from(ROUTERS), st.just(""), st.integers(0, 255)),
    st.tuples(st.sampled_from(["commit", "fail"]), st.just(""), st.sampled_from([*COUNTRIES]), st.just(0)),
    st.tuples(st.just("lose"), st.just(""), st.just(""), st.just(0)),
)
RULES = make_rules()


async def play(steps: Sequence[tuple[str, str, str, int]]) -> tuple[Bench, int]:
    """Do these things; the sum is checked after each of them and each settlement. How many reports there were."""
    bench, reports = Bench(rules=make_rules_again()), 0
    for position, (kind, router, which, number) in enumerate(steps):
        now = START + position * SECOND
        if kind in {"report", "false"}:
            bench.get(report(number, ueip=kind == "report", country=which, at=now), router=router, at=now)
            reports += 1
        elif kind == "bad":
            bench.get(**BAD[which][0], router=router, at=START)
            reports += 1
        elif kind == "noise":
            bench.get(bytes([number]) * number, router=router, kind="consent", at=now)
        elif kind in {"join", "exit"}:
            bench.get(consent(kind, number, country=which, at=now), router=router, kind="consent", at=now)
        elif kind == "lose":
            # The connection is lost: what was received goes on to be settled, and nothing is acknowledged for it.
            bench.ring.close()
            bench.ring, bench.sent = AckRing(bench.acknowledged.extend), 0
            bench.acknowledged.clear()
        else:
            await bench.commit(COUNTRIES[which], fail=kind == "fail")
    while any(writer.waiting for writer in bench.writers.values()):
        await bench.commit()
    return bench, reports


def make_rules_again() -> Rules:
    """The rules of the test with nothing remembered; the decoder is costly to make and keeps no state."""
    fresh = {region: type(closed)() for region, closed in RULES.closed.items()}
    return Rules(**{name: getattr(RULES, name) for name in RULES.__struct_fields__} | {"closed": fresh})


@settings(max_examples=250, deadline=None)
@given(st.lists(STEP, max_size=40))
def test_received_is_stored_plus_dropped_plus_in_flight(steps: list[tuple[str, str, str, int]]) -> None:
    """Through duplicates, refusals, exits, outages and reconnects; in the end nothing is in flight, all is answered."""
    bench, reports = asyncio.run(play(steps))

    assert reports == bench.metrics.received
    assert reports == bench.metrics.stored.total() + bench.metrics.dropped.total()
    assert (0, 0) == (bench.metrics.in_flight, bench.metrics.in_flight_bytes)
    assert list(range(1, bench.sent + 1)) == bench.acknowledged
    assert 0 == bench.metrics.dropped[DropReason.INTERNAL_ERROR]
