"""A link keeps one connection: it connects, watches, pauses between attempts, stops. The broker is a small fake."""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme
from fake_broker import FakeBroker, fake_broker
from garbage import leftovers
from records import until

from collector.acks import Token
from collector.broker import free_port
from collector.config_broker import BrokerSettings
from collector.config_files import tls_context
from collector.ingest.codec import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectReasonCode,
    PingReqPacket,
    QoS,
    SubscribePacket,
)
from collector.ingest.connection import ConnectionLost
from collector.ingest.hold import Hold
from collector.ingest.link import Link
from collector.ingest.packets import connect_packet, topic_filters
from collector.ingest.trouble import Trouble, why_unreachable
from collector.link_metrics import LINK_NAMES, Loss
from collector.metrics import Metrics
from collector.model import Message


@pytest.fixture
async def broker() -> AsyncIterator[FakeBroker]:
    """A broker on a free port of this machine."""
    async with fake_broker() as made:
        yield made


class Running:
    """A link at work."""

    def __init__(self, settings: BrokerSettings, *, known: bool = False) -> None:
        self.metrics = Metrics()
        self.received: list[tuple[Message, Token]] = []
        self.link = Link("reports", settings, self.metrics, lambda m, t: self.received.append((m, t)), lambda: None)
        self.link.expects_session = known
        self.task = asyncio.create_task(self.link.run())

    @property
    def state(self) -> str:
        return self.metrics.links.connection["reports"]

    async def connected(self, times: int = 1) -> None:
        """Wait for the given connection to stand."""
        await until(lambda: self.metrics.links.connects["reports"] >= times and self.state == "connected")


Start = Callable[..., Running]


@pytest.fixture
async def start(broker: FakeBroker) -> AsyncIterator[Start]:
    """Starts clients of the fake broker, with short pauses; they are stopped in the end."""
    made: list[Running] = []

    def running(*, known: bool = False, **settings: object) -> Running:
        given = {"host": "127.0.0.1", "port": broker.port, "reconnect_max_seconds": 0.02, **settings}
        made.append(Running(BrokerSettings.model_validate(given), known=known))
        return made[-1]

    yield running
    for one in made:
        await one.link.stop()
        async with asyncio.timeout(60):
            await one.task


# Connecting, losing, connecting again


async def test_it_connects_and_hands_messages_over(broker: FakeBroker, start: Start) -> None:
    """The state and the count show it; the token acknowledges."""
    running = start()
    await running.connected()
    broker.publish(1, 2)
    await until(lambda: len(running.received) == 2)
    for _, token in running.received:
        token.complete()
    await until(lambda: broker.acknowledged() == [1, 2])

    connects = running.metrics.links.connects["reports"]
    assert (1, "connected", "connected") == (connects, running.state, running.link.state())


async def test_it_comes_back_after_a_loss_and_old_tokens_are_void(broker: FakeBroker, start: Start) -> None:
    """The broker sends again what was not acknowledged; the first delivery's token answers nothing (lesson 12)."""
    running = start()
    await running.connected()
    broker.publish(7)
    await until(lambda: len(running.received) == 1)
    broker.drop()
    await running.connected(times=2)
    broker.publish(3, 7)
    await until(lambda: len(running.received) == 3)
    old, three, seven = [token for _, token in running.received]
    old.complete()
    seven.complete()
    await asyncio.sleep(0.05)
    held_back = broker.acknowledged()
    three.complete()
    await until(lambda: len(broker.acknowledged()) == 2)

    assert [] == held_back
    assert [[], [3, 7]] == [broker.acknowledged(0), broker.acknowledged(1)]
    assert all(isinstance(packets[1], SubscribePacket) for packets in broker.sessions)


