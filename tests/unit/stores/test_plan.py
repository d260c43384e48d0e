"""What one commit decides about versions of the notice, for any versions, acts and reports."""

from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notices import LATER, digest_of, later, notice
from records import FIRST, HOUR, MINUTE, START, act, join, record, router

from collector.consent.joining import Mode
from collector.consent.ledger import Head, LedgerEntry
from collector.consent.policies import Change, Policies, Policy, Reason
from collector.consent.standing import Standing
from collector.model import Action, ConsentEvent, DropReason, Entry, Record, Region
from collector.stores.deciding import make_plan
from collector.stores.plan import ConsentRules, Insert

DAY = 24 * HOUR
ACTIONS = [Action.EXIT, Action.VOID, Action.RESTRICT, Action.UNRESTRICT, Action.UNBIND]


class Told:
    """A store that only remembers: what was written, dropped and recorded by one commit after the other."""

    def __init__(self, policies: Policies, mode: Mode = "flag") -> None:
        self.rules = ConsentRules(mode=mode, policies=policies)
        self.inserts: list[Insert] = []
        self.dropped: Counter[DropReason] = Counter()
        self.ledger: list[LedgerEntry] = []
        self._standings: dict[bytes, Standing] = {}

    def commit(self, *entries: Entry) -> "Told":
        """One commit."""
        head = Head(seq=len(self.ledger), hash=self.ledger[-1].hash) if self.ledger else Head()
        plan = make_plan(
            entries, region=Region.GERMANY, rules=self.rules, head=head, standings=self._standings, seen_events=()
        )
        self.ledger += plan.appends
        self._standings |= {entry.standing().device_ref: entry.standing() for entry in plan.appends}
        self.inserts += plan.inserts
        self.dropped += plan.dropped
        return self

    @property
    def outcomes(self) -> tuple[int, dict[str, int]]:
        """Written, and dropped by reason."""
        return len(self.inserts), {reason.value: count for reason, count in self.dropped.items()}


def report(at: int, declared: str | None = None, *, name: str = "a", number: int = 1) -> Record:
    """A report measured and received at a time, that declares a version of the notice."""
    return msgspec.structs.replace(record(name, number, at=at), policy_version=declared)


def joined(at: int, version: str = FIRST.version, *, name: str = "a") -> ConsentEvent:
    """A join with all that one brings, under a version."""
    digest = FIRST.texts["en"] if version == FIRST.version else digest_of(version, "en")
    return msgspec.structs.replace(join(name, at=at), policy_version=version, policy_digest=digest)


# One by one


@pytest.mark.parametrize("declared", [None, FIRST.version, "v2"])
def test_after_a_major_version_only_a_join_event_lets_reports_in_again(declared: str | None) -> None:
    """No flag does, not even one that declares the new version: nobody has shown that its owner agreed."""
    told = Told(notice(later())).commit(report(START), report(LATER, declared), report(LATER + 1, declared))
    before = told.outcomes
    told.commit(joined(LATER + MINUTE, "v2"), report(LATER + HOUR, None if declared is None else "v2"))

    assert (1, {"policy_outdated": 2}) == before
    assert (2, {"policy_outdated": 2}) == told.outcomes
    assert ["join", "join"] == [entry.action for entry in told.ledger]


def test_what_was_received_before_is_kept_however_late_it_is_committed() -> None:
    """Receipt decides, not the commit (K24)."""
    told = Told(notice(later())).commit(report(START))
    told.commit(report(LATER, number=2), report(LATER - 1, number=3))

    assert (2, {"policy_outdated": 1}) == told.outcomes


def test_a_record_is_stored_under_the_version_of_its_consent() -> None:
    """That is the one that says what it may be used for, whatever newer text the firmware has."""
    told = Told(notice(later("v1.1", "editorial", at=LATER))).commit(report(START))
    told.commit(report(LATER, "v1.1", number=2))

    assert 2 == len(told.inserts)
    assert {FIRST.version} == {insert.standing.policy_version for insert in told.inserts}


def test_a_consent_under_a_version_that_the_file_no_longer_has_admits_nothing() -> None:
    """What cannot be looked up cannot be shown to allow anything."""
    old, new = Told(notice(later("v1.1", "minor", at=START))), Told(notice())
    old.commit(joined(START, "v1.1"), report(START + 1))
    new.ledger, new._standings = old.ledger, old._standings

    assert (0, {"policy_outdated": 1}) == new.commit(report(START + 2)).outcomes


def test_a_router_that_joined_by_a_flag_has_to_join_again_when_the_mode_becomes_registered() -> None:
    """Its consent attests nothing (D3, G6)."""
    by_flag, registered = Told(notice()), Told(notice(), "registered")
    by_flag.commit(report(START), joined(START, name="b"))
    registered.ledger, registered._standings = by_flag.ledger, by_flag._standings
    registered.commit(report(START + 1, number=2), report(START + 1, name="b"))
    before = registered.outcomes
    registered.commit(joined(START + MINUTE), report(START + HOUR, number=3))

    assert (1, {"child_or_unattested": 1}) == before
    assert (2, {"child_or_unattested": 1}) == registered.outcomes


# For any of them

CHANGES: list[tuple[Change, tuple[Reason, ...]]] = [
    ("editorial", ()), ("minor", ()), ("major", ("M1",)), ("major", ("M5",)), ("major", ("M5", "M7")),
]  # fmt: skip


