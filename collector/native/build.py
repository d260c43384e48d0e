"""Compiles what is compiled when the package is installed; for hatchling, which does not import it from the package.

Rule 1: an installation never fails for it. Where there is no C compiler, or no header of Python, the collector is
        installed without, and does everything as with it, only slower.
Rule 2: a wheel leaves nothing among the sources, which may be read-only; an editable installation runs from there.
"""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path
from runpy import run_path
from typing import Any, Final

from Cython.Build import cythonize
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

_FOLDER: Final = Path("collector", "native")


class NativeHook(BuildHookInterface[Any]):
    """What hatchling asks before it makes a wheel."""

    PLUGIN_NAME = "custom"

    _scratch: "tempfile.TemporaryDirectory[str] | None" = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and add what was made to the wheel."""
        if self.target_name != "wheel":
            return
        try:
            made = compiled(Path(self.root) if version == "editable" else self._copy())
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - see rule 1; compilers fail in many ways
            self.app.display_warning(f"installed without its compiled part, which makes it faster: {fault}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if version != "editable":
            build_data["force_include"] |= {str(path): str(_FOLDER / path.name) for path in made}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was only needed until the wheel was made."""
        if self._scratch is not None:
            self._scratch.cleanup()

    def _copy(self) -> Path:
        """A copy of the sources, as a root that may be written to."""
        self._scratch = tempfile.TemporaryDirectory()
        root = Path(self._scratch.name)
        shutil.copytree(
            Path(self.root, _FOLDER),
            root / _FOLDER,
            ignore=shutil.ignore_patterns("__pycache__"),
            copy_function=shutil.copyfile,
        )
        (root / _FOLDER.parent / "__init__.py").touch()
        (root / _FOLDER).chmod(0o700)
        return root


def compiled(root: Path) -> list[Path]:
    """The modules in `collector/native` under *root*, compiled where they stand, and the note of their sources."""
    folder = root / _FOLDER
    native = run_path(str(folder / "__init__.py"))
    note, suffix = native["note_in"](folder), build_ext(Distribution()).get_ext_filename("")
    sources = sorted(folder.glob("*.pyx"))
    made = [folder / f"{path.stem}{suffix}" for path in sources]
    if not (native["is_current"](folder) and all(path.exists() for path in made)):
        note.unlink(missing_ok=True)
        _compile(root, sources)
        note.write_text(native["sources_of"](folder))
    return [*made, note]


def _compile(root: Path, sources: list[Path]) -> None:
    modules = [Extension(".".join([*_FOLDER.parts, path.stem]), [str(path.relative_to(root))]) for path in sources]
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(root):
        command = build_ext(Distribution({"ext_modules": cythonize(modules, build_dir=scratch, quiet=True)}))
        command.build_temp = command.build_lib = scratch
        command.inplace = True
        command.ensure_finalized()
        command.run()


if __name__ == "__main__":
    print(*compiled(Path(sys.argv[1])), sep="\n")  # noqa: T201
