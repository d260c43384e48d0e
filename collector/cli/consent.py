"""`ueip consent` and `ueip exit`: acts of consent by the rights desk, whether or not a collector is running."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

import click

from collector.cli.common import Country, config_option
from collector.cli.recording import carry_out
from collector.consent.acts import ERASING
from collector.model import Action, Region
from collector.rights.document import Reason

Command = Callable[..., None]


class Kind(NamedTuple):
    """An act as a command: what it does, and what cannot be undone."""

    help: str
    undoable: str | None = None


_ERASES: Final = "closes its gate and erases its records"
KINDS: Final = {
    Action.EXIT: Kind(f"Record that the owner of ROUTER has left: {_ERASES}, at once.", _ERASES),
    Action.VOID: Kind(f"Record that ROUTER's consent was never valid, as a child's: {_ERASES}, all of them.", _ERASES),
    Action.UNBIND: Kind(f"Record that ROUTER was unbound from its owner's account: {_ERASES}.", _ERASES),
    Action.CANCEL: Kind(f"Record that the account of ROUTER's owner was cancelled: {_ERASES}.", _ERASES),
    Action.ERASE: Kind(
        "Erase what was received from ROUTER until now; its owner stays in the programme.", "erases its records"
    ),
    Action.RESTRICT: Kind("Let nothing of ROUTER be used for now: closes its gate, its records cannot be read."),
    Action.UNRESTRICT: Kind("End a restriction: what ROUTER sends from now on is taken, its records can be read."),
}


@click.group("consent")
def consent_group() -> None:
    """Record an act of consent for ROUTER, named by its serial number, IMEI, MAC or the name in its topics.

    A running collector obeys from its next commit on, for messages it has already received too. Exits with 1 if no
    region served here knows the router or a join has no effect, and with 3 if a store could not be reached.
    """


def _options(command: Command) -> Command:
    for option in (
        click.option("--reason", type=click.Choice(get_args(Reason)), help="Kept with the act as evidence."),
        click.option("--event-id", help="Id of the act: the same id is recorded only once. A new one by default."),
        config_option,
        click.argument("router", metavar="ROUTER"),
    ):
        command = option(command)
    return command


_reference: Final = click.option(
    "--reference", required=True, help="Code of the case, such as CASE-2026-017; never a name or a person's number."
)


_yes: Final = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
_country: Final = click.option(
    "--country", type=Country(), metavar="CC", help="ISO code; closes the gate there even if the router is unknown."
)


def _closing(action: Action, kind: Kind, name: str | None = None) -> click.Command:
    """A command for an act that opens nothing."""

    @_options
    def command(router: str, config: Path | None, *, yes: bool = False, **said: Any) -> None:
        if kind.undoable and not yes:
            _ask(kind.undoable)
        carry_out(config, router, action=action, channel="rights_desk", **said)

    if kind.undoable:
        command = _yes(command)
    if action in ERASING:
        command = _country(command)
    return click.command(name or action.value, help=f"{kind.help} See: ueip consent --help.")(command)


@consent_group.command("join")
@click.option(
    "--country", type=Country(), metavar="CC", required=True, help="ISO code; the join goes to its region's ledger."
)
@click.option(
    "--channel",
    type=click.Choice(["app", "webui", "rights_desk"]),
    default="rights_desk",
    show_default=True,
    help="Where the owner joined.",
)
@click.option("--policy-version", help="Version of the notice that was shown.")
@click.option("--policy-digest", help="SHA-256 of the text that was shown, hex.")
@click.option("--language", help="Language of that text, BCP 47.")
@click.option(
    "--storage-region",
    "storage_regions",
    multiple=True,
    type=click.Choice(list(map(str, Region))),
    help="A region where the owner agreed to have records stored; may be given several times.",
)
@click.option("--adult-or-guardian", type=click.Choice(["adult", "guardian"]), help="Who attested to being of age.")
@_options
def join_command(router: str, config: Path | None, **said: Any) -> None:
    """Record that the owner of ROUTER has joined. ROUTER is the name in its topics."""
    carry_out(config, router, action=Action.JOIN, time=datetime.fromtimestamp(time.time(), UTC), **said)


for _action, _kind in KINDS.items():
    consent_group.add_command(_closing(_action, _kind))
exit_command: Final = _closing(Action.EXIT, KINDS[Action.EXIT])


@consent_group.command("hold")
@_reference
@_options
def hold_command(router: str, config: Path | None, **said: Any) -> None:
    """Put a legal hold on ROUTER: until its release nothing is taken, read or erased, whatever its owner does.

    An exit in the meantime closes the gate as usual, but its records are erased only at the release.
    """
    carry_out(config, router, action=Action.HOLD, **said)


@consent_group.command("release")
@_yes
@_reference
@_options
def release_command(router: str, config: Path | None, *, yes: bool, **said: Any) -> None:
    """End a legal hold on ROUTER: what was to be erased meanwhile is erased.

    Its reports are taken again, unless something else keeps the gate closed.
    """
    if not yes:
        _ask("erases what its owner asked to have erased meanwhile")
    carry_out(config, router, action=Action.RELEASE, **said)


def _ask(what: str) -> None:
    """Ask for confirmation where a person watches."""
    if _watched():
        click.confirm(f"This {what}. Erased records do not come back. Go on?", abort=True, err=True)


def _watched() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
