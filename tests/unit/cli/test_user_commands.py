"""`ueip user`: accounts, and that whoever changes them is written down."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from collector.access.accounts import Accounts
from collector.access.nouns import Role
from collector.cli import ueip
from collector.cli.setup import make_installation
from collector.cli.user import NoSuchAccount
from collector.config import load_settings
from collector.errors import AuditUnavailable, DataFault
from collector.model import Region

PASSWORD = "correct horse battery"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    make_installation(tmp_path / "site")
    return tmp_path / "site"


def run(site: Path, *words: str, code: int = 0, typed: str = "") -> tuple[str, str]:
    done = CliRunner().invoke(ueip, ["user", *words, "-c", str(site / "collector.toml")], input=typed)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def add(site: Path, name: str = "ada", *words: str, code: int = 0, password: str = PASSWORD) -> tuple[str, str]:
    options = words or ("--role", "engineer", "--region", "germany")
    return run(site, "add", name, *options, "--password-stdin", code=code, typed=f"{password}\n")


def accounts(site: Path) -> Accounts:
    return Accounts(load_settings(site / "collector.toml").accounts_file)


def logged(site: Path) -> list[dict[str, Any]]:
    done = CliRunner().invoke(ueip, ["audit", "show", "--log", "console", "--json", "-c", str(site / "collector.toml")])
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    return [entry for entry in entries if entry["what"].startswith("account")]


def test_an_account_is_added_with_a_role_and_regions(site: Path) -> None:
    """Its password from standard input; what is kept is a hash."""
    add(site, "Ada", "--role", "engineer", "--region", "germany", "--region", "china")

    (made,) = accounts(site).book().accounts
    assert ("ada", Role.ENGINEER, (Region.CHINA, Region.GERMANY)) == (made.name, made.role, made.regions)
    assert made.password.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD not in accounts(site).path.read_text()
    assert 0o600 == accounts(site).path.stat().st_mode & 0o777


def test_a_password_is_asked_for_twice_at_a_terminal(site: Path) -> None:
    out, err = run(site, "add", "ada", "--role", "operator", typed=f"{PASSWORD}\n{PASSWORD}\n")

    assert PASSWORD not in out + err
    assert "ada" == accounts(site).book().accounts[0].name


def test_a_password_is_no_argument(site: Path) -> None:
    """It would stand in the list of processes and in the shell's history."""
    assert "No such option" in run(site, "add", "ada", "--role", "operator", "--password", PASSWORD, code=2)[1]


@pytest.mark.parametrize(
    ("name", "words", "password", "told"),
    [
        ("a b", ("--role", "operator"), PASSWORD, "expected 1 to 64 of"),
        ("ada", ("--role", "engineer"), PASSWORD, "expected --region"),
        ("ada", ("--role", "terminal"), PASSWORD, "is not one of"),
        ("ada", ("--role", "operator"), "too short", "found 9 characters, expected 15"),
    ],
)
def test_what_is_no_account_is_told(name: str, words: tuple[str, ...], password: str, told: str, site: Path) -> None:
    assert told in add(site, name, *words, code=2, password=password)[1]
    assert not accounts(site).path.exists()


def test_there_is_one_account_of_a_name(site: Path) -> None:
    add(site)

    assert "there is an account of that name" in add(site, "ADA", code=2)[1]


def test_accounts_are_listed_without_what_is_secret(site: Path) -> None:
    add(site)
    add(site, "bob", "--role", "operator")
    run(site, "lock", "bob")

    text = run(site, "list")[0]
    found = json.loads(run(site, "list", "--json")[0])

    assert [("ada", ["germany"], False), ("bob", [], True)] == [(a["name"], a["regions"], a["locked"]) for a in found]
    assert {"name", "role", "regions", "locked"} == set(found[0])
    assert "argon2" not in text
    assert "locked" in text


