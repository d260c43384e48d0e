"""The command `ueip`.

Exit codes: 0 done, 1 the answer is no (nothing found, not ready, would be dropped), 2 a fault of usage or settings,
3 something needed is away or closed (broker, store).
"""

import gc
import io
import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final

import click

from collector import __version__
from collector.cli.common import write
from collector.errors import AuditUnavailable, BrokerNotInstalled, BrokerUnreachable, CollectorError, StoreUnavailable

AWAY: Final = 3
_AWAY: Final = (StoreUnavailable, AuditUnavailable, BrokerNotInstalled, BrokerUnreachable)
_PLACES: Final = {
    "init": "setup:init",
    "up": "up:up",
    "run": "running:run_command",
    "simulate": "simulating:simulate_command",
    "explain": "explaining:explain_command",
    "find": "looking:find_command",
    "diagnose": "diagnosing:diagnose_command",
    "explain-rule": "diagnosing:explain_rule_command",
    "fleet": "fleet:fleet_command",
    "console": "console:console_command",
    "exit": "consent:exit_command",
    "ledger": "ledger:ledger",
    "consent": "consent:consent_group",
    "registry": "registry:registry_group",
    "store": "store:store",
    "audit": "audit:audit_group",
    "user": "user:user_group",
    "check-config": "setup:check_config",
}
"""Module and name of each command."""


class _Commands(click.Group):
    """Imports a command when it is asked for: `ueip exit` does not wait for what only a diagnosis needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - of click
        """All names, for the help."""
        return sorted(_PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        module, _, name = _PLACES.get(cmd_name, "").partition(":")
        found = getattr(import_module(f"{__name__}.{module}"), name) if module else None
        if not gc.isenabled():  # switched off by __main__ until now
            gc.freeze()
            gc.enable()
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """The command that was typed; a wrong name gets a suggestion from here, as click does not know the names."""
        near = [] if args[0] in _PLACES or args[0].startswith("-") else get_close_matches(args[0], _PLACES)
        if near:
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="ueip")
def ueip() -> None:
    """Collect router diagnostics over MQTT: with consent only, allow-listed fields only, in the router's region."""


def main() -> None:
    """Run the command; faults come out as sentences, not as tracebacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A character that the terminal cannot show must not end a command.
        sys.stdout.reconfigure(errors="replace")
    try:
        code = ueip.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except CollectorError as error:
        text = error.in_full() if isinstance(error, StoreUnavailable) else error
        write(f"ueip: {text}\n", to=sys.stderr)
        away = isinstance(error, _AWAY)
        code = AWAY if away else 2
    except OSError as error:
        # A folder that may not be looked into, a disk that is full.
        place = f"{error.filename}: " if error.filename is not None else ""
        write(f"ueip: {place}{error.strerror or type(error).__name__}\n", to=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
