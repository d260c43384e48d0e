"""The peers: how each is installed, and what is run. Sensible settings, as their own documentation has them."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final

from installation import family
from installing import cached, program, run
from peer import DATABASE, SCRIPTS, Peer, PostgresPeer, SQLitePeer
from postgres import ADMIN

_BATCH: Final = 1000
_BUFFERED: Final = 200
"""Messages that a pipe's programs keep in their buffers for as long as nothing comes."""
_COPY: Final = "COPY raw (message) FROM STDIN WITH (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02')"
"""One message a line: two bytes that JSON cannot hold stand for what would cut a line into columns."""
_KEPT: Final = "select(.ueip == true) | del(.sms, .contacts)"


class Paho(SQLitePeer):
    """The script that many would write."""

    name = "paho script, SQLite"
    does = "flag; commits and acknowledges one by one"

    def command(self) -> Sequence[str | Path]:
        """As `Peer.command`."""
        return [sys.executable, SCRIPTS / "paho_sqlite.py", str(self.broker_port), self.file]


class NodeRed(SQLitePeer):
    """Node-RED with its own nodes for MQTT and SQLite."""

    name = "Node-RED, SQLite"
    does = "flag; acknowledges on receipt, commits one by one"
    packages: ClassVar[Sequence[str]] = ("node-red@4.1", "node-red-node-sqlite@1.1")

    @classmethod
    def ensure(cls) -> None:
        """As `Peer.ensure`."""
        program("node", "nodejs")
        folder = cached("node-red")
        if not (folder / "installed").exists():
            install: list[str | Path] = [
                program("npm", "npm"),
                "install",
                "--no-audit",
                "--no-fund",
                "--prefix",
                folder,
            ]
            run([*install, *cls.packages], "npm could not install it")
            (folder / "installed").touch()

    def command(self) -> Sequence[str | Path]:
        """As `Peer.command`."""
        home, modules = self.folder / "node-red", cached("node-red") / "node_modules"
        home.mkdir(exist_ok=True)
        # Node-RED looks for more nodes beside its flow.
        if not (home / "node_modules").exists():
            (home / "node_modules").symlink_to(modules)
        flow = (SCRIPTS / "node_red_flow.json").read_text()
        flow = flow.replace('"PORT"', f'"{self.broker_port}"').replace('"FILE"', f'"{self.file}"')
        (home / "flow.json").write_text(flow)
        (home / "settings.js").write_text(_NODE_RED_SETTINGS)
        options: list[str | Path] = ["--userDir", home, "--settings", home / "settings.js"]
        return [program("node"), modules / "node-red" / "red.js", *options, home / "flow.json"]


_NODE_RED_SETTINGS: Final = """\
module.exports = {uiHost: "127.0.0.1", uiPort: 0, disableEditor: true, logging: {console: {level: "warn"}}};
"""


class Pipe(PostgresPeer):
    """mosquitto_sub into psql."""

    name = "mosquitto_sub | psql COPY"
    does = "everything is kept; acknowledges on receipt, one transaction: nothing is durable before the end"
    filters = False
    holds_back = _BUFFERED
    to: ClassVar[str] = "{psql}"
    programs: ClassVar[dict[str, str]] = {"mosquitto_sub": "mosquitto-clients", "psql": "postgresql-client"}

    @classmethod
    def ensure(cls) -> None:
        """As `Peer.ensure`."""
        for name, package in cls.programs.items():
            program(name, package)

    def command(self) -> Sequence[str | Path]:
        """As `Peer.command`."""
        received = (
            f"mosquitto_sub -h 127.0.0.1 -p {self.broker_port} -V mqttv5 -c -i peer "
            f"-x 3600 -D connect receive-maximum 2000 -q 1 -t 'ueip/v1/#'"
        )
        psql = f"psql -h 127.0.0.1 -p {self.server.port} -U {ADMIN} -d {DATABASE} -q"
        return ["sh", "-c", f"{received} | {self.to.format(psql=self.copying(psql))}"]

    def copying(self, psql: str) -> str:
        """The command that stores its input."""
        return f'{psql} -c "{_COPY}"'

    def ask_to_stop(self, pid: int) -> None:
        """The first of the pipe; the others see its end."""
        for one in family(pid):
            with suppress(OSError):  # one that has just ended
                if Path(f"/proc/{one}/comm").read_text() == "mosquitto_sub\n":
                    super().ask_to_stop(one)


class BatchedPipe(Pipe):
    """The same with a transaction for every thousand."""

    name = "mosquitto_sub | split | psql COPY"
    does = f"everything is kept; acknowledges on receipt, a transaction for {_BATCH}"
    holds_back = _BATCH + _BUFFERED
    to = f"split -l {_BATCH} --filter='{{psql}}'"

    def copying(self, psql: str) -> str:
        """As `Pipe.copying`, inside the quotes of the filter."""
        return super().copying(psql).replace("'", "'\\''")


class FilteredPipe(BatchedPipe):
    """The same with what jq can do of the collector's work."""

    name = "mosquitto_sub | jq | split | psql COPY"
    does = f"flag; acknowledges on receipt, a transaction for {_BATCH}"
    filters = True
    holds_back = _BATCH + 4 * _BUFFERED
    # Its output is a pipe's, so jq writes in blocks; a line at a time it would be slower.
    to = f"jq -c '{_KEPT}' | {BatchedPipe.to}"
    programs: ClassVar[dict[str, str]] = {**Pipe.programs, "jq": "jq"}


class Telegraf(PostgresPeer):
    """Telegraf, where it is on PATH. Its configuration is written from its documentation and was never run here."""

    name = "Telegraf, PostgreSQL"
    does = "everything is kept; acknowledges after its batch is written"
    filters = False
    table = "CREATE TABLE raw (id bigserial, time timestamp, topic text, value text)"
    message = "value"

    @classmethod
    def ensure(cls) -> None:
        """As `Peer.ensure`."""
        program("telegraf")

    def command(self) -> Sequence[str | Path]:
        """As `Peer.command`."""
        text = (SCRIPTS / "telegraf.conf").read_text().replace("PORT", str(self.broker_port))
        (self.folder / "telegraf.conf").write_text(text.replace("DATABASE", str(self.server.port)))
        return ["telegraf", "--config", self.folder / "telegraf.conf"]


class Vector(PostgresPeer):
    """Vector, where it is on PATH. Its configuration is written from its documentation and was never run here."""

    name = "Vector, PostgreSQL"
    does = "everything is kept; acknowledges on receipt"
    filters = False
    # It names every column itself, and has nothing to say for one that it does not know.
    table = "CREATE TABLE raw (message text)"
    counting = "SELECT count(*) FROM raw"

    @classmethod
    def ensure(cls) -> None:
        """As `Peer.ensure`."""
        program("vector")

    def command(self) -> Sequence[str | Path]:
        """As `Peer.command`."""
        (self.folder / "vector").mkdir(exist_ok=True)
        text = (SCRIPTS / "vector.yaml").read_text().replace("FOLDER", str(self.folder / "vector"))
        text = text.replace("PORT", str(self.broker_port)).replace("DATABASE", str(self.server.port))
        (self.folder / "vector.yaml").write_text(text)
        return ["vector", "--config", self.folder / "vector.yaml"]


PEERS: Final[tuple[type[Peer], ...]] = (Paho, NodeRed, Pipe, BatchedPipe, FilteredPipe, Telegraf, Vector)
