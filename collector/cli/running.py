"""`ueip run`."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import click

from collector.cli.checking import checked
from collector.cli.common import config_option, say, settings_path
from collector.log import set_up_logs
from collector.service import Service
from collector.workers.job import MOST
from collector.workers.supervisor import Supervisor, has_to_supervise


@click.command("run")
@config_option
@click.option(
    "--workers", type=click.IntRange(0, MOST), default=1, show_default=True,
    help="Processes that share the work; 0 takes what waits at the broker, gives up the sessions there, and ends.",
)  # fmt: skip
def run_command(config: Path | None, workers: int) -> None:
    """Run the collector until SIGTERM or Ctrl-C. What is not committed by then stays with the broker."""
    settings = checked(settings_path(config))
    set_up_logs(style=settings.log.style, level=settings.log.level)
    if has_to_supervise(settings, workers):
        supervise(Supervisor(settings, workers))
        return
    service = Service(settings)
    say(f"metrics at {service.http.address}/metrics, readiness at {service.http.address}/readyz")
    if service.api is not None:
        say(f"acts of consent at {service.api.address}/v1/consent")
    run_service(service)


def supervise(supervisor: Supervisor) -> None:
    """Run workers under a supervisor."""
    say(f"metrics at {supervisor.http.address}/metrics, readiness at {supervisor.http.address}/readyz")
    if supervisor.api_address is not None:
        say(f"acts of consent at {supervisor.api_address}/v1/consent")
    try:
        asyncio.run(supervisor.run())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def run_service(service: Service, started: Callable[[], None] = lambda: None) -> None:
    """Run a service; of a group of faults it raises the first."""
    try:
        asyncio.run(service.run(started=started))
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
