"""`config/rules.toml`: every fault of it is told at once, and what is shipped is in order."""

import re
from pathlib import Path

import pytest
from support import ROOT

from collector.diagnosis.judging import CODE, checked_rules, load_checked_rules
from collector.diagnosis.rules import Rules, load_rules
from collector.errors import DataFault

SHIPPED = (ROOT / "config" / "rules.toml").read_text("utf-8")


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    text = SHIPPED
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    path = folder / "rules.toml"
    path.write_text(text, "utf-8")
    return path


def faults(folder: Path, *changes: tuple[str, str]) -> tuple[str, ...]:
    with pytest.raises(DataFault) as caught:
        load_checked_rules(written(folder, *changes))
    return caught.value.faults


def test_every_rule_that_is_shipped_has_its_code_and_sources() -> None:
    """A threshold without a source is somebody's guess."""
    rules = checked_rules()

    assert set(CODE) == set(rules.all)
    assert all(len(threshold.source) > 7 for rule in rules.all.values() for threshold in rule.thresholds.values())


def test_the_rules_find_the_faults_the_program_is_for() -> None:
    """Each named by the notice, or by what an engineer is asked."""
    needed = {
        "signal_weak", "signal_interfered", "attach_refused", "registration_lost", "disconnects_frequent",
        "restarts_watchdog", "restarts_power", "restarts_thermal", "restarts_crash", "wifi_driver_errors",
        "wifi_short_range", "wifi_password_weak", "wifi_crowded", "wifi_badly_set", "data_limit_reached",
        "software_old", "battery_worn", "battery_long_charge", "acs_flapping", "abnormal_codes", "clock_wrong",
        "data_stopped",
    }  # fmt: skip

    assert needed <= set(checked_rules().all)


def test_a_field_that_no_record_has_is_a_fault(tmp_path: Path) -> None:
    """A rule looks at the catalogue and at nothing else."""
    [fault] = faults(tmp_path, ('"signal.rssi_dbm"]', '"signal.pci"]'))

    assert "rule.entry 'signal_weak'.fields: found 'signal.pci', expected group.name of a field" in fault


def test_a_rule_without_code_and_code_without_a_rule_are_told_together(tmp_path: Path) -> None:
    """One run shows all that is to be mended."""
    found = faults(tmp_path, ('id = "signal_weak"', 'id = "signal_feeble"'))

    assert any("'signal_feeble': found a rule without code" in fault for fault in found)
    assert any("'signal_weak': missing" in fault for fault in found)


def test_a_threshold_too_many_or_missing_is_a_fault(tmp_path: Path) -> None:
    """Named, with what was expected."""
    [fault] = faults(tmp_path, ("clean_sinr_db =", "clear_sinr_db ="))

    assert "rule.entry 'signal_weak'.thresholds: found clean_ecno_db, clear_sinr_db" in fault


def test_a_cause_listed_twice_is_a_fault(tmp_path: Path) -> None:
    """It can concern one thing only."""
    [fault] = faults(tmp_path, ("codes = [5, 6]", "codes = [5, 6, 7]"))

    assert "cause: found 7 more than once" in fault


def test_every_fault_of_form_is_told_at_once(tmp_path: Path) -> None:
    """With where it stands and what was found."""
    found = faults(
        tmp_path,
        ('severity = "major"', 'severity = "dreadful"'),
        ("value = -112", 'value = "low"'),
        ("version = 1", "version = 0"),
    )

    assert 3 == len(found)
    assert all(fault.startswith(str(tmp_path)) for fault in found)


def test_a_version_grows_when_thresholds_do() -> None:
    """Versions are whole numbers from 1; the file says when they grow."""
    assert re.search(r"version +grows with every change", SHIPPED)
    assert all(rule.version >= 1 for rule in load_rules().all.values())


def test_rules_say_what_a_cause_of_the_network_concerns() -> None:
    """For engineers, not for machines."""
    rules: Rules = load_rules()

    assert ("subscription", "authentication", None) == (rules.causes[7], rules.causes[20], rules.causes.get(22))
