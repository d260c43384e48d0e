"""A target that takes choices: what a commit decides, for entries and standings of every kind (`stores.plan`)."""

from collections.abc import Sequence
from typing import Final, TypeVar

from ledgers import first_fault
from msgspec.structs import replace

from collector.consent.ledger import Head
from collector.consent.policies import Policies
from collector.consent.policy_file import shipped_policies
from collector.consent.standing import Standing, State
from collector.model import Action, Channel, ConsentEvent, Entry, Identity, Record, Region
from collector.stores.deciding import make_plan
from collector.stores.plan import ConsentRules, Plan, refs_of

from .case import Case, require

T = TypeVar("T")
NOW: Final = 1_800_000_000_000
_FIRST: Final = shipped_policies().first
_DIGESTS: Final = (_FIRST.texts["en"], "2" * 64)
_NOTICES: Final = (
    _FIRST,
    replace(
        _FIRST, version="v2", published_at=NOW - 500, effective_at=NOW + 500, change="major", reasons=("M1",),
        texts={"en": _DIGESTS[1]},
    ),
)  # fmt: skip
_HEAD: Final = Head(seq=41, hash="a" * 64)
_LEAVING: Final = {Action.EXIT, Action.VOID, Action.UNBIND, Action.CANCEL}
_ROUTERS: Final = (
    Identity(b"a" * 16, "k1"),
    Identity(b"b" * 16, "k2", older=(b"B" * 16,)),
    Identity(b"c" * 16, "k2", older=(b"C" * 16, b"c" * 16)),
)


