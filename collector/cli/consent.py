"""`ueip consent` and `ueip exit`: acts of consent by the rights desk, whether or not a collector runs."""

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
    Action.EXIT: Kind(f"ROUTER has left the programme: {_ERASES}, at once.", _ERASES),
    Action.VOID: Kind(f"The consent of ROUTER was never valid, a child's for one: {_ERASES}, all of them.", _ERASES),
    Action.UNBIND: Kind(f"ROUTER was unbound from its owner's account: {_ERASES}.", _ERASES),
    Action.CANCEL: Kind(f"The owner's account was cancelled: {_ERASES}.", _ERASES),
    Action.ERASE: Kind(
        "What was received of ROUTER until now is erased; its owner stays in the programme.", "erases its records"
    ),
    Action.RESTRICT: Kind("Nothing of ROUTER may be used for now: closes its gate, its records cannot be read."),
    Action.UNRESTRICT: Kind("A restriction ends: what ROUTER sends from now on is taken, its records can be read."),
}


@click.group("consent")
def consent_group() -> None:
    """Record an act of consent for a router: its serial, IMEI, MAC, or the name in its topics.

    A running collector obeys with its next commit, messages it has already received included. Exits with 1 when no
    region served here knows the router, or a join opens nothing, and with 3 when a store could not be reached.
    """


def _options(command: Command) -> Command:
    for option in (
        click.option("--reason", type=click.Choice(get_args(Reason)), help="Kept as evidence with the act."),
        click.option("--event-id", help="Id of the act: the same act given again is recorded once. New when absent."),
        config_option,
        click.argument("router", metavar="ROUTER"),
    ):
        command = option(command)
    return command


_reference: Final = click.option(
    "--reference", required=True, help="Code of the case, as in CASE-2026-017; no name, nobody's number."
)


_yes: Final = click.option("--yes", is_flag=True, help="Do not ask, though a person watches.")
_country: Final = click.option(
    "--country", type=Country(), metavar="CC", help="ISO code; closes the gate there for a router that was never seen."
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
    "--country", type=Country(), metavar="CC", required=True, help="ISO code: whose region's ledger the join goes to."
)
@click.option("--channel", type=click.Choice(["app", "webui", "rights_desk"]), default="rights_desk", show_default=True)
@click.option("--policy-version", help="Version of the notice that was shown.")
@click.option("--policy-digest", help="SHA-256 of the text that was shown, hex.")
@click.option("--language", help="Language of that text, BCP 47.")
@click.option("--storage-region", "storage_regions", multiple=True, type=click.Choice(list(map(str, Region))))
@click.option("--adult-or-guardian", type=click.Choice(["adult", "guardian"]), help="Who attested to be of age.")
@_options
def join_command(router: str, config: Path | None, **said: Any) -> None:
    """The owner of ROUTER has joined. ROUTER is the name in its topics."""
    carry_out(config, router, action=Action.JOIN, time=datetime.fromtimestamp(time.time(), UTC), **said)


for _action, _kind in KINDS.items():
    consent_group.add_command(_closing(_action, _kind))
exit_command: Final = _closing(Action.EXIT, KINDS[Action.EXIT])


@consent_group.command("hold")
@_reference
@_options
def hold_command(router: str, config: Path | None, **said: Any) -> None:
    """A legal hold on ROUTER: nothing is taken, read or erased, whatever its owner does, until it is released.

    An exit meanwhile closes the gate as ever; what it erases is erased at the release.
    """
    carry_out(config, router, action=Action.HOLD, **said)


@consent_group.command("release")
@_yes
@_reference
@_options
def release_command(router: str, config: Path | None, *, yes: bool, **said: Any) -> None:
    """A legal hold on ROUTER ends: what was to be erased meanwhile is erased, what was taken before is taken again."""
    if not yes:
        _ask("erases what its owner asked to have erased meanwhile")
    carry_out(config, router, action=Action.RELEASE, **said)


def _ask(what: str) -> None:
    """Where a person watches, have it confirmed."""
    if _watched():
        click.confirm(f"This {what}. Erased records do not come back. Go on?", abort=True, err=True)


def _watched() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
