"""Every fault of an installation is told by one run, however many there are: none later, none twice, none made up."""

import json
import tomllib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.cli import ueip
from collector.cli.setup import make_installation
from collector.config import default_settings_path, read_settings
from collector.consent.policy_file import default_policies_path
from collector.errors import DataFault
from collector.rules import data_faults

Document = dict[str, Any]
Plant = Callable[[Path, Document], list[str]]
SOURCE = {"name": "homes", "topic": "homes/+", "format": "netjson", "router_level": 2}


def setting(where: str, value: Any, *told: str) -> Plant:
    """Another value; *told* is how what is said of it begins."""

    def plant(_: Path, document: Document) -> list[str]:
        *sections, name = where.split(".")
        section = document
        for one in sections:
            section = section.setdefault(one, {})
        section[name] = value
        return [f"CONFIG: {one}" for one in told]

    return plant


def no_country(_: Path, document: Document) -> list[str]:
    document["regions"]["blocked"] = ["UK", "DE", "Germany"]
    return ["CONFIG: regions.blocked.entry 3: found 'Germany'", "regions.blocked: found 'UK'"]


def a_notice_that_changes_nothing(folder: Path, document: Document) -> list[str]:
    """A version of the notice with a reason that it has no use for."""
    text = default_policies_path().read_text().replace('change = "first"', 'change = "first"\nreasons = ["M1"]', 1)
    (folder / "policies.toml").write_text(text)
    document["consent"]["policies"] = "policies.toml"
    return [f"{folder}/policies.toml: policy.entry '2020-03-14'.reasons: found ['M1']"]


def a_key_that_is_gone(folder: Path, _: Document) -> list[str]:
    (folder / "keys" / "china.key").unlink()
    return ["CONFIG: regions.china.key_files: "]


def a_key_for_everybody(folder: Path, _: Document) -> list[str]:
    (folder / "keys" / "germany.key").chmod(0o644)
    return ["CONFIG: regions.germany.key_files: "]


def a_folder_for_a_store(folder: Path, _: Document) -> list[str]:
    (folder / "data" / "germany.sqlite").mkdir()
    return ["regions.germany.store: "]


def a_file_for_a_spool(folder: Path, _: Document) -> list[str]:
    (folder / "spool" / "hong_kong").write_text("")
    return ["regions.hong_kong.spool: "]


def a_source(_: Path, document: Document) -> list[str]:
    document["sources"] = [
        {**SOURCE, "topic": "#", "time_zone": "Mars/Olympus", "interval_seconds": "often"},
        {**SOURCE, "flag": "ledger", "topic": "homes/#"},
    ]
    at = "CONFIG: sources.entry 'homes'"
    return [
        f"{at}.interval_seconds: found 'often'", f"{at}: topic: found '#'", f"{at}: time_zone: ",
        "CONFIG: sources: found 'homes' twice", "CONFIG: sources: found 'homes' and 'homes' with overlapping",
        "CONFIG: sources: found 'homes' resting", "CONFIG: sources: found 'homes' resting",
    ]  # fmt: skip