class Choices:
    """Decisions read from bytes; when they run out, it is always the first. So a shorter input is a simpler one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, many: int) -> int:
        """A number from 0 to *many* - 1."""
        self._at += 1
        return self._data[self._at - 1] % many if self._at <= len(self._data) else 0

    def of(self, some: Sequence[T]) -> T:
        """One of them."""
        return some[self.below(len(some))]

    @property
    def left(self) -> bool:
        """Whether there is more."""
        return self._at < len(self._data)


def _moment(choices: Choices) -> int:
    return NOW + choices.of((0, 0, 1, -1, 1000, -1000, 400_000, -86_400_000))


def _standing(ref: bytes, choices: Choices) -> Standing:
    return Standing(
        device_ref=ref, key_id="k1", state=choices.of((State.JOINED, *State)), seq=1 + choices.below(41),
        consent_id="f" * 32, generation=1, effective_at=_moment(choices),
        policy_version=choices.of(("2020-03-14", "2020-03-14", "v2", "v9")), attested=choices.below(3) != 1,
        storage_regions=choices.of((("germany",), ("germany",), ("china", "germany"), ("hong_kong",), ())),
    )  # fmt: skip


def _record(choices: Choices) -> Record:
    measured = _moment(choices)
    when = choices.of((measured, measured - 500_000))
    body = b'{"events":[{"event":"x","time":"2027-01-15T07:58:20Z"},{"event":"y","time":"2027-01-15T08:00:00Z"}]}'
    return Record(
        record_id=choices.of((b"1", b"2", b"3", b"4")) * 16, identity=choices.of(_ROUTERS), region=Region.GERMANY,
        event_time=measured // 60_000 * 60_000, measured_at=measured, oldest=when, received_at=_moment(choices),
        policy_version=choices.of((None, "2020-03-14", "v2")), source_adapter="report-v1",
        body=choices.of((b"{}", body)), older_ids=choices.of(((), (b"5" * 16,))), floating=None,
    )  # fmt: skip


def _event(choices: Choices) -> ConsentEvent:
    ref = choices.of((None, b"6" * 16, b"7" * 16))
    action = choices.of((Action.EXIT, Action.JOIN, *Action))
    channels = [c for c in Channel if action is not Action.JOIN or c is not Channel.TELEMETRY_FLAG]
    return ConsentEvent(
        action=action, channel=choices.of(channels),
        identity=choices.of(_ROUTERS), received_at=_moment(choices), event_ref=ref,
        older_event_refs=choices.of(((), (b"8" * 16,))), replayed=choices.below(4) == 1,
        client_time=choices.of((None, _moment(choices))), only_if_joined=choices.below(3) == 1,
        storage_regions=choices.of(((), ("germany",), ("china",))),
        policy_version=choices.of((None, "2020-03-14", "v2", "v9")),
        policy_digest=choices.of((None, *_DIGESTS, "0" * 64)),
        language=choices.of((None, "en", "tlh")), adult_or_guardian=choices.of((None, "adult")),
    )  # fmt: skip


def check_plan(case: Case) -> str:
    """Counts add up, the chain holds, and nothing is written of a router whose gate is closed or was closed since."""
    choices = Choices(case.data)
    rules = ConsentRules(
        mode=choices.of(("flag", "registered")),
        erase_on_exit=choices.below(3) != 1,
        policies=Policies(choices.of((_NOTICES, _NOTICES[:1]))),
    )
    refs = sorted({ref for router in _ROUTERS for ref in (router.device_ref, *router.older)})
    standings = {ref: _standing(ref, choices) for ref in refs if choices.below(2)}
    seen, spent, stored = (choices.of(((), (one,), (one, other))) for one, other in _IDS)
    entries: list[Entry] = []
    while choices.left:
        entries.append(_record(choices) if choices.below(3) else _event(choices))
    plan, again = (
        make_plan(
            entries, region=Region.GERMANY, rules=rules, head=_HEAD, standings=standings, seen_events=seen,
            spent_ids=spent, stored_ids=stored,
        )
        for _ in range(2)
    )  # fmt: skip
    require(plan == again, "the same entries, another plan")
    require(refs_of(entries) <= set(refs), "asked for a router that nobody named")
    _sums(plan, entries)
    _chain(plan, rules)
    _gate(plan, entries, rules, standings, set(spent))
    return f"{min(len(plan.inserts), 2)} rows, {min(len(plan.appends), 2)} entries, {bool(plan.erase)}"


_IDS: Final = ((b"6" * 16, b"8" * 16), (b"1" * 16, b"5" * 16), (b"2" * 16, b"3" * 16))


def _sums(plan: Plan, entries: list[Entry]) -> None:
    records = sum(isinstance(entry, Record) for entry in entries)
    joins = sum(entry.channel is Channel.TELEMETRY_FLAG and entry.client_time is not None for entry in plan.appends)
    require(len(plan.inserts) + plan.dropped.total() == records, "a report without an outcome, or with two")
    require(len(entries) - records <= plan.results.total() <= len(entries) - records + joins, "an act without a result")


def _chain(plan: Plan, rules: ConsentRules) -> None:
    require(first_fault(plan.appends, _HEAD) is None, "the chain does not hold")
    last = plan.appends[-1] if plan.appends else None
    require(plan.head == (Head(last.seq, last.hash) if last else _HEAD), "the head is not the last entry")
    left = {bytes.fromhex(e.device_ref) for e in plan.appends if e.action in _LEAVING}
    kept = {bytes.fromhex(e.device_ref) for e in plan.appends if e.action is Action.EXIT and not rules.erase_on_exit}
    # A hold keeps what there is until it is released; an erasure is asked for without leaving.
    held = {bytes.fromhex(e.device_ref) for e in plan.appends if e.action in {Action.HOLD, Action.RELEASE} or e.holds}
    asked = {bytes.fromhex(e.device_ref) for e in plan.appends if e.action is Action.ERASE}
    erased = {erasure.device_ref for erasure in plan.erase}
    require(left - kept - held <= erased, "an exit that erases nothing")
    require(erased <= left | asked | held, "an erasure without an exit")


def _gate(
    plan: Plan, entries: list[Entry], rules: ConsentRules, standings: dict[bytes, Standing], spent: set[bytes]
) -> None:
    now = dict(standings)
    now.update((entry.standing().device_ref, entry.standing()) for entry in plan.appends)
    for record, standing in ((insert.record, insert.standing) for insert in plan.inserts):
        ref = standing.device_ref
        require(ref in {record.identity.device_ref, *record.identity.older}, "written under another router's consent")
        require(now[ref].state is State.JOINED, "written though the gate is closed")
        require(standing.state is State.JOINED, "written under a consent that is none")
        require("germany" in standing.storage_regions, "written though the consent does not name the region")
        require(min(record.measured_at, record.received_at) >= standing.effective_at, "written from before the join")
        require(record.oldest >= standing.effective_at, "written with events from before the join")
        require(not _is_over(standing.policy_version, record.received_at, rules), "written under a notice that ended")
        require(rules.mode == "flag" or standing.attested, "written though nobody attested anything")
        require(not spent & {record.record_id, *record.older_ids}, "written a second time")
        require(
            rules.mode == "flag" or ref in standings or _joined(plan, ref), "joined by a flag, where one must register"
        )
    exits = {
        e.identity.device_ref: n for n, e in enumerate(entries) if isinstance(e, ConsentEvent) and e.action in _LEAVING
    }
    by_entry = {id(entry): n for n, entry in enumerate(entries)}
    for insert in plan.inserts:
        number = by_entry.get(id(insert.record), len(entries))
        left_at = exits.get(insert.record.identity.device_ref, -1)
        unread = all(a.action is not Action.EXIT for a in plan.appends)
        require(number > left_at or unread or _without_effect(plan), "written though it came before the exit")


def _is_over(version: str, received_at: int, rules: ConsentRules) -> bool:
    """Whether a consent to that version admits nothing then; the second of the two versions closes."""
    if version == "2020-03-14":
        return len(rules.policies.versions) > 1 and received_at >= NOW + 500
    return version != "v2" or len(rules.policies.versions) == 1


def _joined(plan: Plan, ref: bytes) -> bool:
    return any(
        e.action is Action.JOIN and e.channel is not Channel.TELEMETRY_FLAG
        for e in plan.appends
        if e.device_ref == ref.hex()
    )


def _without_effect(plan: Plan) -> bool:
    """Whether some act was not recorded, so that its place in the batch says nothing."""
    return any(result != "recorded" for (_, result), count in plan.results.items() if count)
