"""The file of accounts: whole at every moment, for nobody else, and obeyed at once."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from collector.access.accounts import NAME, Account, Accounts, Book, new_stamp
from collector.access.nouns import Role
from collector.errors import DataFault
from collector.model import Region


def account(name: str = "ada", **said: object) -> Account:
    made = Account(name=name, role=Role.ENGINEER, regions=(Region.GERMANY,), password="$hash", stamp="1")
    return msgspec.structs.replace(made, **said)


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    return Accounts(tmp_path / "private" / "accounts.json")


def test_there_are_none_as_long_as_there_is_no_file(accounts: Accounts) -> None:
    assert Book() == accounts.book()
    assert not accounts.path.parent.exists()


def test_a_running_console_sees_a_change_at_once(accounts: Accounts) -> None:
    """It holds what it read as long as the file is the same one."""
    running = Accounts(accounts.path)
    assert None is running.book().get("ada")

    accounts.change(lambda book: book.having(account()))

    assert account() == running.book().get("ada")
    assert running.book() is running.book()
    accounts.change(lambda book: book.having(account(locked=True)).having(account("bob")))
    assert ["ada", "bob"] == [one.name for one in running.book().accounts]
    accounts.change(lambda book: book.without("ada"))
    assert None is running.book().get("ada")


def test_the_file_is_for_nobody_else(accounts: Accounts) -> None:
    accounts.change(lambda book: book.having(account()))
    assert 0o600 == accounts.path.stat().st_mode & 0o777
    accounts.path.chmod(0o640)

    with pytest.raises(DataFault, match="found mode 640, expected 600"):
        Accounts(accounts.path).book()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"version":2}',
        b"\xff",
        b'{"accounts":[{"name":"x","role":"root","regions":[],"password":"","stamp":""}]}',
        b'{"accounts":[{"name":"x","role":"terminal","regions":[],"password":"","stamp":""}]}',
    ],
)
def test_what_is_no_file_of_accounts_lets_nobody_in(text: bytes, accounts: Accounts) -> None:
    """Among them one with a role that no account can have."""
    accounts.change(lambda book: book)
    accounts.path.write_bytes(text)

    with pytest.raises(DataFault, match=r"accounts\.json: found"):
        Accounts(accounts.path).book()


def test_a_change_that_fails_changes_nothing(accounts: Accounts) -> None:
    accounts.change(lambda book: book.having(account()))
    before = accounts.path.read_bytes()

    def fails(_: Book) -> Book:
        raise KeyError

    with pytest.raises(KeyError):
        accounts.change(fails)

    assert before == accounts.path.read_bytes()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DataFault, match="Make its folder one that you can write to"):
        Accounts(tmp_path / "file" / "accounts.json").change(lambda book: book)


def test_a_hash_is_made_anew_only_for_the_password_it_is_of(accounts: Accounts) -> None:
    """One that was changed meanwhile stays."""
    accounts.change(lambda book: book.having(account(stamp="2", password="$new")))

    accounts.rehash(account(), "$old-password-again")
    accounts.rehash(account(stamp="2"), "$better")

    assert account(stamp="2", password="$better") == accounts.book().get("ada")


ADDER = """
import sys
from pathlib import Path
from collector.access.accounts import Account, Accounts
from collector.access.nouns import Role

for number in range(15):
    made = Account(name=f"{sys.argv[2]}{number}", role=Role.AUDITOR, regions=(), password="", stamp="")
    Accounts(Path(sys.argv[1])).change(lambda book: book.having(made))
"""


def test_two_commands_at_once_lose_neither_account(accounts: Accounts) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", ADDER, accounts.path, name]) for name in ("a", "b")]

    assert [0, 0] == [process.wait(60) for process in processes]
    assert 30 == len(accounts.book().accounts)
    assert ["accounts.json", "accounts.json.lock"] == sorted(path.name for path in accounts.path.parent.iterdir())


def test_names_and_stamps() -> None:
    assert all(NAME.fullmatch(name) for name in ("ada", "a", "ada.l@x-y_z", "0"))
    assert not any(NAME.fullmatch(name) for name in ("", "Ada", "-a", ".a", "a b", "a\n", "a" * 65, "ä"))
    assert new_stamp() != new_stamp()
