"""The gate: the only place that makes a `Consented`, and what it makes it of."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from notices import later, notice
from support import (
    RECEIVED_AT,
    ROOT,
    ROUTER,
    make_rules,
    message,
    minimal_document,
    reason_of,
    standard_rules,
)

from collector.consent.gate import GateRules, consent, event_time, flag_refusal, refusal
from collector.consent.standing import Standing, State
from collector.model import Consented, DropReason, Flag, Identity, Region, Report
from collector.pipeline import Rules

PACKAGE = ROOT / "collector"
HOUR = 3_600_000
RULES = GateRules(
    policies=notice(later("2026-01", "minor", at=RECEIVED_AT - 24 * HOUR)),
    mode="flag",
    max_age=168 * HOUR,
    max_ahead=300_000,
)
IDENTITY = Identity(device_ref=b"d" * 16, key_id="k")


def report(**changes: Any) -> Report:
    """A decoded report that the gate lets through, but for these changes."""
    found = standard_rules().reports.decode(message(minimal_document()), ROUTER)
    assert isinstance(found, Report)
    return msgspec.structs.replace(found, **changes)


def standing(state: State = State.JOINED, **changes: Any) -> Standing:
    """What a ledger says of the router: joined for Germany a day ago, but for these changes."""
    joined = Standing(
        device_ref=IDENTITY.device_ref,
        key_id="k",
        state=state,
        seq=1,
        consent_id="c",
        generation=1,
        effective_at=RECEIVED_AT - 24 * HOUR,
        policy_version="2026-01",
        storage_regions=("germany",),
    )
    return msgspec.structs.replace(joined, **changes)


def asked(found: Report, closed: State | None = None, **changes: Any) -> Consented | DropReason:
    """What the gate says of a report on its way to Germany, with these changes of its rules."""
    rules = msgspec.structs.replace(RULES, **changes)
    return consent(found, message(), Region.GERMANY, IDENTITY, closed, rules)


# ---------------------------------------------------------------------------------------------------------- it alone


def _makers_of_consented(path: Path) -> list[str]:
    """Where a module builds a `Consented` or gives it another name."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="Consented") | ast.Attribute(attr="Consented")):
                found.append(f"{path.name}:{node.lineno} builds one")
            case ast.alias(name="Consented", asname=str()):
                found.append(f"{path.name}: renames it")
            case ast.Assign(value=ast.Name(id="Consented") | ast.Attribute(attr="Consented")):
                found.append(f"{path.name}:{node.lineno} renames it")
            case ast.ClassDef(bases=[ast.Name(id="Consented"), *_]):
                found.append(f"{path.name}:{node.lineno} derives from it")
    return found


def test_only_the_gate_builds_a_consented() -> None:
    """`Consented(` stands in one module of the package, in one place, and nothing gives it another name."""
    texts = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
    found = {name: len(re.findall(r"(?<!class )\bConsented\s*\(", text)) for name, text in texts.items()}
    makers = {path.relative_to(ROOT).as_posix(): _makers_of_consented(path) for path in PACKAGE.rglob("*.py")}

    assert {"collector/consent/gate.py": 1} == {name: count for name, count in found.items() if count}
    assert {"collector/consent/gate.py": 1} == {name: len(told) for name, told in makers.items() if told}


def test_forgetting_the_gate_is_a_type_error(tmp_path: Path) -> None:
    """A bare report does not fit into what builds records; a consented one does."""
    snippet = tmp_path / "forgetful.py"
    snippet.write_text(
        "from collector.model import Consented, Record, Report\n"
        "from collector.pipeline import Rules, build_record\n\n\n"
        "def forgetful(report: Report, rules: Rules) -> Record:\n"
        "    return build_record(report, rules)\n\n\n"
        "def careful(consented: Consented, rules: Rules) -> Record:\n"
        "    return build_record(consented, rules)\n"
    )

    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(snippet)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    (error,) = [line for line in told.stdout.splitlines() if "error:" in line]
    assert 'forgetful.py:6: error: Argument 1 to "build_record" has incompatible type "Report"' in error
    assert 'expected "Consented"' in error


