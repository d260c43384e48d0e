"""`ueip console`."""

import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from collector.cli.common import command_name, config_option, say, settings_of
from collector.config import Settings
from collector.errors import CollectorError, how_to_install
from collector.log import set_up_logs
from collector.storage import place_of

NEEDED: Final = ("argon2", "httpx2", "jinja2", "joserfc")
"""What the extra `console` brings."""


class ConsoleNotInstalled(CollectorError):
    """The console needs packages that are not here; the text says how to get them."""


@click.command("console")
@config_option
def console_command(config: Path | None) -> None:
    """Serve the console, its web pages and their API, until SIGTERM or Ctrl-C.

    It reads the stores and writes the audit log, whether or not the collector is running. Who may sign in is set with
    `ueip user`, or by the provider of console.oidc.
    """
    check_installed()
    # Here, and not above: the other commands do without its packages.
    from collector.console.serving import ConsoleServer  # noqa: PLC0415

    settings = settings_of(config)
    set_up_logs(style=settings.log.style, level=settings.log.level)
    server = ConsoleServer(settings)
    asyncio.run(server.run(started=lambda: _tell(settings, server.address, people=server.has_people)))


def check_installed() -> None:
    """Refuse to go on without the packages of the console.

    Raises:
        ConsoleNotInstalled: naming those that are missing.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ConsoleNotInstalled(
            f"the console needs packages that are not installed ({', '.join(missing)}). {how_to_install('console')}"
        )


def _tell(settings: Settings, address: str, *, people: bool) -> None:
    say(f"console at {address}; Ctrl-C stops it")
    if not people:
        say(f"nobody can sign in yet. Run: {command_name()} user add NAME --role engineer --region REGION")
    if not any(place_of(settings, region).is_there() for region in settings.regions.enabled):
        say(f"no region served here has a store yet; {command_name()} run makes them")
