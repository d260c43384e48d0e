"""`ueip user`: the local accounts of the console. A running console obeys from the next request on."""

import sys
import time
import warnings
from collections.abc import Callable
from getpass import GetPassWarning
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import orjson
from rich.table import Table

from collector.access.accounts import NAME, Account, Accounts, Book, new_stamp
from collector.access.entry import Event
from collector.access.nouns import ACCOUNT_ROLES, Role
from collector.auditing import at_terminal, audit_logs
from collector.cli.common import config_option, out, say, settings_of, write
from collector.config import Settings
from collector.errors import CollectorError, how_to_install
from collector.model import Region

_OF_NO_REGION: Final = frozenset({Role.OPERATOR})
stdin_option: Final = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of standard input, instead of asking."
)


class NoSuchAccount(CollectorError):
    """There is no account of that name."""


@click.group("user")
def user_group() -> None:
    """Say who may sign in to the console with a password, in which role, for which regions."""


@user_group.command("add")
@click.argument("name")
@config_option
@click.option("--role", type=click.Choice([role.value for role in ACCOUNT_ROLES]), required=True, help="Their role.")
@click.option(
    "--region",
    "regions",
    type=click.Choice([region.value for region in Region]),
    multiple=True,
    help="A region that they may see; may be given several times.",
)
@stdin_option
def add_command(name: str, config: Path | None, role: str, regions: tuple[str, ...], *, password_stdin: bool) -> None:
    """Add an account. The password is asked for, or read from standard input; it is never an argument."""
    settings, name = settings_of(config), name.lower()
    if not NAME.fullmatch(name):
        raise click.BadParameter("expected 1 to 64 of a-z 0-9 . _ @ -, a letter or digit first", param_hint="NAME")
    if not regions and Role(role) not in _OF_NO_REGION:
        raise click.UsageError(f"expected --region: role {role} sees only the regions given, and nothing without one")
    hashed = _hashed(_password(from_stdin=password_stdin), name, settings)
    made = Account(
        name=name,
        role=Role(role),
        regions=tuple(sorted({Region(region) for region in regions})),
        password=hashed,
        stamp=new_stamp(),
    )

    def added(book: Book) -> Book:
        if book.get(name) is not None:
            raise click.UsageError(f"{name}: there is an account of that name. Change that one, or choose another name")
        return book.having(made)

    _change(settings, Event.ACCOUNT_ADDED, name, added)
    say(f"{name}: added as {role}")


