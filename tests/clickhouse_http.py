"""ClickHouse's HTTP interface, as far as its driver asks for it, before the engine in this process.

What is behind it is the real engine; what is ours is what lies between: requests, who signs in, TLS. So the collector
and its commands, in processes of their own, reach the engine by the way they reach a server.
"""

import base64
import os
import re
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import clickhouse_connect
import lz4.frame  # type: ignore[import-untyped]
from clickhouse import folder
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from collector.config_clickhouse import ClickHouseSettings

PASSWORD: Final = "clickhouse-c4n4ry-secret"
USER: Final = "collector"
_OURS: Final = {
    "query", "database", "wait_end_of_query", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
    "client_protocol_version", "enable_http_compression", "query_id", "session_id",
}  # fmt: skip
"""Parameters of a request that are no settings of the engine."""
_INSERT: Final = re.compile(rb"\s*(INSERT INTO .*?) FORMAT Native\n", re.DOTALL)
_ROLES: Final = re.compile(rb"\s*(CREATE ROLE|GRANT) ")


class _Request(BaseHTTPRequestHandler):
    """One connection of a driver."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        """A question, or the body of one."""
        parameters = dict(parse_qsl(urlsplit(self.path).query))
        if self.server.gone:
            self.close_connection = True
            return
        body = self._body()
        self.server.asked += 1
        if not self._may():
            self._answer(403, b"Code: 516. DB::Exception: (AUTHENTICATION_FAILED)", code=516)
            return
        settings = {name: value for name, value in parameters.items() if name not in _OURS}
        try:
            answer = self.server.engine.ask(parameters.get("query", "").encode() + body, settings)
        except DatabaseError as error:
            self._answer(500, str(error).encode(), code=error.code)
        else:
            self._answer(200, answer)

    do_POST = do_GET  # noqa: N815 - the name is that of the standard library

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = bytearray()
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = bytearray(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        encoding = self.headers.get("Content-Encoding")
        assert encoding in {None, "lz4"}
        return lz4.frame.decompress(bytes(body)) if encoding else bytes(body)

    def _may(self) -> bool:
        """By a password, or by the certificate that TLS has checked."""
        if self.headers.get("X-ClickHouse-SSL-Certificate-Auth") == "on":
            self.server.signed_in.add("certificate")
            shown = isinstance(self.connection, ssl.SSLSocket) and self.connection.getpeercert()
            return bool(shown) and self.headers.get("X-ClickHouse-User") == USER
        self.server.signed_in.add("password")
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {wanted}"

    def _answer(self, status: int, body: bytes, *, code: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Summary", "{}")
        self.send_header("X-ClickHouse-Timezone", "UTC")
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        if self.server.garbled is not None:
            self.send_header("Content-Encoding", self.server.garbled)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is said."""


class _Engine:
    """Connections to the engine, one for each question that is asked at a time."""

    def __init__(self) -> None:
        self._unused: list[Client] = []
        self._lock = threading.Lock()

    def ask(self, statement: bytes, settings: dict[str, str]) -> bytes:
        """What the engine answers, in the format that was asked for."""
        with self._lock:
            client = self._unused.pop() if self._unused else None
        client = client or clickhouse_connect.get_client(interface="chdb", path=folder())
        try:
            if _ROLES.match(statement):
                return client.raw_query(f"EXPLAIN AST {statement.decode()}")  # it keeps no roles; it can read them
            insert = _INSERT.match(statement)
            if insert is None:
                return client.raw_query(statement.decode(), settings=settings)
            return self._insert(client, insert[1].decode(), statement[insert.end() :], settings)
        finally:
            with self._lock:
                self._unused.append(client)

    @staticmethod
    def _insert(client: Client, statement: str, rows: bytes, settings: dict[str, str]) -> bytes:
        with tempfile.NamedTemporaryFile(suffix=".native", dir=folder()) as file:
            file.write(rows)
            file.flush()
            return client.raw_query(f"{statement} FROM INFILE '{file.name}' FORMAT Native", settings=settings)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", port), _Request)
        self.engine = _Engine()
        self.asked = 0
        self.signed_in: set[str] = set()
        self.gone = False
        self.garbled: str | None = None
        self._context = context

    def get_request(self) -> tuple[Any, Any]:
        """As `socketserver`'s; the handshake waits for whoever serves the connection."""
        connection, address = super().get_request()
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, *_: Any) -> None:
        """Whoever hung up need not be told."""


class Served:
    """The interface on a free port, which it has again after it was away."""

    def __init__(self, at: Path, context: ssl.SSLContext | None = None) -> None:
        self.password_file = at / "clickhouse.password"
        self.password_file.write_text(PASSWORD + "\n")
        self.password_file.chmod(0o600)
        self._context = context
        self._server = _Server(0, context)
        self.port = self._server.server_port
        self._serve()

    @property
    def asked(self) -> int:
        """How many requests there were."""
        return self._server.asked

    @property
    def signed_in(self) -> set[str]:
        """By what those who asked have shown who they are."""
        return self._server.signed_in

    def settings(self, database: str, **more: Any) -> ClickHouseSettings:
        """The settings that name a database behind it."""
        usual = {"port": self.port, "database": database, "user": USER, "password_file": self.password_file}
        return ClickHouseSettings.model_validate({**usual, "patience_seconds": 15, **more})

    def stop(self) -> None:
        """Nobody answers any more; who was connected is cut off with the next question."""
        self._server.gone = True
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def garbled(self, encoding: str) -> Iterator[None]:
        """What is answered says that it is encoded, and is not, for the length of a block."""
        self._server.garbled = encoding
        try:
            yield
        finally:
            self._server.garbled = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody answers, for the length of a block."""
        self.stop()
        try:
            yield
        finally:
            self._server = _Server(self.port, self._context)
            self._serve()

    def _serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


@contextmanager
def served(at: Path, context: ssl.SSLContext | None = None) -> Iterator[Served]:
    """The interface, for the length of a block; *at* is a folder for its password."""
    made = Served(at, context)
    try:
        yield made
    finally:
        made.stop()


def without_proxies() -> dict[str, str]:
    """The environment of this process, with a proxy that nobody must ask."""
    nowhere = "http://127.0.0.1:9"
    return {**os.environ, "http_proxy": nowhere, "https_proxy": nowhere, "no_proxy": ""}
