"""What people do to commands: they type what was not meant, close pipes, and may not read what is there."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from collector.cli import main, ueip
from collector.cli.setup import make_installation
from collector.errors import Cause, StoreUnavailable

UEIP = [sys.executable, "-c", "from collector.cli import main; main()"]


def piped_to_nobody(words: Sequence[str], stream: str, folder: Path) -> tuple[str, int]:
    """What the command says, and its exit code; *stream* goes into a pipe whose reader has gone, as `head` has."""
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writer}
    with subprocess.Popen(
        [*UEIP, *words], cwd=folder, stdout=streams["stdout"], stderr=streams["stderr"], text=True
    ) as process:
        os.close(writer)
        said = "".join(filter(None, process.communicate()))
    return said, process.returncode


@pytest.mark.parametrize(
    "words",
    [("explain-rule",), ("explain-rule", "--json"), ("explain-rule", "wifi_crowded"), ("user", "list", "--json")],
    ids=" ".join,
)
def test_a_reader_who_leaves_early_is_no_fault(words: Sequence[str], tmp_path: Path) -> None:
    """Neither words on standard error nor the exit code that says no."""
    make_installation(tmp_path / ".ueip")

    assert ("", 0) == piped_to_nobody(words, "stdout", tmp_path)


@pytest.mark.parametrize(
    ("words", "code"), [(("explain-rule", "nothing"), 1), (("find", "ZTE1024300012"), 2)], ids=["no", "no settings"]
)
def test_a_reader_of_what_is_said_who_leaves_changes_no_exit_code(
    words: Sequence[str], code: int, tmp_path: Path
) -> None:
    """What was found or done is told by the code all the same."""
    assert ("", code) == piped_to_nobody(words, "stderr", tmp_path)


@pytest.mark.parametrize("rule", ["[/]", "[bold]", "[/red]"])
def test_what_was_typed_is_said_as_it_was(rule: str) -> None:
    """Not taken for marks of how to print it."""
    result = CliRunner().invoke(ueip, ["explain-rule", rule])

    assert (1, True) == (result.exit_code, repr(rule) in result.stderr)


def test_a_folder_with_brackets_is_called_by_its_name(tmp_path: Path) -> None:
    """`[old]` is a name like any other."""
    result = CliRunner().invoke(ueip, ["init", str(tmp_path / "[old]")])

    assert (0, True) == (result.exit_code, f"made {tmp_path}/[old]/keys/china.key" in result.stderr)


@pytest.mark.parametrize("hours", ["nan", "inf", "-1", "x"])
@pytest.mark.parametrize(
    "words", [("find", "ZTE1024300012", "--hours"), ("up", "--interval"), ("simulate", "--interval")], ids=" ".join
)
def test_a_number_that_is_none_is_a_fault_of_usage(words: Sequence[str], hours: str) -> None:
    """Told before anything is begun."""
    result = CliRunner().invoke(ueip, [*words, hours])

    assert (2, True) == (result.exit_code, f"Invalid value for '{words[-1]}'" in result.stderr)


def test_a_key_without_a_certificate_is_a_fault_of_usage(tmp_path: Path) -> None:
    """It would go unused, and the fleet speak without TLS."""
    key = tmp_path / "mine.key"
    key.write_text("")
    result = CliRunner().invoke(ueip, ["simulate", "--key-file", str(key)])

    assert (2, True) == (result.exit_code, "give --cert-file too" in result.stderr)


def test_as_many_hours_as_can_be_written_are_all_there_were(tmp_path: Path) -> None:
    """There is no record of before 1970."""
    make_installation(tmp_path)
    settings = ("-c", str(tmp_path / "collector.toml"))
    CliRunner().invoke(ueip, ["exit", "ZTE1024300012", "--country", "DE", *settings], catch_exceptions=False)

    words = ["find", "ZTE1024300012", "--hours", "1e300", *settings]

    assert 0 == CliRunner().invoke(ueip, words, catch_exceptions=False).exit_code


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be nobody for a while, if we are root: root may read anything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_that_may_not_be_looked_into_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `.ueip` of somebody else is."""
    (tmp_path / ".ueip").mkdir(mode=0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ueip", "find", "ZTE1024300012"])

    with without_privileges(), pytest.raises(SystemExit) as ended:
        main()

    assert (2, "ueip: .ueip/collector.toml: Permission denied\n") == (ended.value.code, capsys.readouterr().err)


def test_a_file_where_a_folder_is_wanted_is_a_sentence(tmp_path: Path) -> None:
    """Of the broker of `ueip up`, for one."""
    make_installation(tmp_path)
    (tmp_path / "broker").write_text("")

    ended = subprocess.run(
        [*UEIP, "up", "--folder", str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )

    assert (2, f"ueip: {tmp_path}/broker: File exists") == (ended.returncode, ended.stderr.splitlines()[-1])


def test_a_terminal_without_the_characters_shows_others(tmp_path: Path) -> None:
    """One of Latin 1 has no ellipsis."""
    make_installation(tmp_path)
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    words = [*UEIP, "exit", "ZTE1024300012", "--country", "DE", "-c", str(tmp_path / "collector.toml")]
    subprocess.run(words, check=True, capture_output=True)
    words = [*UEIP, "find", "ZTE1024300012", "-c", str(tmp_path / "collector.toml")]

    shown = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    assert ("", 0) == (shown.stderr, shown.returncode)


@pytest.mark.parametrize(
    ("typed", "meant"), [("explian", "explain"), ("check_config", "check-config"), ("fnid", "find")]
)
def test_a_command_that_is_mistyped_is_told_what_it_is_like(typed: str, meant: str) -> None:
    """They are imported when they are asked for, so click has no names to compare."""
    result = CliRunner().invoke(ueip, [typed])

    assert (2, True) == (result.exit_code, f"Did you mean '{meant}'?" in result.stderr)


@pytest.mark.parametrize("typed", ["xyzzy", "--hlep", ""])
def test_a_command_like_no_other_is_refused_without_advice(typed: str) -> None:
    """As click does it."""
    result = CliRunner().invoke(ueip, [typed])

    assert (2, True) == (result.exit_code, "Error: " in result.stderr)


@pytest.mark.parametrize("words", [("exit", "R1"), ("consent", "join", "R1"), ("registry", "add", "R1")])
def test_what_is_no_country_is_said_to_be_none(words: tuple[str, ...]) -> None:
    """And not what may be wrong with the country of a message."""
    result = CliRunner().invoke(ueip, [*words, "--country", "Germany"])

    assert 2 == result.exit_code
    assert "found 'Germany', expected two letters of ISO 3166-1, such as DE" in result.stderr


@pytest.mark.parametrize("since", ["0d", "10000d"])
def test_a_time_that_is_too_long_is_told_what_the_longest_is(since: str) -> None:
    """It is a number and a unit, so to ask for one says nothing."""
    result = CliRunner().invoke(ueip, ["fleet", "--since", since])

    assert 2 == result.exit_code
    assert f"found '{since}', expected 1 to 9999 followed by m, h or d, such as 90m, 12h or 7d" in result.stderr


PRESSED = {
    "at once": "raise KeyboardInterrupt",
    # As one does that builds what checks the settings while they are imported.
    "a library makes a fault of it": (
        "try: signal.raise_signal(signal.SIGINT)\n"
        "            except KeyboardInterrupt as error: raise ValueError('of a model') from error"
    ),
}


@pytest.mark.parametrize("pressed", PRESSED.values(), ids=PRESSED)
def test_ctrl_c_while_the_command_is_being_imported_is_no_traceback(pressed: str) -> None:
    """On a slow machine that is the first second."""
    interrupted = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored where tests run in the background
        "class Pressed:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'collector.config':\n"
        f"            {pressed}\n"
        "sys.meta_path.insert(0, Pressed())\n"
        "from collector.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", interrupted], capture_output=True, text=True, check=False)

    assert (130, "", "") == (done.returncode, done.stdout, done.stderr)
    assert 'ueip = "collector.__main__:main"' in (Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8")


def test_the_store_of_a_region_without_a_database_is_tidied_by_a_sentence(tmp_path: Path) -> None:
    """A region with a file needs no driver, and a deployment without one may ask for it all the same."""
    make_installation(tmp_path)
    without = "import sys; sys.modules['asyncpg'] = None; from collector.cli import main; main()"
    words = ["store", "tidy", "--region", "germany", "-c", str(tmp_path / "collector.toml")]
    done = subprocess.run([sys.executable, "-c", without, *words], capture_output=True, text=True, check=False)

    assert (2, "") == (done.returncode, done.stdout)
    assert "ueip: regions.germany: found no database, expected a section [regions.germany.postgresql]\n" == done.stderr


def test_of_a_store_that_is_away_it_is_said_why_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the log of the collector does: "disk I/O error" alone tells nobody of a full disk."""

    def away(**_: object) -> None:
        raise StoreUnavailable("the store of germany did not answer: disk I/O error", Cause.DISK_FULL)

    monkeypatch.setattr(ueip, "main", away)
    with pytest.raises(SystemExit) as ended:
        main()

    said = (
        "ueip: the store of germany did not answer: disk I/O error (disk full). Make room on the disk of the store.\n"
    )
    assert (3, said) == (ended.value.code, capsys.readouterr().err)
