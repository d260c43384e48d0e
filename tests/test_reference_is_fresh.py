"""What is generated from the code is what the code says now."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from support import ROOT

from collector.consent.policies import Policies
from collector.consent.policy_file import shipped_policies
from collector.fields.catalogue import Catalogue, load_catalogue
from collector.fields.compiled import Compiled
from collector.reference.__main__ import main
from collector.reference.artefacts import artefacts, stale
from collector.reference.schema import report_schema

MADE = artefacts()
SCHEMA = "schemas/report-v1.schema.json"


def test_every_artefact_is_known() -> None:
    """Whatever lies where made files lie is made."""
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "reference").glob("*.md")}
    found |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "schemas").glob("*.json")}

    assert found <= set(MADE)


@pytest.mark.parametrize("path", MADE)
def test_a_made_file_is_fresh(path: str) -> None:
    """Each file on disk is byte for byte what would be made now. If not: make docs."""
    assert (ROOT / path).is_file(), f"{path} is missing. Run: make docs"
    assert (ROOT / path).read_bytes() == MADE[path].encode(), f"{path} is stale. Run: make docs"


def test_making_twice_gives_the_same() -> None:
    """The same sources give the same bytes, and a file ends with one line break."""
    assert MADE == artefacts()
    assert [] == [path for path, text in MADE.items() if not text.endswith("\n") or text.endswith("\n\n")]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what pages are made from and of what is made."""
    for path in ("docs/firmware.md", *MADE):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output of the command."""
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def test_check_names_what_is_stale_and_writing_mends_it(checkout: Path) -> None:
    """`--check` changes nothing and exits with 1; without it the file is written anew."""
    write_all = run("--root", str(checkout))
    assert 0 == write_all[0]
    (checkout / SCHEMA).write_text("{}\n")
    (checkout / "docs/reference/metrics.md").unlink()

    code, said = run("--check", "--root", str(checkout))
    assert 1 == code
    assert f"stale: {SCHEMA}. Run: make docs" in said
    assert "stale: docs/reference/metrics.md. Run: make docs" in said
    assert "{}\n" == (checkout / SCHEMA).read_text()

    assert (0, f"written: {SCHEMA}\nwritten: docs/reference/metrics.md\n") == run("--root", str(checkout))
    assert (0, "") == run("--check", "--root", str(checkout))


def test_a_field_edited_in_the_page_is_stale(checkout: Path) -> None:
    """The tables within the guide are guarded as well as whole files are."""
    page = checkout / "docs" / "firmware.md"
    page.write_text(page.read_text("utf-8").replace("Received signal strength indicator.", "Loudness."), "utf-8")

    assert (1, "stale: docs/firmware.md. Run: make docs\n") == run("--check", "--root", str(checkout))


def test_a_fault_is_told_in_a_sentence(tmp_path: Path) -> None:
    """Outside a checkout there is nothing to make pages from."""
    code, said = run("--check", "--root", str(tmp_path))

    assert 1 == code
    assert "docs/examples/minimal.json: cannot be read" in said


def test_the_module_runs() -> None:
    """`python -m collector.reference --check` is what the checks of the project run."""
    done = subprocess.run([sys.executable, "-m", "collector.reference", "--check"], check=False, timeout=60)

    assert 0 == done.returncode


def with_field(catalogue: Catalogue) -> Catalogue:
    """The catalogue with one field more."""
    spare = next(f for f in catalogue.field if f.name == "signal_bars").model_copy(update={"name": "antenna_count"})
    return catalogue.model_copy(update={"field": (*catalogue.field, spare)})


def without_field(catalogue: Catalogue) -> Catalogue:
    """The catalogue with one field less."""
    return catalogue.model_copy(update={"field": tuple(f for f in catalogue.field if f.name != "rscp_dbm")})


def decodes(catalogue: Catalogue, payload: bytes) -> bool:
    """Whether the decoder of the message path, made from *catalogue*, takes the payload."""
    return Compiled(catalogue).decode(payload) is not None


def test_the_decoder_is_made_from_the_catalogue() -> None:
    """A field that is added is decoded, one that is taken away no longer is."""
    catalogue, more, less = load_catalogue(), b'{"signal": {"antenna_count": 3}}', b'{"signal": {"rscp_dbm": -80}}'

    assert (False, True) == (decodes(catalogue, more), decodes(with_field(catalogue), more))
    assert (True, False) == (decodes(catalogue, less), decodes(without_field(catalogue), less))


@pytest.mark.parametrize("change", [with_field, without_field])
def test_a_change_of_the_catalogue_makes_the_schema_and_the_pages_stale(
    change: Callable[[Catalogue], Catalogue], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever changes the catalogue is told what to make anew."""
    # A version of the notice names the new field already; without one the pages would not be made at all.
    first = shipped_policies().first
    named = replace(first, fields={**first.fields, "antenna_count": "keep"})
    monkeypatch.setattr("collector.rules.policies_of", lambda _: Policies([named]))
    changed = change(load_catalogue())
    made = artefacts(catalogue=changed)

    assert [SCHEMA, "docs/reference/fields.md", "docs/firmware.md"] == [p for p in made if made[p] != MADE[p]]
    assert SCHEMA in stale(made)
    assert report_schema(changed) != report_schema(load_catalogue())