@pytest.mark.parametrize(
    "words",
    [
        ("lock", "ada"),
        ("unlock", "ada"),
        ("change", "ada", "--role", "auditor"),
        ("password", "ada", "--password-stdin"),
    ],
)
def test_every_change_ends_the_sessions_of_an_account(words: tuple[str, ...], site: Path) -> None:
    """Its stamp is another one then."""
    add(site)
    before = accounts(site).book().accounts[0]

    run(site, *words, typed="another horse battery\n")

    after = accounts(site).book().accounts[0]
    assert before.stamp != after.stamp
    assert (words[0] == "lock", words[0] == "change") == (after.locked, after.role is Role.AUDITOR)
    assert (words[0] == "password") == (before.password != after.password)


def test_an_account_is_removed_and_somebody_of_a_provider_is_signed_out(site: Path) -> None:
    add(site)
    run(site, "remove", "ada")
    run(site, "sign-out", "somebody@example.com")

    assert () == accounts(site).book().accounts
    assert ["somebody@example.com"] == list(accounts(site).book().ended)


def test_signing_out_means_a_local_account_however_its_name_is_written(site: Path) -> None:
    """As with every other command; a provider's name is taken as it is."""
    add(site)
    run(site, "sign-out", "ADA")

    assert {"ADA", "ada"} == set(accounts(site).book().ended)


@pytest.mark.parametrize("word", ["remove", "lock", "unlock", "password"])
def test_who_is_not_there_is_told(word: str, site: Path) -> None:
    with pytest.raises(NoSuchAccount, match="ueip user list"):
        run(site, word, "nobody", typed=f"{PASSWORD}\n{PASSWORD}\n")


def test_who_changed_whose_account_is_written_down(site: Path) -> None:
    add(site)
    run(site, "lock", "ada")
    run(site, "remove", "ada")

    entries = logged(site)

    assert [("account_added", "ada"), ("account_changed", "ada"), ("account_removed", "ada")] == [
        (entry["what"], entry["whom"]) for entry in entries
    ]
    assert {"terminal"} == {entry["source"] for entry in entries}


def test_what_cannot_be_written_down_is_not_done(site: Path) -> None:
    (site / "keys" / "console.audit").write_text("a file where the folder should be")

    with pytest.raises(AuditUnavailable):
        add(site)

    assert () == accounts(site).book().accounts


def test_the_command_runs_without_what_only_the_console_needs() -> None:
    """argon2, a provider's tokens and templates are an extra; the collector starts without them."""
    names = ("argon2", "joserfc", "httpx2", "jinja2")
    without = "; ".join(f"sys.modules['{name}'] = None" for name in names)

    program = f"import sys; {without}; import collector.service; from collector.cli import ueip; ueip(['--help'])"

    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode


def test_without_a_terminal_it_says_how_a_password_is_given(site: Path) -> None:
    """Rather than to give up without a word."""
    _, said = run(site, "add", "ada", "--role", "operator", code=2)

    assert "found no terminal to ask for the password at, expected --password-stdin" in said
    assert accounts(site).book().accounts == ()


def test_without_a_terminal_nothing_is_said_of_how_one_is_asked(site: Path) -> None:
    """Python's own warning names a line of its library."""
    words = ["user", "add", "ada", "--role", "operator", "-c", str(site / "collector.toml")]
    command = [sys.executable, "-m", "collector", *words]
    asked = subprocess.run(
        command, input=f"{PASSWORD}\n{PASSWORD}\n", capture_output=True, text=True, check=False, start_new_session=True
    )

    assert 2 == asked.returncode
    assert "Warning" not in asked.stderr
    assert "expected --password-stdin" in asked.stderr


def test_accounts_that_cannot_be_read_are_said_to_be_there(site: Path) -> None:
    """The file is not missing: it is to be restored, or moved away."""
    add(site)
    file = load_settings(site / "collector.toml").accounts_file
    file.write_text("{{")

    with pytest.raises(DataFault, match=r"cannot be read as accounts.* move it away and add"):
        run(site, "list")
    file.unlink()
    add(site, "eve")
    assert [one.name for one in accounts(site).book().accounts] == ["eve"]
