"""`ueip up`: broker, collector and, for a demo, the simulated fleet; one Ctrl-C stops them all."""

import asyncio
import shutil
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import Final

import click
import orjson
from rich.text import Text

from collector.broker import LocalBroker, ensure_mosquitto, free_port, is_free
from collector.cli.common import FOLDER, Number, command_name, say, usual_path, write
from collector.cli.running import run_service
from collector.cli.setup import make_installation
from collector.cli.simulating import introduce
from collector.config import Settings, load_settings
from collector.errors import BrokerUnreachable
from collector.log import set_up_logs
from collector.metrics import Metrics
from collector.service import Service
from collector.simulator import Endpoint, SimulationError, run

_EXAMPLE_ROUTER: Final = "ROUTER1"
_LOOK_SECONDS: Final = 0.1
_MOMENT_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 30.0


@click.command()
@click.option("--demo", is_flag=True, help="Let a simulated fleet publish, so that there is something to see.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=FOLDER, show_default=True,
              help="Where configuration, keys, stores and the broker's data are; made when absent.")  # fmt: skip
@click.option("--broker-port", type=click.IntRange(1, 65535), help="Port of the broker; a free one if not given.")
@click.option("--http-port", type=click.IntRange(1, 65535), help="Port of /metrics; the configured one, or a free one.")
@click.option(
    "--routers", type=click.IntRange(1, 100_000), default=60, show_default=True, help="Size of the demo fleet."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same fleet.")
@click.option("--interval", type=Number(0, 86_400), default=5.0, show_default=True, help="Seconds between demo rounds.")
@click.option("--rounds", type=click.IntRange(0), help="Stop after this many live demo rounds.")
def up(
    folder: Path,
    broker_port: int | None,
    http_port: int | None,
    routers: int,
    seed: int,
    interval: float,
    rounds: int | None,
    *,
    demo: bool,
) -> None:
    """Start everything on this machine: a Mosquitto, the collector and, with --demo, a fleet of simulated routers.

    Listens on loopback only. Ctrl-C stops all; what was collected stays in the folder.
    """
    ensure_mosquitto(say)
    if make_installation(folder):
        say(f"made a new installation in {folder}/ (configuration, keys, stores)")
    with LocalBroker(folder / "broker", port=broker_port or 0) as broker:
        settings = _local(load_settings(folder / "collector.toml"), broker.port, http_port)
        set_up_logs(style=settings.log.style, level=settings.log.level if sys.stderr.isatty() else "warning")
        service = Service(settings)
        _welcome(service, broker, folder, demo=demo)
        fleet = _Fleet(broker.port, routers, seed, interval, rounds, service) if demo else None
        try:
            run_service_with(service, fleet)
        finally:
            if fleet is not None:
                fleet.stop()
    _summary(service.metrics)
    if fleet is not None and fleet.error is not None:
        raise fleet.error


def _local(settings: Settings, broker_port: int, http_port: int | None) -> Settings:
    """The settings with the local broker, and a port for HTTP that is free."""
    broker = settings.broker.model_copy(
        update={"host": "127.0.0.1", "port": broker_port, "tls": False, "username": None, "password_file": None}
    )
    port = http_port or (settings.http.port if is_free(settings.http.port) else free_port())
    return settings.model_copy(update={"broker": broker, "http": settings.http.model_copy(update={"port": port})})


def _welcome(service: Service, broker: LocalBroker, folder: Path, *, demo: bool) -> None:
    for title, text in (
        ("broker", f"mqtt://127.0.0.1:{broker.port}"),
        ("metrics", f"{service.http.address}/metrics   (also /readyz, /healthz)"),
        ("stores", f"{folder}/data/"),
        ("try next", "in a second terminal, in this folder:"),
    ):
        say(Text.assemble((title, "bold"), " " * (11 - len(title)), text))
    ueip, example = quote(command_name()), quote(str(_example(folder)))
    given = "" if usual_path() == folder / "collector.toml" else f" -c {quote(str(folder / 'collector.toml'))}"
    if demo:
        say(f"             {ueip} find SERIAL{given}    one of the serials below")
        say(f"             {ueip} diagnose SERIAL{given}    what is wrong with it; ueip fleet{given}: with others too")
    say(f"             mosquitto_pub -V 5 -q 1 -p {broker.port} -t ueip/v1/{_EXAMPLE_ROUTER}/report -f {example}")
    say(f"             {ueip} find {_EXAMPLE_ROUTER}{given}")
    say(f"             {ueip} explain {example}{given}    what would happen to it, field by field")
    say("Ctrl-C stops everything.\n")


def _example(folder: Path) -> Path:
    """A message of now, to publish by hand."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = {
        "schema_version": 1,
        "message_id": f"by-hand-{now}",
        "ueip": True,
        "country": "DE",
        "time": now,
        "router": {"serial": _EXAMPLE_ROUTER, "manufacturer": "ZTE", "model_name": "MF286R", "device_type": "cpe"},
        "network": {"plmn": "26201", "rat": "lte", "wan_connection_state": "connected"},
        "signal": {"rsrp_dbm": -97, "rsrq_db": -11, "sinr_db": 8.5},
    }
    path = folder / "example.json"
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return path


def run_service_with(service: Service, fleet: "_Fleet | None") -> None:
    """Run the service, and the fleet from the moment it is ready."""
    run_service(service, started=fleet.start if fleet is not None else lambda: None)


class _Fleet:
    """The simulated fleet on a thread of its own."""

    def __init__(
        self, port: int, routers: int, seed: int, interval: float, rounds: int | None, service: Service
    ) -> None:
        self.error: Exception | None = None
        self._endpoint = Endpoint("127.0.0.1", port)
        self._routers, self._seed, self._interval, self._rounds = routers, seed, interval, rounds
        self._service = service
        self._reports = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    def start(self) -> None:
        """Begin to publish."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Stop publishing and wait for it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        try:
            tally = run(
                self._endpoint,
                size=self._routers,
                seed=self._seed,
                history=timedelta(hours=2),
                step=timedelta(minutes=5),
                interval_seconds=self._interval,
                rounds=self._rounds,
                progress=lambda _: self._tell(),
                stop=self._stop,
                introduce=introduce,
            )
            self._reports = tally.reports - tally.refused
        except SimulationError as error:
            self.error = BrokerUnreachable(str(error))
        except Exception as error:  # noqa: BLE001 - of whatever kind: it ends the demo, and is raised at its end
            self.error = error
        if not self._stop.is_set():
            self._loop.call_soon_threadsafe(self._settled_then_stop)

    def _settled_then_stop(self) -> None:
        """The rounds are done: stop once what was sent has arrived, and nothing is in flight."""
        self._loop.create_task(self._wait_and_stop())

    async def _wait_and_stop(self) -> None:
        await settled(self._service.metrics, self._reports)
        self._service.stop()

    def _tell(self) -> None:
        """Show the counts on one line that rewrites itself; where nobody watches, on a line every round."""
        line = _sum(self._service.metrics)
        if sys.stderr.isatty():
            width = shutil.get_terminal_size().columns - 1
            write(f"\r\x1b[K{line[:width]}", to=sys.stderr)
        else:
            write(f"{line}\n", to=sys.stderr)


async def settled(metrics: Metrics, reports: int) -> None:
    """Wait until that many *reports* have come, and then a moment without news; half a minute without news ends it too.

    A busy broker may be silent for seconds while it has more.
    """
    quiet, before = 0.0, -1
    while quiet < (_MOMENT_SECONDS if metrics.received >= reports else _PATIENCE_SECONDS):
        await asyncio.sleep(_LOOK_SECONDS)
        quiet = quiet + _LOOK_SECONDS if metrics.received == before and not metrics.in_flight else 0.0
        before = metrics.received


def _sum(metrics: Metrics) -> str:
    stored, dropped = sum(metrics.stored.values()), sum(metrics.dropped.values())
    return f"received {metrics.received} = stored {stored} + dropped {dropped} + in flight {metrics.in_flight}"


def _summary(metrics: Metrics) -> None:
    say()
    say(_sum(metrics))
    for region, count in sorted(metrics.stored.items()):
        say(f"  stored in {region}: {count}")
    for reason, count in sorted(metrics.dropped.items()):
        say(f"  dropped {reason}: {count}   {reason.meaning}")
    removed = ", ".join(f"{treatment} {count}" for treatment, count in sorted(metrics.removed.items()))
    if removed:
        say(f"  keys removed from messages that were kept: {removed}")
