"""The operators' pages, served for real on a free port."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families
from records import until
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector import http
from collector.config_http import HttpSettings
from collector.errors import CollectorError
from collector.http import READY, HttpServer, Listener
from collector.metrics import Metrics


class Answer(NamedTuple):
    """What a page said."""

    status: int
    kind: str
    text: str

    def json(self) -> Any:
        """The text as JSON."""
        return json.loads(self.text)


Get = Callable[..., Any]


@asynccontextmanager
async def served(
    parts: Callable[[], dict[str, str]], metrics: Metrics | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Get]:
    """The pages, and a way to look at them."""
    server = HttpServer(HttpSettings(host=host, port=0), (metrics or Metrics()).registry, parts)
    place = urlsplit(server.address)

    def ask(path: str, method: str) -> Answer:
        connection = HTTPConnection(place.hostname or "", place.port, timeout=10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers.get("content-type", ""), answer.read().decode())
        finally:
            connection.close()

    async def get(path: str, method: str = "GET") -> Answer:
        return await asyncio.to_thread(ask, path, method)

    running = asyncio.create_task(server.run())
    await until(lambda: server._server.started)
    yield get
    await server.stop()
    async with asyncio.timeout(60):
        await running


async def test_metrics_are_what_prometheus_reads() -> None:
    """In its text format, as they are at the moment of asking."""
    metrics = Metrics()
    async with served(dict, metrics) as get:
        metrics.received = 3
        answer = await get("/metrics")
        metrics.received = 4
        again = await get("/metrics")
    pages = [{f.name: f for f in text_string_to_metric_families(page.text)} for page in (answer, again)]

    assert 200 == answer.status
    assert answer.kind.startswith("text/plain; version=")
    assert [3, 4] == [page["collector_messages_received"].samples[0].value for page in pages]


async def test_it_is_alive_while_it_serves() -> None:
    """Whatever its parts say: a store that is down is no reason to restart the collector."""
    async with served(lambda: {"broker": "waiting"}) as get:
        answer = await get("/healthz")

    assert (200, "alive\n") == (answer.status, answer.text)


async def test_it_is_ready_when_all_its_parts_are() -> None:
    """Each is named."""
    async with served(lambda: {"broker": READY, "store_germany": READY}) as get:
        answer = await get("/readyz")

    assert 200 == answer.status
    assert {"ready": True, "parts": {"broker": "ready", "store_germany": "ready"}} == answer.json()


async def test_a_part_that_is_not_ready_is_named() -> None:
    """With what it says; 503 tells the balancer, and a later look tells that it is over."""
    refusal = "the broker refused the connection: not authorized"
    parts = {"broker": refusal, "store_china": READY}
    async with served(lambda: parts) as get:
        before = await get("/readyz")
        parts["broker"] = READY
        after = await get("/readyz")

    assert 503 == before.status
    assert {"ready": False, "parts": {"broker": refusal, "store_china": "ready"}} == before.json()
    assert 200 == after.status


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT"], ids=["nothing", "half a head"])
async def test_who_connects_and_asks_nothing_keeps_nobody_out(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as may be connected at once, with a byte more now and then; who asks is answered soon after."""
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.3)
    server = HttpServer(HttpSettings(port=0), Metrics().registry, dict)
    running = asyncio.create_task(server.run())
    await until(lambda: server._server.started)
    port = urlsplit(server.address).port
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
    for _, writer in idle:
        writer.write(sent)
    await asyncio.sleep(0.2)
    for _, writer in idle:
        writer.write(sent[-1:])
    await asyncio.sleep(0.4)

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    status = await reader.readline()

    for _, open_one in [*idle, (reader, writer)]:
        open_one.close()
    await server.stop()
    await running
    assert b"HTTP/1.1 200 OK\r\n" == status


async def test_who_asks_again_and_again_stays_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    """And an answer that takes its time is waited for."""
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.3)

    async def slow() -> None:
        await asyncio.sleep(0.5)

    server = HttpServer(HttpSettings(port=0), Metrics().registry, dict, slow)
    running = asyncio.create_task(server.run())
    await until(lambda: server._server.started)
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.address).port)
    statuses = []
    for _ in range(3):
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        statuses.append(await reader.readline())
        await reader.readuntil(b"}}")
        await asyncio.sleep(0.1)
    writer.close()
    await server.stop()
    await running

    assert [b"HTTP/1.1 200 OK\r\n"] * 3 == statuses


LONG = b"x" * 12_000_000
"""More than a system takes off the server's hands for one connection."""


