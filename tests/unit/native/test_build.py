"""What an installation is made of: with what is compiled where there is a compiler, else without."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support import ROOT

from collector import native
from collector.native import is_current, note_in, sources_of

pytest.importorskip("Cython", reason="what compiles is not here: pip install '.[test]'")

NATIVE = ("bodies", "one_pass", "shape")
"""What is compiled."""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The sources of the package, with nothing compiled among them."""
    copy = tmp_path / "sources"
    for folder in ("collector", "schemas", "config"):
        ignored = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, copy)
    return copy


def wheel(sources: Path, **environment: str) -> zipfile.ZipFile:
    """The wheel that pip makes of the sources."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    made = sources.parent / "wheels"
    done = subprocess.run(
        [*command, "--wheel-dir", made, sources],
        env={**os.environ, **environment}, cwd=sources.parent, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (found,) = made.glob("*.whl")
    return zipfile.ZipFile(found)


def files_in(folder: Path) -> set[Path]:
    """All files there, but for those that importing makes."""
    return {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def compiled_in(found: zipfile.ZipFile) -> set[str]:
    """The names of the compiled modules of a wheel."""
    return {Path(name).name.partition(".")[0] for name in found.namelist() if name.endswith((".so", ".pyd"))}


def says_of_itself(installed: Path) -> list[str]:
    """Whether a collector that is installed there is compiled, and where it is."""
    asked = "import collector, pathlib; from collector.formats.plain import IS_COMPILED as it; "
    asked += "print(it, pathlib.Path(collector.__file__).parent.parent)"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", asked]
    done = subprocess.run(command, env=environment, cwd=installed, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is here")
def test_a_wheel_has_what_is_compiled_and_works(sources: Path, tmp_path: Path) -> None:
    """For one Python on one platform, as its name says."""
    before = files_in(sources)
    with wheel(sources) as found:
        assert compiled_in(found) == set(NATIVE)
        assert before == files_in(sources), "found what was made on the way among the sources"
        assert "py3-none-any" not in Path(found.filename or "").name
        found.extractall(tmp_path / "installed")

    assert says_of_itself(tmp_path / "installed") == ["True", str(tmp_path / "installed")]


def test_without_a_compiler_a_wheel_is_made_all_the_same(sources: Path, tmp_path: Path) -> None:
    """Nothing of the collector depends on what is compiled but its speed. What others left there is not taken along."""
    for name in ("shape.cpython-313-darwin.so", "compiled.cpython-313-darwin.so.sha256"):
        (native_of(sources) / name).write_bytes(b"module")
    with wheel(sources, CC="/bin/false") as found:
        assert not any(name.endswith(".sha256") for name in found.namelist())
        assert compiled_in(found) == set()
        assert "py3-none-any" in Path(found.filename or "").name
        found.extractall(tmp_path / "installed")

    assert says_of_itself(tmp_path / "installed") == ["False", str(tmp_path / "installed")]


def test_an_image_compiles_its_own() -> None:
    """What was compiled on another system may need a newer C library than the image has."""
    ignored = (ROOT / ".dockerignore").read_text().split()

    assert {"**/*.so", "**/*.sha256", "build"} <= set(ignored)


def native_of(installed: Path) -> Path:
    """The folder of what is compiled."""
    return installed / "collector" / "native"


@pytest.mark.parametrize("spoil", ["source", "note", "module"])
@pytest.mark.skipif(not is_current(), reason="the compiled part is not here")
def test_what_was_compiled_from_other_sources_or_is_broken_is_not_used(spoil: str, tmp_path: Path) -> None:
    """A fault that was mended in the sources may still be in it."""
    shutil.copytree(ROOT / "collector", native_of(tmp_path).parent, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("schemas", "config"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    assert says_of_itself(tmp_path) == ["True", str(tmp_path)]
    match spoil:
        case "source":
            with (native_of(tmp_path) / "scan.pxd").open("a") as source:
                source.write("# mended")
        case "note":
            note_in(native_of(tmp_path)).unlink()
        case "module":
            for module in native_of(tmp_path).glob("bodies.*.so"):
                module.write_bytes(b"no module")

    assert says_of_itself(tmp_path) == ["False", str(tmp_path)]


def test_a_note_is_of_the_modules_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two interpreters of one version share a clone, from a Mac and from a container: each compiles its own modules."""
    note_in(tmp_path).write_text(sources_of(tmp_path))
    assert is_current(tmp_path)
    for suffix in (".cpython-311-darwin.so", ".cpython-313t-x86_64-linux-gnu.so"):
        monkeypatch.setattr(native, "EXTENSION_SUFFIXES", [suffix])
        assert not is_current(tmp_path), suffix


@pytest.mark.parametrize("note", [b"", b"\0" * 64, b"\xff" * 64])
def test_a_spoiled_note_is_none(note: bytes, tmp_path: Path) -> None:
    """A machine that lost its power may leave anything in a file; the collector starts without what is compiled."""
    note_in(tmp_path).write_bytes(note)

    assert not is_current(tmp_path)


def test_what_is_compiled_is_no_source(tmp_path: Path) -> None:
    """Nor on Windows, where it is called `.pyd`."""
    before = sources_of(tmp_path)
    for name in ("shape.cp311-win_amd64.pyd", "shape.cpython-311-x86_64-linux-gnu.so", "shape.pyi", "build.py"):
        (tmp_path / name).write_bytes(b"module")

    assert sources_of(tmp_path) == before


def test_the_note_is_of_every_source(tmp_path: Path) -> None:
    """A change in any makes another one."""
    for source in native_of(ROOT).glob("*.p[yx][xd]"):
        shutil.copy(source, tmp_path)
    before = sources_of(tmp_path)
    for source in tmp_path.iterdir():
        text = source.read_text()
        source.write_text(text + " ")
        assert sources_of(tmp_path) != before, source.name
        source.write_text(text)

    assert sources_of(tmp_path) == before