PLANTS: dict[str, Plant] = {
    "a port that is a text": setting("broker.port", "x", "broker.port: found 'x'"),
    "half a certificate": setting("broker.cert_file", "keys/hong_kong.key", "broker: cert_file and key_file: "),
    "a password that is gone": setting("broker.password_file", "gone", "broker.password_file: "),
    "records kept": setting("consent.on_exit", "keep", "consent: keep_reason: "),
    "a notice that is not strict nor lax": setting("consent.strict", "x", "consent.strict: found 'x'"),
    "a setting of another name": setting("consent.stricter", True, "consent.stricter: unknown"),
    "a setting that was taken away": setting("consent.policy_versions", ["1"], "consent: policy_versions: "),
    "no country": no_country,
    "kept too shortly": setting("regions.germany.retention_days", 3, "regions.germany.retention_days: "),
    "a region's unknown setting": setting("regions.germany.colour", "red", "regions.germany.colour: unknown"),
    "a region that there is not": setting("regions.mars", {"store": "m.db"}, "regions.mars: unknown"),
    "a depth of nothing": setting("limits.max_depth", 0, "limits.max_depth: "),
    "a console for everybody": setting("console.host", "0.0.0.0", "console: host: "),
    "a console's port": setting("console.port", -1, "console.port: "),
    "half a provider": setting(
        "console.oidc.enabled", True, *(f"console.oidc: {name}: " for name in ("issuer", "client_id", "public_url"))
    ),
    "an API without secrets": setting("api.enabled", True, "api: token_file: "),
    "an API's patience": setting("api.patience_seconds", 0, "api.patience_seconds: "),
    "a loud log": setting("log.level", "loud", "log.level: "),
    "a section of another name": setting("brokers", {"port": 1}, "brokers: unknown"),
    "a section that is none": setting("writer", 5, "writer: found 5"),
    "a notice": a_notice_that_changes_nothing,
    "a key that is gone": a_key_that_is_gone,
    "a key for everybody": a_key_for_everybody,
    "a folder for a store": a_folder_for_a_store,
    "a file for a spool": a_file_for_a_spool,
    "two sources": a_source,
}


def toml(document: Document) -> str:
    """The text of a document: JSON's words for plain values are TOML's too, and tables may stand in a line."""
    return "\n".join(f"{key} = {_inline(value)}" for key, value in document.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_inline(one)}" for key, one in value.items()) + "}"
    return f"[{', '.join(map(_inline, value))}]" if isinstance(value, list) else json.dumps(value)


def told(folder: Path, planted: set[str]) -> tuple[list[str], list[str]]:
    """How what is told of these faults has to begin, and what is told."""
    make_installation(folder)
    config = folder / "collector.toml"
    document = tomllib.loads(config.read_text())
    expected = [fault for name in sorted(planted) for fault in PLANTS[name](folder, document)]
    config.write_text(toml(document))
    done = CliRunner().invoke(ueip, ["check-config", "-c", str(config)])
    assert (done.exit_code == 0) is not bool(planted), done.output
    found = done.exception.faults if isinstance(done.exception, DataFault) else ()
    return expected, [fault.replace(str(config), "CONFIG") for fault in found]


@settings(max_examples=50)
@given(st.sets(st.sampled_from(sorted(PLANTS))))
def test_all_faults_of_an_installation_are_told_by_one_run(planted: set[str]) -> None:
    """Also those within a section of which something cannot be read, of tables, of the notice and of the stores."""
    with TemporaryDirectory() as folder:
        expected, found = told(Path(folder), planted)

    for beginning in expected:
        match = next((fault for fault in found if fault.startswith(beginning)), None)
        assert match is not None, (beginning, found)
        found.remove(match)
    assert found == []


JUNK = st.sampled_from([5, "x", "\0", True, [], [5], ["x"], [{}], {}, {"x": 5}, [{"name": 5, "topic": "x"}]])


@settings(max_examples=50)
@given(st.data())
def test_whatever_stands_in_a_configuration_is_told_in_sentences(data: st.DataObject) -> None:
    """In place of any settings, sections and lists: nothing that cannot be read is asked for."""
    document: Document = tomllib.loads(default_settings_path().read_text()) | {"sources": [SOURCE]}
    for _ in range(data.draw(st.integers(1, 4))):
        section = document
        while True:
            name = data.draw(st.sampled_from([*sorted(section), "more"]))
            if not isinstance(section.get(name), dict) or data.draw(st.booleans()):
                break
            section = section[name]
        section[name] = deepcopy(data.draw(JUNK))
    with TemporaryDirectory() as folder:
        make_installation(Path(folder))
        config = Path(folder) / "collector.toml"
        config.write_text(toml(document))
        found, faults = read_settings(config)
        again = data_faults(found)

    assert len({*faults, *again}) == len(faults) + len(again)


@pytest.mark.parametrize("name", sorted(PLANTS))
def test_each_fault_is_told_alone(name: str, tmp_path: Path) -> None:
    expected, found = told(tmp_path, {name})

    assert len(expected) == len(found)
