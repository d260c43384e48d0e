"""What the commands share: finding the configuration, and a terminal for people."""

import math
import os
import re
import shutil
import sys
from pathlib import Path
from typing import IO, Any, Final

import click
from rich.console import Console
from rich.text import Text

from collector.config import Settings, load_settings
from collector.errors import CollectorError
from collector.model import DropReason

FOLDER: Final = Path(".ueip")
CANDIDATES: Final = (Path("collector.toml"), FOLDER / "collector.toml")

_UNITS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}

config_option: Final = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="UEIP_CONFIG",
    show_envvar=True,
    help="Configuration file; if not given, ./collector.toml or else ./.ueip/collector.toml.",
)


class Number(click.FloatRange):
    """A number within a range; `inf` and `nan` are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number that *value* says."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"found {value!r}, expected a number", param, ctx)
        return number


class Duration(click.ParamType[int]):
    """A time span as people write it: 90m, 12h, 7d; in milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The milliseconds that *value* says."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]{1,4})([mhd])", str(value))
        if match is None or not int(match[1]):
            self.fail(f"found {value!r}, expected 1 to 9999 followed by m, h or d, such as 90m, 12h or 7d", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


def why_no_region(refusal: DropReason) -> str:
    """Why a country that somebody typed has no region; what drop reasons mean is said of messages."""
    if refusal is DropReason.REGION_UNKNOWN:
        return "Expected a country code that ISO 3166-1 assigns, such as DE."
    return refusal.meaning


class Country(click.ParamType[str]):
    """A country by its two letters."""

    name = "country"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The letters, in capitals."""
        letters = str(value).upper()
        if re.fullmatch("[A-Z]{2}", letters) is None:
            self.fail(f"found {value!r}, expected two letters of ISO 3166-1, such as DE", param, ctx)
        return letters


class _Terminal(Console):
    """When the reader closes the pipe, as `head` does, the command goes on, and its exit code stays its own."""

    def on_broken_pipe(self) -> None:
        """Discard whatever is still printed."""
        _silence(self.file)


def _silence(stream: IO[str]) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def out() -> Console:
    """The console for what the user asked for: standard output, coloured and wrapped only at a terminal."""
    console = _Terminal(highlight=False, soft_wrap=False)
    # Piped output is for programs: no wrapping at a width nobody has.
    return console if console.is_terminal else _Terminal(highlight=False, width=200, color_system=None)


def say(text: str | Text = "", **style: Any) -> None:
    """Say on standard error what is going on. The text may quote what somebody typed, so nothing in it is markup."""
    _Terminal(stderr=True, highlight=False, emoji=False, markup=False).print(text, soft_wrap=True, **style)


def write(text: str, *, to: IO[str] | None = None) -> None:
    """Write text for programs: as it is, on standard output."""
    stream = to or sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _silence(stream)


def command_name() -> str:
    """How this command is called here: `ueip`, or its path when it is not on the PATH."""
    called = Path(sys.argv[0])
    if shutil.which("ueip") is not None or called.name != "ueip":
        return "ueip"
    return str(called.relative_to(Path.cwd()) if called.is_relative_to(Path.cwd()) else called)


def usual_path() -> Path | None:
    """The configuration file that a command takes when none is given, if there is one."""
    return next((path for path in CANDIDATES if path.is_file()), None)


def settings_path(given: Path | None) -> Path:
    """The configuration file to use.

    Raises:
        CollectorError: none was given and none is in its usual place.
    """
    if given is not None:
        return given
    found = usual_path()
    if found is None:
        places = " nor ".join(f"./{path}" for path in CANDIDATES)
        raise CollectorError(
            f"no configuration: found neither {places}. Make one with: {command_name()} init "
            f"(or try everything with: {command_name()} up --demo)"
        )
    return found


def settings_of(given: Path | None) -> Settings:
    """The settings to use, checked.

    Raises:
        DataFault: they have faults.
    """
    return load_settings(settings_path(given))
