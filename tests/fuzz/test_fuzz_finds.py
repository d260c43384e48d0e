"""Faults planted in the code, each of a kind that matters: a fuzzer that would not find them proves nothing."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from collector.fields.select import Selector
from collector.fields.treatments import Surroundings
from collector.formats.consent_event import ConsentDecoder
from collector.formats.goform import Maps
from collector.formats.report import ReportDecoder
from collector.ingest.codec import Packet, PacketReader
from collector.model import DropReason, Flag, Message, Region, Removal, Report
from collector.regions import RegionMap

from . import on_bytes, on_plan
from .play import play

Patch = pytest.MonkeyPatch


def found_in(name: str, *, inputs: int = 4000) -> set[str]:
    """How inputs for a target fail now."""
    return {failed.how for chunk in range(inputs // 2000) for failed in play(1, name, chunk, 2000).failures}


def wrapped(patch: Patch, owner: Any, name: str, change: Callable[..., Any]) -> None:
    """Let *change* have the last word on what a function answers."""
    before = getattr(owner, name)
    patch.setattr(owner, name, lambda *given, **named: change(before(*given, **named), *given, **named))


def test_a_flag_that_is_only_truthy(monkeypatch: Patch) -> None:
    """`1` and `"false"` are true to Python."""

    def truthy(found: Report | DropReason, *_: Any) -> Report | DropReason:
        if isinstance(found, Report) and found.flag is Flag.INVALID:
            return msgspec.structs.replace(found, flag=Flag.YES)
        return found

    wrapped(monkeypatch, ReportDecoder, "decode", truthy)

    assert "Violation: accepted without the flag" in found_in("process")
    assert "Violation: the ways to read a report differ" in found_in("report")


def test_a_look_alike_that_is_taken_for_the_flag(monkeypatch: Patch) -> None:
    """Another setting of ZTE's maps says yes too."""

    def generous(found: Flag, *_: Any) -> Flag:
        return Flag.YES if found is Flag.ABSENT else found

    wrapped(monkeypatch, Maps, "_flag", generous)

    assert "Violation: accepted without the flag" in found_in("goform")


def test_a_default_region(monkeypatch: Patch) -> None:
    """The convenient mistake."""
    wrapped(monkeypatch, RegionMap, "route", lambda found, *_: Region.HONG_KONG if found == "region_unknown" else found)

    assert "Violation: stored in a region that is not the country's" in found_in("process")


def test_a_serving_network_that_is_not_looked_at(monkeypatch: Patch) -> None:
    """A German router in China."""
    wrapped(monkeypatch, RegionMap, "route", lambda found, self, country, plmns: self.home(country or ""))

    assert "Violation: stored though a network speaks against the region" in found_in("process")


def test_a_field_that_the_catalogue_does_not_know(monkeypatch: Patch) -> None:
    """Copied into the body by somebody who was in a hurry."""

    def leaky(body: bytes, _: Selector, report: Any, *__: Any) -> bytes:
        serial = (
            getattr(report.router, "serial", msgspec.UNSET) if report.router is not msgspec.UNSET else msgspec.UNSET
        )
        return body if serial is msgspec.UNSET else body[:-1] + b',"serial":"%b"}' % serial.encode()

    wrapped(monkeypatch, Selector, "body", leaky)

    assert {how for how in found_in("process") if "does not know" in how or "raw identifier" in how}


def test_an_exception_that_only_some_reports_cause(monkeypatch: Patch) -> None:
    """It would become `internal_error`, which is a bug of ours."""

    def fragile(body: bytes, _: Selector, __: Any, events: list[Any], ___: Surroundings) -> bytes:
        return body if len(events) < 2 else body[:: 1 // (len(events) - len(events))]

    wrapped(monkeypatch, Selector, "body", fragile)

    assert "ZeroDivisionError" in found_in("process")


def test_a_quick_way_that_forgets_what_was_removed(monkeypatch: Patch) -> None:
    """Two ways to read one report must not drift apart."""

    def forgetful(found: Report | DropReason, *_: Any) -> Report | DropReason:
        if isinstance(found, Report) and dict(found.removed).get(Removal.UNKNOWN):
            return msgspec.structs.replace(found, removed=())
        return found

    wrapped(monkeypatch, ReportDecoder, "decode", forgetful)

    assert "Violation: the ways to read a report differ" in found_in("report")


def test_an_answer_that_hangs_on_the_message_before(monkeypatch: Patch) -> None:
    """As a cache keyed by too little gives."""
    seen: set[str] = set()

    def remembering(found: Any, _: Any, country: str | None, __: Any) -> Any:
        if country == "FR" and len(seen) % 7 == 3:
            return DropReason.REGION_BLOCKED
        seen.add(f"{country} {len(seen)}")
        return found

    wrapped(monkeypatch, RegionMap, "route", remembering)

    assert "Violation: the outcome hangs on what was processed before" in found_in("process")


def test_an_exit_refused_for_a_detail(monkeypatch: Patch) -> None:
    """K35: in doubt it is honoured."""

    def picky(found: Any, _: Any, message: Message, *__: Any) -> Any:
        return DropReason.MALFORMED if b'"language"' in message.payload else found

    wrapped(monkeypatch, ConsentDecoder, "decode", picky)

    assert "Violation: an exit was refused (K35)" in found_in("process")


def test_a_packet_lost_at_a_cut(monkeypatch: Patch) -> None:
    """What is left over from one read belongs before the next."""

    class Losing(PacketReader):
        def feed(self, data: bytes | memoryview) -> Iterator[Packet]:
            if len(self._rest) == 3:
                self._rest.clear()
            yield from super().feed(data)

    monkeypatch.setattr(on_bytes, "PacketReader", Losing)

    assert {how for how in found_in("packets") if how.startswith("Violation: a stream")}


def test_a_commit_that_forgets_an_exit(monkeypatch: Patch) -> None:
    """The gate inside the transaction is the one that decides."""

    def forgetting(plan: Any, *_: Any, **__: Any) -> Any:
        plan.erase = plan.erase[:1]
        return plan

    wrapped(monkeypatch, on_plan, "make_plan", forgetting)

    assert "Violation: an exit that erases nothing" in found_in("plan")
