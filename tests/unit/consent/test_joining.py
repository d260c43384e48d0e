"""What a join event must bring, in either mode."""

from typing import Any

import msgspec
import pytest
from notices import DIGEST, LATER, digest_of, later, notice
from records import FIRST, HOUR, START, join, record, router

from collector.consent.joining import Mode, flag_join_refusal, join_refusal
from collector.consent.policies import Policies
from collector.consent.standing import Standing, State
from collector.model import ConsentEvent, DropReason, Region

POLICIES = notice(later())
MODES: tuple[Mode, ...] = ("flag", "registered")


def event(*, at: int = START, **changes: Any) -> ConsentEvent:
    """A join with all that one must bring, but for these changes."""
    return msgspec.structs.replace(join(at=at), **changes)


def refused(
    asked: ConsentEvent, mode: Mode = "registered", standing: Standing | None = None, policies: Policies = POLICIES
) -> DropReason | None:
    """Why Germany's ledger does not take it."""
    return join_refusal(asked, Region.GERMANY, policies, mode, standing)


@pytest.mark.parametrize("mode", MODES)
def test_a_join_that_brings_everything_counts(mode: Mode) -> None:
    """Under the version in force, under one that is published, and in any of its languages."""
    early = {"policy_version": "v2", "policy_digest": digest_of("v2", "de"), "language": "de"}

    assert refused(event(), mode) is None
    assert refused(event(storage_regions=("germany", "hong_kong"), adult_or_guardian="guardian"), mode) is None
    assert refused(event(at=LATER - 1, **early), mode) is None
    assert refused(event(at=LATER, **early), mode) is None


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ({"policy_version": None}, "policy_outdated"),
        ({"policy_digest": None}, "notice_mismatch"),
        ({"language": None}, "notice_mismatch"),
        ({"adult_or_guardian": None}, "child_or_unattested"),
        ({"storage_regions": ()}, "region_not_consented"),
    ],
    ids=str,
)
def test_what_is_missing_is_refused_in_registered_mode_alone(missing: dict[str, Any], reason: str) -> None:
    """In mode flag a flag alone would join too (D3)."""
    assert reason == refused(event(**missing))
    assert refused(event(**missing), "flag") is None


def test_in_flag_mode_a_bare_join_counts_for_the_first_version() -> None:
    """Until that one has ended: silence is no consent to a text that came later (002 L127)."""
    bare: dict[str, Any] = {"policy_version": None, "policy_digest": None, "language": None, "storage_regions": ()}

    assert refused(event(**bare, adult_or_guardian=None), "flag") is None
    assert "policy_outdated" == refused(event(at=LATER, **bare, adult_or_guardian=None), "flag")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"policy_version": "2031-01-01"}, "policy_outdated"),
        ({"policy_version": ""}, "policy_outdated"),
        ({"policy_version": "v2"}, "policy_outdated"),
        ({"policy_digest": "0" * 64}, "notice_mismatch"),
        ({"policy_digest": DIGEST.upper()}, "notice_mismatch"),
        ({"policy_digest": digest_of("v2", "en")}, "notice_mismatch"),
        ({"language": "tlh"}, "notice_mismatch"),
        ({"language": "de"}, "notice_mismatch"),
        ({"policy_digest": None, "language": "tlh"}, "notice_mismatch"),
        ({"policy_digest": "0" * 64, "language": None}, "notice_mismatch"),
        ({"storage_regions": ("germany", "atlantis")}, "notice_mismatch"),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_in_either_mode(mode: Mode, wrong: dict[str, Any], reason: str) -> None:
    """A text that is none of ours is what a router made up; `v2` is not published yet."""
    assert reason == refused(event(**wrong), mode)


def test_the_digest_has_to_be_that_of_the_language() -> None:
    """Not of another language of the same version."""
    crossed = {"policy_version": "v2", "language": "de", "policy_digest": digest_of("v2", "en")}

    assert "notice_mismatch" == refused(event(at=LATER, **crossed))
    assert refused(event(at=LATER, **crossed | {"language": "en"})) is None


@pytest.mark.parametrize("mode", MODES)
def test_a_version_that_has_ended_joins_nobody(mode: Mode) -> None:
    """To the millisecond, by receipt (K24)."""
    assert [None, "policy_outdated"] == [refused(event(at=at), mode) for at in (LATER - 1, LATER)]


def test_a_join_for_other_regions_is_none_in_registered_mode() -> None:
    """In mode flag it is recorded, and keeps the region closed."""
    elsewhere = event(storage_regions=("hong_kong",))

    assert "region_not_consented" == refused(elsewhere)
    assert refused(elsewhere, "flag") is None


def test_a_version_that_does_not_name_the_region_joins_nobody_there() -> None:
    """Neither by an event nor by a flag."""
    policies = notice(later(at=START - HOUR, countries={"CN": Region.CHINA}))
    bare = event(policy_version="v2", policy_digest=None, language=None, storage_regions=())
    flagged = msgspec.structs.replace(record(), policy_version="v2")

    assert "notice_mismatch" == refused(bare, "flag", policies=policies)
    assert "region_not_consented" == flag_join_refusal(flagged, policies)
    assert flag_join_refusal(msgspec.structs.replace(flagged, region=Region.CHINA), policies) is None


@pytest.mark.parametrize("state", [*State, None])
@pytest.mark.parametrize("mode", MODES)
def test_after_a_void_consent_only_somebody_of_age_joins(mode: Mode, state: State | None) -> None:
    """K33: in mode flag too."""
    before = None if state is None else Standing(
        device_ref=router("a").device_ref, key_id="key-1", state=state, seq=1, consent_id="c", generation=1,
        effective_at=START - HOUR, policy_version=FIRST.version, storage_regions=("germany",),
    )  # fmt: skip
    unattested = refused(event(adult_or_guardian=None), mode, before)

    assert ("child_or_unattested" if mode == "registered" or state is State.VOID else None) == unattested
    assert refused(event(), mode, before) is None


# By flag


@pytest.mark.parametrize(
    ("declared", "at", "reason"),
    [
        (None, START, None),
        (FIRST.version, START, None),
        (None, LATER - 1, None),
        (None, LATER, "policy_outdated"),
        (FIRST.version, LATER, "policy_outdated"),
        ("v2", LATER, None),
        ("v2", LATER - HOUR, None),
        ("v2", LATER - HOUR - 1, "policy_outdated"),
        ("v9", LATER, "policy_outdated"),
    ],
)
def test_a_first_report_joins_under_what_it_declares_or_the_first_version(
    declared: str | None, at: int, reason: str | None
) -> None:
    """After a major change a router nobody knows has to say what it showed."""
    assert reason == flag_join_refusal(msgspec.structs.replace(record(at=at), policy_version=declared), POLICIES)
