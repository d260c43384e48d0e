"""`ueip simulate`."""

import sys
import threading
from datetime import timedelta
from pathlib import Path

import click

from collector.cli.common import Number, say, write
from collector.errors import BrokerUnreachable
from collector.simulator import Endpoint, Highlight, Progress, SimulationError, run


@click.command("simulate")
@click.option("--host", default="127.0.0.1", show_default=True, help="The broker to publish to.")
@click.option("--port", type=click.IntRange(1, 65535), default=1883, show_default=True, help="Its port.")
@click.option("--username", help="Name to sign in with.")
@click.option(
    "--password", envvar="UEIP_SIMULATOR_PASSWORD", show_envvar=True, help="Password; better given in the environment."
)
@click.option("--ca-file", type=click.Path(path_type=Path, exists=True), help="Authorities to trust; turns TLS on.")
@click.option("--cert-file", type=click.Path(path_type=Path, exists=True), help="Client certificate; turns TLS on too.")
@click.option("--key-file", type=click.Path(path_type=Path, exists=True), help="Its private key.")
@click.option("--routers", type=click.IntRange(1, 100_000), default=60, show_default=True, help="Size of the fleet.")
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same fleet.")
@click.option(
    "--history-hours", type=Number(0, 160), default=2.0, show_default=True, help="Hours of the past to send first."
)
@click.option(
    "--step-minutes", type=Number(1, 120), default=5.0, show_default=True, help="Minutes between rounds of the past."
)
@click.option("--interval", type=Number(0, 86_400), default=5.0, show_default=True, help="Seconds between live rounds.")
@click.option("--rounds", type=click.IntRange(0), help="Number of live rounds; if not given, until Ctrl-C.")
def simulate_command(
    host: str,
    port: int,
    username: str | None,
    password: str | None,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    routers: int,
    seed: int,
    history_hours: float,
    step_minutes: float,
    interval: float,
    rounds: int | None,
) -> None:
    """Publish what a fleet of well-behaved and misbehaving routers would."""
    if key_file is not None and cert_file is None:
        raise click.UsageError("--key-file is the key of a certificate: give --cert-file too.")
    endpoint = Endpoint(host, port, username, password, ca_file=ca_file, cert_file=cert_file, key_file=key_file)
    stop = threading.Event()
    try:
        tally = run(
            endpoint,
            size=routers,
            seed=seed,
            history=timedelta(hours=history_hours),
            step=timedelta(minutes=step_minutes),
            interval_seconds=interval,
            rounds=rounds,
            progress=show_progress,
            stop=stop,
            introduce=introduce,
        )
    except SimulationError as error:
        raise BrokerUnreachable(str(error)) from None
    finally:
        stop.set()
    say(f"published {tally.published} messages, {tally.acknowledged} acknowledged by the broker")


def show_progress(progress: Progress) -> None:
    """A line that rewrites itself where a person watches; nothing where nobody does."""
    if sys.stderr.isatty():
        words = f"{progress.phase.value}: round {progress.round}, {progress.published} messages published"
        write(f"\r\x1b[K{words}", to=sys.stderr)


def introduce(routers: list[Highlight]) -> None:
    """The routers worth looking up, for people to try `ueip find` on."""
    say("routers worth looking up:")
    for router in routers:
        say(f"  serial {router.serial}  IMEI {router.imei}  {router.country}  {router.story}")