def test_no_setting_of_the_gate_opens_it_without_a_yes() -> None:
    """What the gate goes by has versions and times, and a switch for formats without a flag alone."""
    assert ("policies", "mode", "max_age", "max_ahead", "by_ledger") == GateRules.__struct_fields__
    for flag in set(Flag) - {Flag.YES, Flag.NONE}:
        assert isinstance(asked(report(flag=flag), None, by_ledger=True), DropReason)
    assert asked(report(flag=Flag.NONE), None) is DropReason.FLAG_ABSENT
    assert isinstance(asked(report(flag=Flag.NONE), None, by_ledger=True), Consented)


# ---------------------------------------------------------------------------------------------------------- its answer


def test_a_plain_yes_passes() -> None:
    """The control: flag, policy, time and standing are in order."""
    found = report()
    passed = asked(found)

    assert isinstance(passed, Consented)
    assert (found, Region.GERMANY, IDENTITY) == (passed.report, passed.region, passed.identity)
    assert (RECEIVED_AT - 30_000, RECEIVED_AT, None) == (
        passed.event_time,
        passed.received_at,
        passed.policy_version,
    )


@pytest.mark.parametrize(
    ("flag", "reason"),
    [(Flag.NO, "flag_false"), (Flag.ABSENT, "flag_absent"), (Flag.INVALID, "flag_invalid")],
)
def test_the_gate_asks_for_the_flag_itself(flag: Flag, reason: str) -> None:
    """Though the pipeline asked before, with a standing that joined, the gate takes nobody's word."""
    assert reason == flag_refusal(report(flag=flag)) == asked(report(flag=flag))
    assert flag_refusal(report()) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"policy_version": "2019"}, "policy_outdated"),
        ({"policy_version": ""}, "policy_outdated"),
        ({"time": None}, "clock_invalid"),
        ({"time": RECEIVED_AT + 300_001}, "future"),
        ({"time": RECEIVED_AT - 168 * HOUR - 1}, "too_old"),
        ({"time": 0}, "too_old"),
        ({"time": None, "age": 168 * HOUR + 1}, "too_old"),
    ],
    ids=str,
)
def test_what_is_not_in_order_does_not_pass(changes: dict[str, Any], reason: str) -> None:
    """Each by itself is enough."""
    assert reason == asked(report(**changes))


@pytest.mark.parametrize("policy", ["2020-03-14", "2026-01", None])
def test_the_policy_version_a_router_declares_is_noted(policy: str | None) -> None:
    """None if it declares none: which version its owner agreed to is the ledger's to say."""
    passed = asked(report(policy_version=policy))

    assert isinstance(passed, Consented)
    assert policy == passed.policy_version


@pytest.mark.parametrize(("seconds", "reason"), [(-1, None), (0, "policy_outdated"), (1, "policy_outdated")])
def test_a_declared_version_that_was_closed_is_refused_by_the_time_of_receipt(seconds: int, reason: str | None) -> None:
    """Not by the time of measurement: receipt is the act of collecting."""
    closed_at = RECEIVED_AT - seconds * 1000
    rules = msgspec.structs.replace(RULES, policies=notice(later(at=closed_at)))
    old, new, silent = (
        consent(report(policy_version=declared), message(), Region.GERMANY, IDENTITY, None, rules)
        for declared in ("2020-03-14", "v2", None)
    )

    assert reason == (old if isinstance(old, DropReason) else None)
    assert [Consented, Consented] == [type(new), type(silent)]