@user_group.command("list")
@config_option
@click.option("--json", "as_document", is_flag=True, help="JSON, for programs.")
def list_command(config: Path | None, *, as_document: bool) -> None:
    """List the accounts: name, role, regions, and whether they are locked."""
    found = Accounts(settings_of(config).accounts_file).book().accounts
    if as_document:
        documents = [_document(account) for account in found]
        write(orjson.dumps(documents, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    table = Table()
    for title in ("name", "role", "regions", "state"):
        table.add_column(title, overflow="fold")
    for account in found:
        table.add_row(account.name, account.role, ", ".join(account.regions), "locked" if account.locked else "active")
    out().print(table)


@user_group.command("remove")
@click.argument("name")
@config_option
def remove_command(name: str, config: Path | None) -> None:
    """Remove an account; its sessions end. What it did stays in the audit log."""
    settings, name = settings_of(config), name.lower()

    def removed(book: Book) -> Book:
        return book.without(_known(book, name).name)

    _change(settings, Event.ACCOUNT_REMOVED, name, removed)
    say(f"{name}: removed")


@user_group.command("password")
@click.argument("name")
@config_option
@stdin_option
def password_command(name: str, config: Path | None, *, password_stdin: bool) -> None:
    """Give an account a new password; its sessions end."""
    settings, name = settings_of(config), name.lower()
    _known(Accounts(settings.accounts_file).book(), name)
    _alter(settings, name, password=_hashed(_password(from_stdin=password_stdin), name, settings))
    say(f"{name}: has a new password")


@user_group.command("change")
@click.argument("name")
@config_option
@click.option("--role", type=click.Choice([role.value for role in ACCOUNT_ROLES]), help="The new role.")
@click.option(
    "--region",
    "regions",
    type=click.Choice([r.value for r in Region]),
    multiple=True,
    help="A region that they may see; give all of them.",
)
def change_command(name: str, config: Path | None, role: str | None, regions: tuple[str, ...]) -> None:
    """Give an account another role or other regions; its sessions end."""
    changes: dict[str, Any] = {"role": Role(role)} if role else {}
    if regions:
        changes["regions"] = tuple(sorted({Region(region) for region in regions}))
    if not changes:
        raise click.UsageError("expected --role or --region")
    _alter(settings_of(config), name.lower(), **changes)
    say(f"{name}: changed")


@user_group.command("lock")
@click.argument("name")
@config_option
def lock_command(name: str, config: Path | None) -> None:
    """Lock an account until it is unlocked; its sessions end."""
    _alter(settings_of(config), name.lower(), locked=True)
    say(f"{name}: locked")


@user_group.command("unlock")
@click.argument("name")
@config_option
def unlock_command(name: str, config: Path | None) -> None:
    """Unlock an account, and forgive its wrong passwords."""
    _alter(settings_of(config), name.lower(), locked=False)
    say(f"{name}: unlocked")


@user_group.command("sign-out")
@click.argument("name")
@config_option
def sign_out_command(name: str, config: Path | None) -> None:
    """End every session of NAME, also of somebody whom a provider signed in.

    They can sign in again; to prevent that, lock them at the provider, or here.
    """
    settings = settings_of(config)
    now = int(time.time() * 1000)

    def ended(book: Book) -> Book:
        # A provider's names may have capitals; a local account of that name has none.
        local = {name.lower()} if book.get(name.lower()) else set()
        return msgspec.structs.replace(book, ended={**book.ended, **dict.fromkeys({name, *local}, now)})

    _change(settings, Event.ACCOUNT_CHANGED, name, ended)
    say(f"{name}: signed out")


def _alter(settings: Settings, name: str, **changes: Any) -> None:
    def altered(book: Book) -> Book:
        return book.having(msgspec.structs.replace(_known(book, name), stamp=new_stamp(), **changes))

    _change(settings, Event.ACCOUNT_CHANGED, name, altered)


def _change(settings: Settings, event: Event, name: str, changed: Callable[[Book], Book]) -> None:
    """Change the accounts, but first write down who does, and whose: what cannot be written down is not done."""
    accounts, who = Accounts(settings.accounts_file), at_terminal(settings)

    def noted(book: Book) -> Book:
        made = changed(book)
        audit_logs(settings).of(None).note(event, who, whom=name)
        return made

    accounts.change(noted)


def _known(book: Book, name: str) -> Account:
    account = book.get(name)
    if account is None:
        raise NoSuchAccount(f"{name}: no such account. List them with: ueip user list")
    return account


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    try:
        with warnings.catch_warnings(action="error", category=GetPassWarning):
            prompted: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    except (click.Abort, GetPassWarning) as error:
        if isinstance(error, click.Abort) and sys.stdin.isatty():
            raise
        raise click.UsageError("found no terminal to ask for the password at, expected --password-stdin") from None
    return prompted


def _hashed(password: str, name: str, settings: Settings) -> str:
    try:
        from collector.access.passwords import Passwords, faults_of  # noqa: PLC0415 - argon2 is an extra
    except ImportError:
        raise CollectorError(f"found no argon2 for passwords. {how_to_install('console')}") from None
    if fault := faults_of(password, name, settings.console.sign_in.least_password_characters):
        raise click.UsageError(f"password: {fault}")
    return Passwords().hash(password)


def _document(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "role": account.role.value,
        "regions": [region.value for region in account.regions],
        "locked": account.locked,
    }