@pytest.mark.parametrize("echoes", [True, False], ids=["at work", "still waiting for its own message"])
async def test_a_connection_that_is_over_leaves_nothing_for_the_garbage_collector(
    broker: FakeBroker, start: Start, echoes: bool
) -> None:
    """It held what it had read: with a broker that is lost again and again, that piled up."""
    broker.echoes = echoes
    running = start()
    await running.connected()
    with leftovers() as found:
        for times in range(2, 6):
            broker.publish(1, 2)
            await until(lambda: len(running.received) == 2)
            running.received.clear()
            broker.drop() if times % 2 else broker.say_goodbye(DisconnectReasonCode.SERVER_SHUTTING_DOWN)
            await running.connected(times=times)

    assert {} == found


async def test_a_broker_that_is_not_there_leaves_nothing_for_the_garbage_collector(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt held the room for a read: half a gigabyte after a day without a broker."""
    attempts: list[None] = []
    monkeypatch.setattr(Trouble, "failed", lambda _, error: attempts.append(None))
    with leftovers() as found:
        start(port=free_port())
        await until(lambda: len(attempts) > 5)

    assert {} == found


async def test_the_age_of_the_oldest_message_is_that_of_this_connection(broker: FakeBroker, start: Start) -> None:
    """0 while there is none, or no connection."""
    running = start()
    before = running.link.oldest_seconds()
    await running.connected()
    broker.publish(1)
    await until(lambda: len(running.received) == 1)
    await until(lambda: running.link.oldest_seconds() > 0.001)
    running.received[0][1].complete()

    assert (0.0, 0.0) == (before, running.link.oldest_seconds())


async def test_a_broker_that_is_not_there_is_waited_for(unused_tcp_port: int) -> None:
    """Without an end, and without a word of a refusal."""
    settings = BrokerSettings(port=unused_tcp_port, reconnect_max_seconds=0.01)
    running = Running(settings)
    await until(lambda: running.state == "waiting")
    broker = FakeBroker()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", unused_tcp_port)
    await running.connected()
    await running.link.stop()
    await running.task
    server.close()

    assert 1 == running.metrics.links.connects["reports"]


async def test_a_refusal_is_told_until_it_is_over(broker: FakeBroker, start: Start) -> None:
    """An operator reads it on /readyz; the client goes on asking."""
    broker.connack = ConnAckPacket(reason_code=ConnAckReasonCode.NOT_AUTHORIZED)
    running = start()
    await until(lambda: len(broker.sessions) >= 3)
    refusal, connects = running.link.state(), running.metrics.links.connects["reports"]
    broker.connack = ConnAckPacket()
    await running.connected()

    assert re.fullmatch(r"the broker refused the connection: not authorized \(\d+ times in a row\)", refusal)
    assert (0, "connected") == (connects, running.link.state())


async def test_a_broker_that_falls_silent_is_given_up(broker: FakeBroker, start: Start) -> None:
    """Its socket may look alive for hours (lesson 13); one that answers pings is kept."""
    broker.connack = ConnAckPacket(server_keep_alive=1)
    running = start(keep_alive_seconds=5)
    await running.connected()
    await until(lambda: any(isinstance(packet, PingReqPacket) for packet in broker.sessions[0]))
    kept = len(broker.sessions)
    broker.answers = False
    await running.connected(times=2)

    assert 1 == kept
    assert not running.task.done()


async def test_a_paused_connection_is_kept_alive_and_not_given_up(broker: FakeBroker, start: Start) -> None:
    """While memory is full nothing is read, answers to pings included."""
    broker.connack = ConnAckPacket(server_keep_alive=1)
    running = start(keep_alive_seconds=5)
    await running.connected()
    running.link.hold(Hold.MEMORY)
    broker.publish(1)
    await asyncio.sleep(2)
    during = (len(running.received), len(broker.sessions))
    running.link.release(Hold.MEMORY)
    await until(lambda: len(running.received) == 1)

    assert (0, 1) == during
    assert any(isinstance(packet, PingReqPacket) for packet in broker.sessions[0])


async def test_it_stays_away_while_memory_is_full(broker: FakeBroker, start: Start) -> None:
    """A new connection would bring everything unacknowledged once more, each time (D22)."""
    broker.connack = ConnAckPacket(server_keep_alive=1)
    running = start()
    await running.connected()
    running.link.hold(Hold.MEMORY)
    broker.drop()  # seen by the next ping only: nobody reads
    await until(lambda: running.state == "waiting")
    await asyncio.sleep(0.2)
    during = len(broker.sessions)
    running.link.release(Hold.MEMORY)
    await running.connected(times=2)

    assert 1 == during


# What operators are told


async def test_a_link_is_not_connected_until_the_consent_topic_is_read_whatever_else_holds_it(start: Start) -> None:
    """That is what operators see, and what /readyz goes by (K05)."""
    running = start()
    await running.connected()
    seen = []
    for change, why in (
        (running.link.hold, Hold.CONSENT),
        (running.link.hold, Hold.MEMORY),
        (running.link.release, Hold.MEMORY),
        (running.link.release, Hold.CONSENT),
    ):
        change(why)
        seen.append(running.state)

    assert ["held", "held", "held", "connected"] == seen


async def test_a_connection_that_delivers_nothing_is_made_anew(broker: FakeBroker, start: Start) -> None:
    """Pings are answered, the socket is up, and still (lesson 13); counted as such."""
    running = start(watchdog_silence_seconds=0.05, watchdog_answer_seconds=0.1)
    await running.connected()
    broker.echoes = False
    await running.connected(times=2)

    assert running.metrics.links.lost["reports", Loss.WATCHDOG] >= 1
    assert 0 == running.metrics.links.lost["reports", Loss.KEEP_ALIVE]


async def test_a_broker_that_refuses_our_own_message_is_told_of(broker: FakeBroker, start: Start) -> None:
    """From the first connection on, not after the first silence; it is never called connected."""
    broker.allows_probes = False
    running = start()
    await until(lambda: len(broker.sessions) >= 3)
    said, state = running.link.state(), running.state
    broker.allows_probes = True
    await running.connected()

    assert said.startswith("the broker refused a message of our own on ueip/probe/ueip-collector: not authorized")
    assert "connected" != state
    assert "connected" == running.link.state()


async def test_a_session_taken_over_is_told_and_left_alone_for_longer(broker: FakeBroker, start: Start) -> None:
    """Two collectors of one name would throw each other out for ever; people have to part them (3.1.4-3)."""
    running = start(reconnect_max_seconds=30.0)
    await running.connected()
    broker.say_goodbye(DisconnectReasonCode.SESSION_TAKEN_OVER)
    await until(lambda: running.state == "waiting")
    await asyncio.sleep(0.5)  # an ordinary loss would have been over by now

    assert 1 == len(broker.sessions)
    assert 1 == running.metrics.links.lost["reports", Loss.TAKEN_OVER]
    assert running.link.state() == (
        "another collector took the session over: two share broker.client_id = 'ueip-collector'. Give each its own"
    )


def test_the_pause_of_one_taken_over_is_drawn_from_minutes() -> None:
    """Once: what comes after it is an ordinary failure again."""
    trouble = Trouble("reports", BrokerSettings(reconnect_max_seconds=30.0), Metrics())
    trouble.lost("session_taken_over")
    first, second = trouble.pause_seconds(lasted=1), trouble.pause_seconds(lasted=1)

    assert 75 <= first <= 300
    assert second <= 30


@pytest.mark.parametrize("known", [False, True], ids=["first run", "known to the broker"])
async def test_a_lost_session_is_told_where_one_was_expected(broker: FakeBroker, start: Start, *, known: bool) -> None:
    """At a first run there is none; later its loss may be a loss of messages. It subscribes again either way."""
    broker.connack = ConnAckPacket(session_present=False)
    running = start(known=known)
    await running.connected()
    at_first = running.metrics.links.sessions_lost["reports"]
    broker.drop()
    await running.connected(times=2)
    broker.connack = ConnAckPacket(session_present=True)
    broker.drop()
    await running.connected(times=3)

    assert (int(known), 1 + int(known)) == (at_first, running.metrics.links.sessions_lost["reports"])
    assert all(isinstance(packets[1], SubscribePacket) for packets in broker.sessions)


async def test_repeated_losses_are_counted_for_people_to_see(broker: FakeBroker, start: Start) -> None:
    """One loss is an accident; many in a row have a cause. In a row are those that came within the longest pause."""
    running = start(reconnect_max_seconds=1)
    for times in (1, 2, 3):
        await running.connected(times)
        broker.say_goodbye(DisconnectReasonCode.SERVER_SHUTTING_DOWN)
        await until(lambda: running.state != "connected")
    said = running.link.state()
    await running.connected(4)

    assert re.fullmatch(r"the connection was lost: server shutting down \(\d times in a row\)", said)
    assert 3 == running.metrics.links.lost["reports", Loss.ENDED]


async def test_a_silence_is_measured_from_the_last_message(broker: FakeBroker, start: Start) -> None:
    """And is none while there is no connection."""
    running = start()
    before = running.link.silent_seconds()
    await running.connected()
    await until(lambda: running.link.silent_seconds() > 0.05)
    broker.publish(1)
    await until(lambda: running.link.silent_seconds() < 0.05)

    assert 0 == before


# Stopping


async def test_it_says_goodbye_when_it_stops(broker: FakeBroker, start: Start) -> None:
    """A normal disconnection, without a change of the session's expiry."""
    running = start()
    await running.connected()
    await running.link.stop()
    await running.task
    await until(lambda: bool(broker.goodbyes()))

    assert [DisconnectReasonCode.NORMAL_DISCONNECTION] == broker.goodbyes()
    assert "stopped" == running.state


@pytest.mark.parametrize("memory_full", [False, True])
async def test_it_stops_at_once_while_it_waits(unused_tcp_port: int, *, memory_full: bool) -> None:
    """Neither a pause nor full memory holds up the end of the process."""
    running = Running(BrokerSettings(port=unused_tcp_port, reconnect_max_seconds=30.0))
    if memory_full:
        running.link.hold(Hold.MEMORY)
    await until(lambda: running.state in {"waiting", "held"})
    await running.link.stop()
    async with asyncio.timeout(10):
        await running.task

    assert "stopped" == running.state


async def test_it_stops_though_a_connection_is_just_being_made(
    broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop before the connection stands is not forgotten by it."""
    loop = asyncio.get_running_loop()
    connect, under_way = loop.create_connection, asyncio.Event()

    async def slow(*args: object, **kwargs: object) -> object:
        under_way.set()
        await asyncio.sleep(0.05)
        made: Awaitable[object] = connect(*args, **kwargs)  # type: ignore[call-overload]
        return await made

    monkeypatch.setattr(loop, "create_connection", slow)
    running = Running(BrokerSettings(port=broker.port))
    await under_way.wait()
    await running.link.stop()
    async with asyncio.timeout(10):
        await running.task

    assert 0 == running.metrics.links.connects["reports"]


# Pauses


def pauses(monkeypatch: pytest.MonkeyPatch, *, longest: float) -> list[tuple[float, float]]:
    """The bounds between which each of twelve pauses in a row was drawn."""
    bounds: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        bounds.append((low, high))
        return 0.0

    monkeypatch.setattr("collector.ingest.trouble.random.uniform", uniform)
    trouble = Trouble("reports", BrokerSettings(reconnect_max_seconds=longest), Metrics())
    for _ in range(12):
        trouble.pause_seconds(lasted=0)
    return bounds


def test_pauses_grow_to_their_bound_and_are_drawn_at_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubling, never beyond the setting, never in step with other collectors (lesson 16)."""
    bounds = pauses(monkeypatch, longest=30.0)

    assert [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0, 30.0, 30.0] == [high for _, high in bounds]
    assert all(low == high / 4 for low, high in bounds)


def test_a_small_bound_holds_from_the_first_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also below the first step, and after any number of failures."""
    bounds = pauses(monkeypatch, longest=0.1)

    assert {0.1} == {high for _, high in bounds}


def test_pauses_begin_anew_after_a_connection_that_lasted() -> None:
    """A broker that dies every second is left alone longer and longer; one that dies once a day is not."""
    trouble = Trouble("reports", BrokerSettings(reconnect_max_seconds=30.0), Metrics())
    for _ in range(8):
        trouble.pause_seconds(lasted=1)

    assert trouble.pause_seconds(lasted=1) >= 7.5
    assert trouble.pause_seconds(lasted=31) <= 0.25


async def test_a_pause_is_as_long_as_drawn() -> None:
    """Not shorter, and the state says that it waits."""
    metrics = Metrics()
    link = Link("reports", BrokerSettings(), metrics, lambda _m, _t: None, lambda: None)
    began = time.monotonic()
    await link._pause(0.1)

    assert 0.09 < time.monotonic() - began < 1
    assert "waiting" == metrics.links.connection["reports"]


# What it takes along


def test_the_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    """Any bytes; read at every connect, so that a new one needs no restart."""
    file = tmp_path / "password"
    settings = BrokerSettings(username="collector", password_file=file)
    found = []
    for content in (b"secret\n", b"secret\r\nsecond\n", b"s\xe9cret", b" spaces \n", b"", b"\n"):
        file.write_bytes(content)
        found.append(connect_packet(settings, "c1").password)

    assert [b"secret", b"secret", b"s\xe9cret", b" spaces ", b"", b""] == found
    assert connect_packet(BrokerSettings(username="collector"), "c1").password is None


def test_a_file_that_is_no_password_is_a_wrong_one(tmp_path: Path) -> None:
    """However long it is: the broker refuses it, and the collector does not end for that."""
    file = tmp_path / "password"
    file.write_bytes(b"x" * 200_000)

    assert connect_packet(BrokerSettings(username="collector", password_file=file), "c1").write()


async def test_a_password_file_that_is_gone_is_waited_for(broker: FakeBroker, start: Start, tmp_path: Path) -> None:
    """It may be in the middle of being replaced; the collector does not end for that."""
    file = tmp_path / "password"
    running = start(username="collector", password_file=file)
    await until(lambda: running.state == "waiting")
    written = tmp_path / "written"  # first, for a file is empty for a moment
    written.write_bytes(b"secret\n")
    written.rename(file)
    await running.connected()
    [connect] = [packet for packet in broker.sessions[-1] if isinstance(packet, ConnectPacket)]

    assert b"secret" == connect.password


def test_what_is_subscribed_to_is_at_least_once() -> None:
    """For reports everything of the format, misspelt topics included; and what the connection sends to itself."""
    wanted = {name: topic_filters(name, "c1") for name in LINK_NAMES}

    own = "ueip/probe/c1"
    assert {"reports": ["ueip/v1/#", own], "consent": ["ueip/v1/+/consent", own, f"{own}/owner"]} == {
        name: [one.pattern for one in filters] for name, filters in wanted.items()
    }
    assert [2, 2] == [sum(one.max_qos == QoS.AT_LEAST_ONCE for one in filters) for filters in wanted.values()]


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    """An authority of the test's own, and its certificate in a file."""
    ca = trustme.CA()
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    return ca, file


def test_no_tls_means_none() -> None:
    """For a broker on this machine; the settings refuse any other."""
    assert tls_context(BrokerSettings()) is None


def test_tls_is_new_enough_and_the_peer_is_verified(authority: tuple[trustme.CA, Path]) -> None:
    """1.2 at least, name and chain checked (O78); nothing can switch that off."""
    context = tls_context(BrokerSettings(host="broker.example", tls=True, ca_file=authority[1]))

    assert context is not None
    assert ssl.TLSVersion.TLSv1_2 is context.minimum_version
    assert ssl.CERT_REQUIRED is context.verify_mode
    assert context.check_hostname
    assert 1 == len(context.get_ca_certs())


@pytest.mark.parametrize(("name", "accepted"), [("127.0.0.1", True), ("another.example", False)])
async def test_a_broker_is_believed_by_its_certificate_only(
    authority: tuple[trustme.CA, Path], tmp_path: Path, name: str, *, accepted: bool
) -> None:
    """And shows ours, when it asks for one."""
    ca, file = authority
    own = ca.issue_cert("collector@example.org")
    own.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(context)
    ca.issue_cert(name).configure_cert(context)
    broker = FakeBroker()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0, ssl=context)
    running = Running(
        BrokerSettings(
            port=server.sockets[0].getsockname()[1],
            tls=True,
            ca_file=file,
            cert_file=tmp_path / "cert.pem",
            key_file=tmp_path / "key.pem",
            reconnect_max_seconds=0.02,
        )
    )
    if accepted:
        await running.connected()
    else:
        await until(lambda: running.state == "waiting")
    await running.link.stop()
    async with asyncio.timeout(60):
        await running.task
    server.close()

    assert accepted == bool(running.metrics.links.connects["reports"])
    assert accepted == bool(broker.sessions)


async def test_it_stops_at_once_though_a_broker_hangs_after_the_handshake_of_tls(
    authority: tuple[trustme.CA, Path],
) -> None:
    """TLS waits half a minute for the other end's goodbye; who is told to stop does not."""
    ca, file = authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    there = asyncio.Event()

    def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        there.set()

    server = await asyncio.start_server(hang, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    running = Running(BrokerSettings(port=port, tls=True, ca_file=file))
    await there.wait()
    await until(lambda: running.link._session is not None)
    running.link.hold(Hold.END)
    await running.link.stop()
    async with asyncio.timeout(10):
        await running.task
    server.close()


# What is left with the broker


async def test_a_window_that_runs_out_of_places_is_widened(
    broker: FakeBroker, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a new connection, at once, with goodbye said; it is no loss."""
    monkeypatch.setattr("collector.ingest.window._SHORTEST_LIFE", 0)
    running = start(receive_maximum=10)
    await running.connected()
    begun: list[int] = []
    running.link._begins = lambda: begun.append(len(running.received))
    broker.publish(1, 2, 3, 4, 5, 6)
    await until(lambda: len(running.received) == 6)
    for _, token in running.received[:5]:
        token.leave()
        running.link.left()
    running.received[5][1].complete()
    await running.connected(2)
    connects = [packet for session in broker.sessions for packet in session if isinstance(packet, ConnectPacket)]

    assert [10, 30] == [packet.receive_max for packet in connects]
    assert 6 in broker.acknowledged(0)
    assert {1, 2, 3, 4, 5}.isdisjoint(broker.acknowledged(0))
    assert [DisconnectReasonCode.NORMAL_DISCONNECTION] == broker.goodbyes(0)
    assert [6] == begun
    assert (30, 0) == running.link.window()
    assert 0 == running.metrics.links.lost.total()


async def test_what_was_left_is_asked_for_when_it_can_be_taken(
    broker: FakeBroker, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If there is nothing, no connection is given up for it."""
    monkeypatch.setattr("collector.ingest.window._SHORTEST_LIFE", 0)
    running = start(receive_maximum=2000)
    await running.connected()
    nothing = running.link.ask_again()
    broker.publish(1)
    await until(lambda: len(running.received) == 1)
    running.received[0][1].leave()
    during = running.link.window()
    something = running.link.ask_again()
    await running.connected(2)

    assert (False, True, (2000, 1)) == (nothing, something, during)
    assert (2000 + 4, 0) == running.link.window()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('::1', 1, 0, 0)"), "connection refused"),
        (ConnectionResetError(104, "Connection reset by peer"), "it hung up"),
        (socket.gaierror(-2, "Name or service not known"), "its name is not found"),
        (TimeoutError(), "no answer"),
        (UnicodeError("label too long"), "no name that a machine can have"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
        (OSError("Multiple exceptions: [Errno 111]"), "none of its addresses answers"),
        (ssl.SSLError(1, "x"), "TLS failed: no reason given"),
        (ConnectionLost("malformed_packet"), "malformed_packet"),
        (ValueError("x"), "ValueError"),
    ],
)
def test_why_no_connection_came_about_is_told_in_words(error: Exception, words: str) -> None:
    """Not by the names of Python's exceptions."""
    assert words == why_unreachable(error)
