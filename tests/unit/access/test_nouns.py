"""Who may see what: the whole matrix, and that nobody but `may` says yes."""

import ast
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import collector
from collector.access.nouns import (
    ACCOUNT_ROLES,
    MOST_PURPOSE_MILLISECONDS,
    OWNERS_RIGHTS,
    TABLE,
    Allowed,
    Purpose,
    Refusal,
    Refused,
    Right,
    Role,
    Viewer,
    may,
)
from collector.model import PURPOSE, Region

NOW = 1_800_000_000_000
HOUR = 3_600_000
EXPECTED: dict[Role, tuple[dict[str, str | None], set[str]]] = {
    # role: what it sees in its own region, and what of that in others too; with the purpose that it must give
    Role.OPERATOR: ({"health": None}, {"health"}),
    Role.ENGINEER: (
        {"health": None, "fleet": None, "lookup": PURPOSE, "diagnosis": PURPOSE, "records": PURPOSE},
        {"health"},
    ),
    Role.PRIVACY_OFFICER: (
        {"lookup": OWNERS_RIGHTS, "consent": OWNERS_RIGHTS, "audit": None},
        set(),
    ),
    Role.AUDITOR: ({"audit": None}, set()),
}
"""Written out once more, by hand: a slip in the table is not repeated here."""


def viewer(role: Role, *regions: Region) -> Viewer:
    return Viewer(name="ada", role=role, regions=frozenset(regions))


def purpose(aim: str = PURPOSE, *, given_at: int = NOW - 1, until: int = NOW + HOUR) -> Purpose:
    return Purpose(text="INC-4711", ticket=True, given_at=given_at, until=until, aim=aim)


def reason_of(answer: Allowed | Refused) -> Refusal | None:
    return answer.reason if isinstance(answer, Refused) else None


def test_the_expectations_are_of_every_role_that_an_account_can_have() -> None:
    assert tuple(EXPECTED) == ACCOUNT_ROLES


@pytest.mark.parametrize(
    ("role", "right", "own", "asked"),
    list(product(ACCOUNT_ROLES, Right, Region, Region)),
    ids=lambda value: value.value,
)
def test_the_matrix_of_roles_rights_and_regions(role: Role, right: Right, own: Region, asked: Region) -> None:
    """Every role, every right, every pair of regions: with the purpose that fits, and without one."""
    grants, anywhere = EXPECTED[role]
    who, aim = viewer(role, own), grants.get(right.value)

    answer = may(who, right, asked, purpose(aim or PURPOSE), now=NOW)
    without = may(who, right, asked, None, now=NOW)

    if right.value not in grants:
        expected: tuple[Refusal | None, Refusal | None] = (Refusal.ROLE, Refusal.ROLE)
    elif own is not asked and right.value not in anywhere:
        expected = (Refusal.REGION, Refusal.REGION)
    else:
        expected = (None, Refusal.PURPOSE_MISSING if aim else None)
    assert expected == (reason_of(answer), reason_of(without))


@pytest.mark.parametrize("right", [right for right in Right if right not in {Right.HEALTH, Right.AUDIT}])
@pytest.mark.parametrize("role", Role)
def test_without_a_region_nothing_of_a_region_is_shown(role: Role, right: Right) -> None:
    """A route that forgets to say which region it is about shows nothing."""
    answer = may(viewer(role, *Region), right, None, purpose(), now=NOW)

    assert reason_of(answer) in {Refusal.ROLE, Refusal.REGION}


def test_an_account_without_regions_sees_no_router() -> None:
    answer = may(viewer(Role.ENGINEER), Right.DIAGNOSIS, Region.GERMANY, purpose(), now=NOW)

    assert Refusal.REGION is reason_of(answer)


def test_every_right_is_asked_for_somewhere() -> None:
    """One that nothing asks for promises a page, or a question, that there is not."""
    folder = Path(collector.__file__).parent
    sources = [path.read_text() for path in folder.rglob("*.py") if path.name != "nouns.py"]

    assert [] == [right for right in Right if not any(f"Right.{right.name}" in source for source in sources)]


def test_another_purpose_is_refused() -> None:
    """O03: an engineer who says that they look for marketing sees nothing, and so does one for another's aim."""
    for aim in ("marketing", OWNERS_RIGHTS, "", PURPOSE.upper()):
        answer = may(viewer(Role.ENGINEER, Region.CHINA), Right.RECORDS, Region.CHINA, purpose(aim), now=NOW)

        assert Refusal.PURPOSE_OTHER is reason_of(answer)


@given(st.integers(-2 * HOUR, 20 * HOUR), st.integers(0, 20 * HOUR))
def test_a_purpose_holds_for_its_time_and_no_longer(elapsed: int, length: int) -> None:
    """Also when it claims more than a working day, and when the clock went back behind the time it was given."""
    given_at = NOW - elapsed
    stated = purpose(given_at=given_at, until=given_at + length)

    answer = may(viewer(Role.ENGINEER, Region.CHINA), Right.RECORDS, Region.CHINA, stated, now=NOW)

    holds = 0 <= elapsed < min(length, MOST_PURPOSE_MILLISECONDS)
    assert (None if holds else Refusal.PURPOSE_OVER) is reason_of(answer)


def test_every_refusal_says_what_it_means() -> None:
    assert all(reason.meaning.endswith(".") for reason in Refusal)
    assert {Refusal.PURPOSE_MISSING, Refusal.PURPOSE_OVER} == {reason for reason in Refusal if reason.by_purpose}


def test_a_role_that_is_not_in_the_table_may_nothing() -> None:
    """So a role added to the enumeration alone opens no page."""
    assert set(Role) == set(TABLE)
    assert all(grant.aim in {None, PURPOSE, OWNERS_RIGHTS} for row in TABLE.values() for grant in row.values())


def test_nobody_but_may_makes_an_allowed() -> None:
    """Neither by its name nor by changing another's copy."""
    root = Path(collector.__file__).parent
    makers = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Allowed"
    }

    assert makers == {"access/nouns.py"}


def test_what_they_hold_is_in_no_repr() -> None:
    """A traceback or a log line names nobody and no ticket."""
    answer = may(viewer(Role.ENGINEER, Region.CHINA), Right.RECORDS, Region.CHINA, purpose(), now=NOW)

    assert "<Allowed>" == repr(answer)
    assert "INC" not in repr(purpose())
    assert "ada" not in repr(answer.viewer)
