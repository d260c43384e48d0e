"""The command `ueip`.

Exit codes: 0 done, 1 the answer is no (nothing found, not ready, would be dropped), 2 a fault of usage or settings,
3 something needed is away or closed (broker, store).
"""

import io
import sys
from typing import Final

import click

from collector import __version__
from collector.access.audit import AuditUnavailable
from collector.cli.audit import audit_group
from collector.cli.common import write
from collector.cli.consent import consent_group, exit_command
from collector.cli.console import console_command
from collector.cli.diagnosing import diagnose_command, explain_rule_command
from collector.cli.fleet import fleet_command
from collector.cli.ledger import ledger
from collector.cli.looking import explain_command, find_command
from collector.cli.registry import registry_group
from collector.cli.running import run_command, simulate_command
from collector.cli.setup import check_config, init
from collector.cli.store import store
from collector.cli.up import up
from collector.cli.user import user_group
from collector.errors import BrokerNotInstalled, BrokerUnreachable, CollectorError, StoreUnavailable
from collector.simulator import SimulationError

AWAY: Final = 3
_AWAY: Final = (StoreUnavailable, AuditUnavailable, BrokerNotInstalled, BrokerUnreachable, SimulationError)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="ueip")
def ueip() -> None:
    """Collect router diagnostics over MQTT: with consent only, allow-listed fields only, in the router's region."""


for command in (
    init,
    up,
    run_command,
    simulate_command,
    explain_command,
    find_command,
    diagnose_command,
    explain_rule_command,
    fleet_command,
    console_command,
    exit_command,
    ledger,
    consent_group,
    registry_group,
    store,
    audit_group,
    user_group,
    check_config,
):
    ueip.add_command(command)


def main() -> None:
    """Run the command; faults come out as sentences, not as tracebacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What a terminal has no character for must not end a command.
        sys.stdout.reconfigure(errors="replace")
    try:
        code = ueip.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (CollectorError, SimulationError) as error:
        write(f"ueip: {error}\n", to=sys.stderr)
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