# ---------------------------------------------------------------------------------------------------------- the ledger


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.EXITED, "withdrawn"),
        (State.CLOSED, "withdrawn"),
        (State.OUTDATED, "policy_outdated"),
        (State.RESTRICTED, "restricted"),
        (State.EXITED_RESTRICTED, "withdrawn"),
        (State.VOID, "void"),
    ],
)
def test_only_joined_admits_data(state: State, reason: str) -> None:
    """A flag does not open what the ledger has closed (D2, K19)."""
    assert reason == refusal(standing(state), Region.GERMANY, RECEIVED_AT) == asked(report(), state)


def test_every_state_but_joined_refuses() -> None:
    """One that is added later does too, or has no reason to give."""
    for state in State:
        refused = refusal(standing(state), Region.GERMANY, RECEIVED_AT)

        assert (refused is None) is (state is State.JOINED)
        assert refused is not DropReason.INTERNAL_ERROR


def test_a_consent_holds_for_the_regions_it_names() -> None:
    """The text named where the data goes (3.2, step 5)."""
    assert "region_not_consented" == refusal(standing(storage_regions=("hong_kong",)), Region.GERMANY, RECEIVED_AT)
    assert "region_not_consented" == refusal(standing(storage_regions=()), Region.GERMANY, RECEIVED_AT)
    assert refusal(standing(storage_regions=("china", "germany")), Region.GERMANY, RECEIVED_AT) is None


def test_nothing_from_before_the_join_passes() -> None:
    """To the millisecond (G7, K06)."""
    joined = standing().effective_at

    assert refusal(standing(), Region.GERMANY, joined) is None
    assert "before_consent" == refusal(standing(), Region.GERMANY, joined - 1)


def test_what_is_remembered_of_the_ledger_saves_the_work() -> None:
    """A router known as closed is dropped on receipt; another one is settled by the commit."""
    rules = make_rules()
    closed = rules.pseudonyms[Region.GERMANY].identity(ROUTER).device_ref
    rules.closed[Region.GERMANY].learn({closed: State.EXITED})

    assert "withdrawn" == reason_of(rules=rules)
    assert "accepted" == reason_of(rules=rules, router="ANOTHER")
    assert "accepted" == reason_of(minimal_document(country="CN"), rules)

    rules.closed[Region.GERMANY].learn({closed: State.JOINED})
    assert "accepted" == reason_of(rules=rules)


# ------------------------------------------------------------------------------------------------------------ the time


@pytest.mark.parametrize(
    ("time", "age", "expected"),
    [
        (RECEIVED_AT, None, RECEIVED_AT),
        (RECEIVED_AT, 5, RECEIVED_AT),
        (RECEIVED_AT + 300_000, None, RECEIVED_AT + 300_000),
        (RECEIVED_AT - 168 * HOUR, None, RECEIVED_AT - 168 * HOUR),
        (None, 0, RECEIVED_AT),
        (None, HOUR, RECEIVED_AT - HOUR),
        (0, HOUR, RECEIVED_AT - HOUR),
        (-1, HOUR, RECEIVED_AT - HOUR),
        (RECEIVED_AT + 300_001, HOUR, RECEIVED_AT - HOUR),
        (0, 168 * HOUR + 1, DropReason.TOO_OLD),
        (RECEIVED_AT + 300_001, 168 * HOUR + 1, DropReason.TOO_OLD),
        (None, None, DropReason.CLOCK_INVALID),
        (0, None, DropReason.TOO_OLD),
        (RECEIVED_AT + 300_001, None, DropReason.FUTURE),
    ],
)
def test_the_time_of_a_measurement(time: int | None, age: int | None, expected: int | DropReason) -> None:
    """What the router's clock says, else what its uptimes say; never the receipt to make a message pass (K08)."""
    assert expected == event_time(report(time=time, age=age), RECEIVED_AT, RULES)


def test_the_gate_of_settings_is_the_gate_of_the_record() -> None:
    """Times in hours and seconds in the settings are milliseconds here."""
    rules: Rules = make_rules(limits={"max_age_hours": 2.5, "max_ahead_seconds": 1.5})

    assert (9_000_000, 1500) == (rules.gate.max_age, rules.gate.max_ahead)
