"""What a version of the notice does to the consents given before it."""

from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notices import LATER, later, notice
from records import FIRST, HOUR, START, router

from collector.consent.policies import NEVER, Change, Policy, Reason
from collector.consent.standing import Standing, State

CLOSING: list[Reason] = ["M1", "M2", "M3", "M4", "M6", "M7", "M8"]


def standing(version: str = FIRST.version, state: State = State.JOINED) -> Standing:
    """A consent to a version."""
    return Standing(
        device_ref=router("a").device_ref,
        key_id="key-1",
        state=state,
        seq=1,
        consent_id="c",
        generation=1,
        effective_at=START,
        policy_version=version,
        storage_regions=("germany",),
    )


# What closes


@pytest.mark.parametrize("reason", CLOSING)
def test_a_major_version_ends_the_consents_before_it_when_it_takes_effect(reason: Reason) -> None:
    """To the millisecond, and not those to itself (4.7)."""
    policies = notice(later("v2", "major", reason))

    assert [False, True] == [policies.outdated(FIRST.version, at) for at in (LATER - 1, LATER)]
    assert not policies.outdated("v2", NEVER - 1)
    assert policies.closing


@pytest.mark.parametrize("change", ["editorial", "minor"])
def test_other_words_and_less_collected_end_nothing(change: Change) -> None:
    """Old consents stay."""
    policies = notice(later("v2", change))

    assert not policies.closing
    assert not policies.outdated(FIRST.version, NEVER - 1)


@pytest.mark.parametrize("strict", [False, True])
def test_a_change_of_contact_ends_consents_only_where_the_operator_is_strict(strict: bool) -> None:
    """M5 alone; with another reason beside it, it closes as that one does."""
    alone = notice(later("v2", "major", "M5"), strict=strict)
    together = notice(later("v2", "major", "M5", "M4"), strict=strict)

    assert strict is alone.outdated(FIRST.version, LATER)
    assert together.outdated(FIRST.version, LATER)


def test_every_class_of_change_is_decided_on() -> None:
    """One that is added later has to be looked at here."""
    assert {*CLOSING, "M5"} == set(get_args(Reason))
    assert {"first", "editorial", "minor", "major"} == set(get_args(Change))


def test_a_version_that_is_not_known_counts_for_nothing() -> None:
    """Neither as a consent nor as what a router declares."""
    policies = notice(later())

    assert policies.outdated("v9", 0)
    assert not policies.counts("v9", LATER)
    assert not policies.admits("v9", None, START)
    assert not policies.admits(FIRST.version, "v9", START)
    assert (True, False) == tuple(policies.knows({b"": standing(version)}) for version in (FIRST.version, "v9"))


# What may be joined


@pytest.mark.parametrize(
    ("at", "counting"),
    [
        (FIRST.effective_at - 1, set()),
        (FIRST.effective_at, {FIRST.version}),
        (LATER - HOUR - 1, {FIRST.version}),
        (LATER - HOUR, {FIRST.version, "v2"}),
        (LATER - 1, {FIRST.version, "v2"}),
        (LATER, {"v2"}),
    ],
)
def test_a_version_may_be_joined_from_its_publication_until_a_later_one_closes_it(at: int, counting: set[str]) -> None:
    """Before it takes effect too, so that whoever is asked in time is not interrupted."""
    policies = notice(later())

    assert counting == {policy.version for policy in policies.versions if policies.counts(policy.version, at)}


def test_the_version_in_force_is_the_last_to_have_taken_effect() -> None:
    """None before the first."""
    policies = notice(later("v2", "minor"), later("v3", at=LATER + HOUR))
    times = (FIRST.effective_at - 1, START, LATER - 1, LATER, LATER + HOUR)
    found = [policies.in_force(at) for at in times]

    assert [None, FIRST.version, FIRST.version, "v2", "v3"] == [policy and policy.version for policy in found]


# What is admitted


@pytest.mark.parametrize(
    ("agreed", "declared", "admitted"),
    [
        ("v2", None, True),
        ("v2", "v2", True),
        ("v2", "v2.1", True),
        ("v2.1", "v2", True),
        ("v2", FIRST.version, False),
        ("v2", "v3", False),
        ("v3", "v2", False),
        ("v3", "v3", True),
    ],
)
def test_what_is_declared_may_differ_by_what_closes_nothing(agreed: str, declared: str | None, admitted: bool) -> None:
    """Newer or older by editing alone is the same consent; anything else waits for the owner's own event (K25)."""
    policies = notice(later(at=START - HOUR), later("v2.1", "minor", at=START), later("v3", at=LATER))

    assert admitted is policies.admits(agreed, declared, LATER - 1)


@pytest.mark.parametrize("state", list(State))
def test_outdated_is_worked_out_and_hides_no_other_state(state: State) -> None:
    """A router that left is no less gone when the notice changes."""
    policies = notice(later())
    expected = State.OUTDATED if state is State.JOINED else state

    assert (state, expected) == tuple(policies.state(standing(state=state), at) for at in (LATER - 1, LATER))


# For all versions


@st.composite
def versions(draw: st.DrawFn) -> list[Policy]:
    """Versions of all classes, in order."""
    times = sorted(draw(st.sets(st.integers(START, START + 50), max_size=6)))
    made = []
    for number, at in enumerate(times, start=2):
        change: Change = draw(st.sampled_from(["editorial", "minor", "major"]))
        reasons = draw(st.sets(st.sampled_from([*CLOSING, "M5"]), min_size=1)) if change == "major" else set()
        made.append(later(f"v{number}", change, *sorted(reasons), at=at))
    return made


def ended(policies: list[Policy], number: int, at: int, *, strict: bool) -> bool:
    """Whether a version is over at a time, asked of each later version by itself."""
    return any(
        policy.change == "major" and (strict or set(policy.reasons) != {"M5"}) and policy.effective_at <= at
        for policy in policies[number + 1 :]
    )


@given(versions(), st.booleans(), st.integers(START - 5, START + 60))
def test_a_consent_is_over_exactly_when_a_closing_version_came_after_it(
    made: list[Policy], strict: bool, at: int
) -> None:
    """Compared with what each version says alone."""
    policies = notice(*made, strict=strict)
    for number, policy in enumerate(policies.versions):
        assert ended([*policies.versions], number, at, strict=strict) is policies.outdated(policy.version, at)
    assert policies.closing is any(policies.outdated(policy.version, NEVER - 1) for policy in policies.versions)


@given(versions(), st.booleans(), st.integers(START - 5, START + 60))
def test_no_outdated_consent_admits_anything_and_no_declaration_opens_more(
    made: list[Policy], strict: bool, at: int
) -> None:
    """Whatever is declared: at most what the consent itself admits."""
    policies = notice(*made, strict=strict)
    names = [policy.version for policy in policies.versions]
    for agreed in names:
        admitted = [policies.admits(agreed, declared, at) for declared in (None, *names, "made up")]

        assert admitted[0] is not policies.outdated(agreed, at)
        assert admitted[0] or not any(admitted)
        assert not admitted[-1]


@given(versions(), st.booleans())
def test_a_consent_that_is_over_stays_over(made: list[Policy], strict: bool) -> None:
    """Time only ends consents."""
    policies = notice(*made, strict=strict)
    for policy in policies.versions:
        over = [policies.outdated(policy.version, at) for at in range(START - 2, START + 60)]

        assert all(not before or after for before, after in pairwise(over))