@st.composite
def versions(draw: st.DrawFn) -> list[Policy]:
    """Up to four later versions, a day apart, each published half a day before it takes effect."""
    drawn = draw(st.lists(st.sampled_from(CHANGES), max_size=4))
    return [
        later(f"v{n}", change, *reasons, at=START + n * DAY, published_at=START + n * DAY - DAY // 2)
        for n, (change, reasons) in enumerate(drawn, start=1)
    ]


@st.composite
def stories(draw: st.DrawFn) -> list[Entry]:
    """Acts and reports of two routers over five days, in order of receipt."""
    entries: list[Entry] = []
    names = st.sampled_from([None, FIRST.version, "v1", "v2", "v3", "v4", "v9"])
    for number, at in enumerate(sorted(draw(st.sets(st.integers(START, START + 5 * DAY), max_size=14)))):
        name, version = draw(st.sampled_from("ab")), draw(names)
        match draw(st.sampled_from(["report", "report", "join", "act"])):
            case "report":
                entries.append(report(at, version, name=name, number=number))
            case "join" if version is not None:
                entries.append(joined(at, version, name=name))
            case "join":
                bare = {"policy_version": None, "policy_digest": None, "language": None, "adult_or_guardian": None}
                entries.append(msgspec.structs.replace(join(name, at=at), **bare))
            case _:
                entries.append(act(draw(st.sampled_from(ACTIONS)), name, at=at))
    return entries


def play(entries: Sequence[Entry], cuts: set[int], policies: Policies, mode: Mode) -> Told:
    """The story, cut into commits, without the reports that the gate refuses on receipt: of versions nobody knows."""
    told, some = Told(policies, mode), list[Entry]()
    known = {None, *(policy.version for policy in policies.versions)}
    for number, entry in enumerate(entries):
        if not isinstance(entry, Record) or entry.policy_version in known:
            some.append(entry)
        if number in cuts:
            told.commit(*some)
            some = []
    return told.commit(*some)


def closers(policies: Policies, after: str, *, strict: bool) -> list[int]:
    """When a version after this one ended the consents to it: worked out from the classes of change alone."""
    number = [policy.version for policy in policies.versions].index(after)
    closing = [p for p in policies.versions if p.change == "major" and (strict or p.reasons != ("M5",))]
    return [p.effective_at for p in closing if policies.versions.index(p) > number]


modes = st.sampled_from(["flag", "registered"])
cuts = st.sets(st.integers(0, 14))


@settings(max_examples=400)
@given(stories(), cuts, versions(), st.booleans(), modes)
def test_no_path_lets_an_outdated_consent_in(
    entries: list[Entry], where: set[int], made: list[Policy], strict: bool, mode: Mode
) -> None:
    """Whatever was joined, declared, restricted or left, in whatever commits: every record has a consent that held.

    It was given by an entry of the ledger, under a version that was published then and not over when the report was
    received; and the report declared nothing that a closing version tells apart from it.
    """
    policies = notice(*made, strict=strict)
    told = play(entries, where, policies, mode)
    for insert in told.inserts:
        received, agreed = insert.record.received_at, insert.standing.policy_version
        consent = told.ledger[insert.standing.seq - 1]
        published = next(p.published_at for p in policies.versions if p.version == agreed)

        assert all(received < end for end in closers(policies, agreed, strict=strict))
        assert consent.received_at <= received
        assert published <= consent.received_at
        assert consent.state.value == "joined"
        if (declared := insert.record.policy_version) is not None:
            assert closers(policies, declared, strict=strict) == closers(policies, agreed, strict=strict)
        if mode == "registered":
            assert consent.attested


@settings(max_examples=300)
@given(stories(), cuts, versions(), st.sampled_from(["editorial", "minor"]), st.integers(0, 5), modes)
def test_an_editorial_version_changes_nothing(
    entries: list[Entry], where: set[int], made: list[Policy], change: Change, place: int, mode: Mode
) -> None:
    """Wherever it stands among the others: the same records, drops and acts as without it."""
    place = min(place, len(made))
    extra = later("edited", change, at=START + place * DAY + DAY // 4)
    without = play(entries, where, notice(*made), mode)
    with_it = play(entries, where, notice(*made[:place], extra, *made[place:]), mode)

    assert without.outcomes == with_it.outcomes
    assert [i.record.record_id for i in without.inserts] == [i.record.record_id for i in with_it.inserts]
    assert [(e.action, e.state, e.effective_at, e.attested) for e in without.ledger] == [
        (e.action, e.state, e.effective_at, e.attested) for e in with_it.ledger
    ]


@given(stories(), cuts, versions(), modes)
def test_strict_only_ever_refuses_more(entries: list[Entry], where: set[int], made: list[Policy], mode: Mode) -> None:
    """Of what it lets in, the other does too: unless who was refused longer joined a later version for that."""
    loose, strict = (play(entries, where, notice(*made, strict=s), mode) for s in (False, True))
    order = [policy.version for policy in notice(*made).versions]
    agreed = {entry.device_ref: order.index(entry.policy_version) for entry in loose.ledger}
    also = {insert.record.record_id for insert in loose.inserts}

    for insert in strict.inserts:
        ref, version = insert.standing.device_ref.hex(), insert.standing.policy_version
        assert insert.record.record_id in also or order.index(version) > agreed.get(ref, -1)


def test_the_stories_tell_of_something() -> None:
    """The control: routers of these names are stored and refused."""
    told = Told(notice(later("v1", at=START + DAY))).commit(
        report(START),
        report(START + 2 * DAY, number=2),
        joined(START + 3 * DAY, "v1"),
        report(START + 4 * DAY, number=3),
    )

    assert (2, {"policy_outdated": 1}) == told.outcomes
    assert {router("a").device_ref} == {i.standing.device_ref for i in told.inserts}