async def deaf(address: str, asked: bytes) -> socket.socket:
    """Somebody who asks and reads nothing of themselves."""
    place, made = urlsplit(address), socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    made.connect((place.hostname, place.port))
    made.setblocking(False)
    await asyncio.get_running_loop().sock_sendall(made, asked)
    return made


@asynccontextmanager
async def telling_much(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listener]:
    """A listener with one long answer, and little patience."""
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.3)

    async def answer(_: Request) -> Response:
        return Response(LONG)

    listener = Listener(Starlette(routes=[Route("/", answer)]), "http", HttpSettings(port=0))
    running = asyncio.create_task(listener.run())
    await listener.is_serving(running)
    yield listener
    await listener.stop()
    async with asyncio.timeout(60):
        await running


async def test_who_reads_slowly_gets_the_whole_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page over a slow line takes longer than anybody may ask nothing for."""
    async with telling_much(monkeypatch) as listener:
        loop, told = asyncio.get_running_loop(), 0
        begun = loop.time()
        with await deaf(listener.address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") as reading:
            async with asyncio.timeout(60):
                while (some := await loop.sock_recv(reading, 1_000_000)) and told < len(LONG):
                    told += len(some)
                    await asyncio.sleep(max(0.0, begun + 1.5 * told / len(LONG) - loop.time()))

    assert told > len(LONG)


@pytest.mark.parametrize("times", [1, 30], ids=["one answer", "several answers"])
async def test_who_does_not_read_an_answer_makes_room(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as may be connected at once would keep everybody else out."""
    async with telling_much(monkeypatch) as listener:
        connections = listener._server.server_state.connections
        with await deaf(listener.address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * times):
            await until(lambda: len(connections) == 1)
            await until(lambda: not connections)


@pytest.mark.parametrize("path", ["/", "/docs", "/metricsx", "/../etc/passwd", "/records", "/openapi.json"])
async def test_there_is_nothing_else(path: str) -> None:
    """Three pages and no more."""
    async with served(dict) as get:
        answer = await get(path)

    assert 404 == answer.status


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_there_is_nothing_to_write(path: str, method: str) -> None:
    """The pages are for reading."""
    async with served(dict) as get:
        answer = await get(path, method)

    assert 405 == answer.status


async def test_it_can_listen_on_the_newer_address_family() -> None:
    """And says its address as browsers take it."""
    async with served(dict, host="::1") as get:
        answer = await get("/healthz")

    assert 200 == answer.status


def test_a_port_in_use_is_a_sentence() -> None:
    """At the start, before anything else is begun."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CollectorError) as refused:
            HttpServer(HttpSettings(port=port), Metrics().registry, dict)

    assert str(refused.value) == (
        f"http: cannot listen on 127.0.0.1:{port}: Address already in use. "
        f"Choose another http.port (0 for a free one) or stop what uses it."
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "host.invalid"])
def test_an_address_that_is_not_ours_is_a_sentence(host: str) -> None:
    """Another machine's, or a name that means nothing."""
    with pytest.raises(CollectorError, match=rf"^http: cannot listen on {host}:9464: .+\. Choose another http\.port"):
        HttpServer(HttpSettings(host=host), Metrics().registry, dict)


@pytest.mark.parametrize("host", ["local\0host", "ü" * 70])
def test_what_can_be_no_name_is_a_sentence(host: str) -> None:
    with pytest.raises(CollectorError, match=r"^http: found '.*' as host, expected an address or a name"):
        HttpServer(HttpSettings(host=host, port=0), Metrics().registry, dict)


async def test_it_stops_though_somebody_does_not_read_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reaches the pages could else keep the collector from ending, until it is killed."""
    monkeypatch.setattr(http, "_GOODBYE_SECONDS", 1)
    server = HttpServer(HttpSettings(port=0), Metrics().registry, dict)
    place = urlsplit(server.address)
    running = asyncio.create_task(server.run())
    await server.is_serving(running)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect((place.hostname, place.port))
        deaf.setblocking(False)
        deaf.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 400)
        connections: Any = server._server.server_state.connections
        await until(lambda: any(one.flow.write_paused for one in connections))
        await server.stop()
        done, _ = await asyncio.wait([running], timeout=10)

    assert {running} == done


async def test_it_leaves_the_signals_to_the_service() -> None:
    """A stop is in order, and the pages are the last to go: they take no signal for themselves."""
    watched = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in watched]
    async with served(dict) as get:
        await get("/healthz")
        during = [signal.getsignal(number) for number in watched]

    assert before == during == [signal.getsignal(number) for number in watched]
