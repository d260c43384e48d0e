"""One connection, seen from a broker that is played by the test."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from collector.acks import Token
from collector.clock import TOLERANCE, Clock
from collector.config_broker import BrokerSettings
from collector.errors import BrokerRefused
from collector.ingest.codec import (
    ConnAckPacket,
    ConnAckReasonCode,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PacketReader,
    PingRespPacket,
    PublishPacket,
    QoS,
)
from collector.ingest.connection import REPLAY_SECONDS, Connection, ConnectionLost
from collector.ingest.packets import connect_packet, sender_of, topic_filters
from collector.model import Message
from collector.source_settings import SourceSettings

GRANTED = (1, 1)


class FakeTransport(asyncio.Transport):
    """Keeps what is written; says what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closing = False
        self.aborted = False
        self.reading = True

    def write(self, data: Any) -> None:
        assert not self.closing, "a write to a transport that is closing"
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Session:
    """A connection over a fake transport, and what came of it."""

    def __init__(
        self, settings: BrokerSettings | None = None, *, settle: bool = False, clock: Clock | None = None
    ) -> None:
        self.received: list[tuple[Message, Token]] = []
        self.reads = 0
        self._settle = settle
        self.transport = FakeTransport()
        packet = connect_packet(settings or BrokerSettings(), "c1")
        self.connection = Connection(packet, self._receive, self._read_done, clock=clock)
        self.connection.connection_made(self.transport)

    def _receive(self, message: Message, token: Token) -> None:
        self.received.append((message, token))
        if self._settle:
            token.complete()

    def _read_done(self) -> None:
        self.reads += 1

    def get(self, *packets: bytes) -> None:
        """The broker sends these in one go."""
        self.connection.take(b"".join(packets))

    def sent(self) -> list[Packet]:
        """What was written since the last call, as packets."""
        data = b"".join(self.transport.writes)
        self.transport.writes.clear()
        return list(PacketReader().feed(data))

    async def shake_hands(self, *, connack: ConnAckPacket | None = None, grants: Sequence[int] = GRANTED) -> None:
        """CONNACK, SUBSCRIBE, SUBACK."""
        task = asyncio.create_task(self.connection.handshake(topic_filters("reports", "c1")))
        await asyncio.sleep(0)
        self.get((connack or ConnAckPacket()).write())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.get(suback(*grants))
        await task


def suback(*codes: int) -> bytes:
    """A SUBACK for packet id 1 with these codes."""
    return bytes([0x90, 3 + len(codes), 0, 1, 0, *codes])


def publish(packet_id: int, payload: bytes = b"{}", *, retain: bool = False, duplicate: bool = False) -> bytes:
    """A PUBLISH at QoS 1."""
    return PublishPacket(
        "ueip/v1/r1/report",
        payload,
        qos=QoS.AT_LEAST_ONCE,
        packet_id=packet_id,
        retain=retain,
        duplicate=duplicate,
        user_properties=[("ueip", "true")],
        content_type="application/json",
    ).write()


def puback(*packet_ids: int) -> bytes:
    """PUBACKs with success, as MQTT 5, 3.4.2.1 has them."""
    return b"".join(bytes([0x40, 2, *packet_id.to_bytes(2, "big")]) for packet_id in packet_ids)


# Opening


def test_connect_says_what_the_collector_can_take() -> None:
    """A session that outlives us, a window, the longest packet; byte for byte by MQTT 5, 3.1."""
    settings = BrokerSettings(
        client_id="c1",
        username="u",
        keep_alive_seconds=60,
        session_expiry_seconds=3600,
        receive_maximum=500,
        max_packet_bytes=70_000,
    )
    packet = connect_packet(settings, "c1").write()
    header = b"\x00\x04MQTT\x05"
    flags = b"\x80"  # a user name; no password, no will, and clean start is false
    keep_alive = (60).to_bytes(2, "big")
    properties = {
        b"\x11" + (3600).to_bytes(4, "big"),
        b"\x21" + (500).to_bytes(2, "big"),
        b"\x27" + (70_000).to_bytes(4, "big"),
    }
    payload = b"\x00\x02c1" + b"\x00\x01u"
    length = sum(map(len, properties))
    start = header + flags + keep_alive + bytes([length])

    assert bytes([0x10, len(packet) - 2]) == packet[:2]
    assert start == packet[2 : 2 + len(start)]
    rest = packet[2 + len(start) :]
    assert payload == rest[length:]
    assert all(each in rest[:length] for each in properties)


async def test_it_opens_with_connect_and_nothing_else() -> None:
    """Subscribing before the broker accepted us would be lost on a refusal."""
    session = Session()
    [packet] = session.sent()

    assert "ConnectPacket" == type(packet).__name__


async def test_it_subscribes_once_to_everything_of_the_format() -> None:
    """At QoS 1, with what is retained at every connect; one filter for it, so that nothing is delivered twice."""
    session = Session()
    session.sent()
    await session.shake_hands()
    data = b"".join(session.transport.writes)
    # Options (3.8.3.1): QoS 1, retain as published, retain handling 0, and no local: what clears a retained report is
    # ours. Of our own probe, which is to come back, nothing is ever retained.
    filters = ((b"ueip/v1/#", 0x0D), (b"ueip/probe/c1", 0x29))
    wanted = [len(topic).to_bytes(2, "big") + topic + bytes([options]) for topic, options in filters]
    expected = b"\x00\x01\x00" + b"".join(wanted)

    assert bytes([0x82, len(expected)]) + expected == data


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (ConnAckReasonCode.NOT_AUTHORIZED, "not authorized"),
        (ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, "bad user name or password"),
        (ConnAckReasonCode.SERVER_BUSY, "server busy"),
        (ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION, "unsupported protocol version"),
    ],
)
async def test_a_refused_connection_gives_the_brokers_reason(code: ConnAckReasonCode, words: str) -> None:
    """In a sentence an operator can act on."""
    session = Session()
    with pytest.raises(BrokerRefused) as refused:
        await session.shake_hands(connack=ConnAckPacket(reason_code=code))

    assert f"the broker refused the connection: {words}" == str(refused.value)


@pytest.mark.parametrize(
    ("grants", "sentence"),
    [
        ((0x87, 1), "the broker refused the subscription to ueip/v1/#: not authorized"),
        ((0x80, 1), "the broker refused the subscription to ueip/v1/#: unspecified error"),
        ((0xA2, 1), "the broker refused the subscription to ueip/v1/#: wildcard subscriptions not supported"),
        ((0, 1), "the broker grants ueip/v1/# at QoS 0 only; messages could be lost"),
        ((1, 0x87), "the broker refused the subscription to ueip/probe/c1: not authorized"),
    ],
)
async def test_a_subscription_that_is_not_granted_is_refused(grants: tuple[int, int], sentence: str) -> None:
    """A SUBSCRIBE sent is not a SUBACK; a grant of QoS 0 is no promise to deliver."""
    session = Session()
    with pytest.raises(BrokerRefused) as refused:
        await session.shake_hands(grants=grants)

    assert sentence == str(refused.value)


@pytest.mark.parametrize("grants", [(), (1,), (1, 1, 1)])
async def test_an_answer_to_another_question_is_refused(grants: tuple[int, ...]) -> None:
    """One code a filter (3.9.3), or a subscription might be missing unseen."""
    session = Session()
    with pytest.raises(BrokerRefused) as refused:
        await session.shake_hands(grants=grants)

    assert f"the broker answered {len(grants)} of 2 subscriptions; messages could be lost" == str(refused.value)


async def test_a_connection_lost_before_its_answer_ends_the_handshake() -> None:
    """Whoever waits is told, whichever answer was due."""
    for answers in (0, 1):
        session = Session()
        task = asyncio.create_task(session.connection.handshake(topic_filters("reports", "c1")))
        await asyncio.sleep(0)
        if answers:
            session.get(ConnAckPacket().write())
            await asyncio.sleep(0)
        session.connection.connection_lost(ConnectionResetError())
        with pytest.raises(ConnectionLost, match="ConnectionResetError"):
            await task

        assert "ConnectionResetError" == await session.connection.closed


# Messages


async def test_a_message_is_handed_over_with_nothing_but_itself() -> None:
    """Topic, payload and retain flag; properties are data too and stay behind (F9)."""
    session = Session()
    await session.shake_hands()
    session.get(publish(7, b'{"ueip":true}'), publish(8, b"", retain=True), publish(7, b"again", duplicate=True))
    told = [(m.topic, m.payload, m.retained, token.packet_id) for m, token in session.received]

    assert [
        ("ueip/v1/r1/report", b'{"ueip":true}', False, 7),
        ("ueip/v1/r1/report", b"", True, 8),
        ("ueip/v1/r1/report", b"again", False, 7),
    ] == told
    assert abs(session.received[0][0].received_at - session.received[2][0].received_at) < 1000


async def test_nothing_is_acknowledged_before_it_is_settled() -> None:
    """Not on receipt, not at the end of a read."""
    session = Session()
    await session.shake_hands()
    session.sent()
    session.get(publish(1), publish(2))

    assert [] == session.transport.writes
    assert 2 == session.connection.acks.open_count


async def test_acknowledgements_leave_in_order_of_receipt() -> None:
    """Whatever was settled first (MQTT 5, 4.6.0-2)."""
    session = Session()
    await session.shake_hands()
    session.sent()
    session.get(publish(11), publish(12), publish(13))
    tokens = [token for _, token in session.received]
    tokens[2].complete()
    tokens[1].complete()
    before = list(session.transport.writes)
    tokens[0].complete()

    assert [] == before
    assert [puback(11, 12, 13)] == session.transport.writes


async def test_what_a_read_settles_is_acknowledged_in_one_write() -> None:
    """However many messages were in it: one system call, not a thousand."""
    session = Session(settle=True)
    await session.shake_hands()
    session.sent()
    session.get(*(publish(n) for n in range(1, 301)))

    assert [puback(*range(1, 301))] == session.transport.writes


async def test_the_end_of_each_read_is_told() -> None:
    """After its messages, and after a fault too: there memory is looked at."""
    session = Session()
    await session.shake_hands()
    reads = session.reads
    session.get(publish(1)[:5])
    session.get(publish(1)[5:])
    session.get(b"\x00\x00")

    assert 3 == session.reads - reads
    assert 1 == len(session.received)


async def test_qos_0_needs_no_acknowledgement() -> None:
    """It is handed over like any other, and its token answers nothing."""
    session = Session(settle=True)
    await session.shake_hands()
    session.sent()
    session.get(PublishPacket("ueip/v1/r1/report", b"{}").write(), publish(5))

    assert 2 == len(session.received)
    assert [puback(5)] == session.transport.writes


async def test_a_token_of_a_lost_connection_writes_nothing() -> None:
    """Neither on the old transport nor anywhere else."""
    session = Session()
    await session.shake_hands()
    session.get(publish(1))
    session.sent()
    session.connection.connection_lost(None)
    session.received[0][1].complete()

    assert [] == session.transport.writes
    assert "closed_by_peer" == await session.connection.closed


async def test_a_token_settled_while_closing_writes_nothing() -> None:
    """Between our goodbye and the end of the connection."""
    session = Session()
    await session.shake_hands()
    session.get(publish(1))
    session.connection.close(DisconnectReasonCode.NORMAL_DISCONNECTION, "stopped")
    session.sent()
    session.received[0][1].complete()

    assert [] == session.transport.writes


# Holding back


async def test_a_paused_connection_is_not_read() -> None:
    """The transport is told once, and once again to go on."""
    session = Session()
    await session.shake_hands()
    session.connection.pause()
    paused = (session.connection.paused, session.transport.reading)
    session.connection.pause()
    session.connection.resume()
    resumed = (session.connection.paused, session.transport.reading)
    session.transport.reading = False
    session.connection.resume()

    assert (True, False) == paused
    assert (False, True) == resumed
    assert not session.transport.reading


async def test_a_paused_connection_still_acknowledges() -> None:
    """What was received before is settled meanwhile."""
    session = Session()
    await session.shake_hands()
    session.get(publish(1))
    session.sent()
    session.connection.pause()
    session.received[0][1].complete()

    assert [puback(1)] == session.transport.writes


# Ending


async def test_we_say_goodbye_once() -> None:
    """With a reason, and without a will or a change of the session."""
    session = Session()
    await session.shake_hands()
    session.sent()
    session.connection.close(DisconnectReasonCode.NORMAL_DISCONNECTION, "stopped")
    session.connection.close(DisconnectReasonCode.NORMAL_DISCONNECTION, "twice")

    assert [bytes.fromhex("e000")] == session.transport.writes
    assert session.transport.closing
    assert "stopped" == await session.connection.closed


async def test_a_broker_that_disconnects_gives_its_reason() -> None:
    """Which is what operators are told; no answer is due."""
    session = Session()
    await session.shake_hands()
    session.sent()
    session.get(DisconnectPacket(reason_code=DisconnectReasonCode.SESSION_TAKEN_OVER).write())

    assert [] == session.transport.writes
    assert session.transport.closing
    assert "session_taken_over" == await session.connection.closed


@pytest.mark.parametrize(
    "unexpected",
    [
        ConnAckPacket().write(),
        suback(1, 1),
        puback(1),
        bytes.fromhex("c000"),  # PINGREQ, which is ours to send
        bytes.fromhex("82 0a 0001 00 0004 61626364 00".replace(" ", "")),
    ],
    ids=["a second CONNACK", "a second SUBACK", "PUBACK", "PINGREQ", "SUBSCRIBE"],
)
async def test_a_packet_out_of_place_is_a_protocol_error(unexpected: bytes) -> None:
    """The broker is told so and loses the connection; the session stays with it."""
    session = Session()
    await session.shake_hands()
    session.sent()
    session.get(unexpected)
    [goodbye] = session.sent()

    assert isinstance(goodbye, DisconnectPacket)
    assert DisconnectReasonCode.PROTOCOL_ERROR is goodbye.reason_code
    assert "protocol_error" == await session.connection.closed


async def test_bytes_that_are_not_mqtt_5_are_a_malformed_packet() -> None:
    """What came before them in the same read is handed over and acknowledged."""
    session = Session()
    await session.shake_hands()
    session.sent()
    session.get(publish(1), b"\x00\x00\x00")
    [goodbye] = session.sent()

    assert isinstance(goodbye, DisconnectPacket)
    assert DisconnectReasonCode.MALFORMED_PACKET is goodbye.reason_code
    assert 1 == len(session.received)
    assert session.transport.closing


async def test_an_answer_to_a_ping_is_expected() -> None:
    """And a ping is two bytes."""
    session = Session()
    await session.shake_hands()
    session.sent()
    session.connection.ping()
    session.get(PingRespPacket().write())

    assert [bytes.fromhex("c000")] == session.transport.writes
    assert not session.transport.closing


async def test_a_connection_that_does_not_answer_is_dropped() -> None:
    """Without a goodbye that nobody would hear."""
    session = Session()
    await session.shake_hands()
    session.sent()
    session.connection.abort("no_answer")

    assert [] == session.transport.writes
    assert session.transport.aborted
    assert "no_answer" == await session.connection.closed


# Who published


@pytest.mark.parametrize(
    ("properties", "sender"),
    [
        ([("user", "r1")], "r1"),
        ([("x", "y"), ("user", "r1")], "r1"),
        ([("User", "r1")], None),
        ([], None),
        ([("user", "r1"), ("user", "r1")], None),
        ([("user", "r1"), ("user", "r2")], None),
    ],
)
@pytest.mark.parametrize("wanted", ["user", None])
async def test_the_sender_is_what_the_one_property_says(
    properties: list[tuple[str, str]], sender: str | None, wanted: str | None
) -> None:
    """Once and by the name the settings give; without such a setting no property is looked at (F9)."""
    received: list[Message] = []
    packet = PublishPacket("zte/r9/status", b"{}", user_properties=properties)
    connection = Connection(
        connect_packet(BrokerSettings(), "c1"), lambda message, _: received.append(message), lambda: None, wanted
    )
    connection.connection_made(FakeTransport())

    connection.take(packet.write())

    assert [sender if wanted else None] == [message.sender for message in received]


def test_no_property_is_looked_at_unless_a_source_asks_for_it() -> None:
    """A setting alone is no wish."""
    settings = BrokerSettings(sender_property="user")
    topic = SourceSettings(name="a", topic="a/+", format="goform", router_level=2)
    sender = SourceSettings(name="b", topic="b/+", format="goform", router_from="sender")

    assert [None, None, "user"] == [sender_of(settings, sources) for sources in ([], [topic], [topic, sender])]


# The collector's own clock


async def test_what_is_read_by_a_clock_that_went_back_is_given_up_whole() -> None:
    """Not one message of it is handed over or acknowledged: on another connection it comes again (K38)."""
    now = 1_780_000_000.0
    clock = Clock(lambda: now)
    clock.look()
    session = Session(settle=True, clock=clock)
    await session.shake_hands()
    session.get(publish(1))
    now -= TOLERANCE / 1000
    session.get(publish(2))
    handed_over = [message.received_at for message, _ in session.received]
    session.transport.writes.clear()
    now -= 1
    session.get(publish(3), publish(4))

    assert [1_780_000_000_000, 1_780_000_000_000 - TOLERANCE] == handed_over
    assert 2 == len(session.received)
    assert [] == session.transport.writes
    assert session.transport.aborted
    assert "clock_behind" == session.connection.closed.result()


async def test_only_a_retained_message_soon_after_subscribing_is_taken_for_an_old_one() -> None:
    """An exit that the broker kept may be older than a join; one that comes now takes effect now (D4, D5)."""
    now = 1_780_000_000.0
    session = Session(clock=Clock(lambda: now))
    await session.shake_hands()
    session.get(publish(1, retain=True), publish(2))
    now += REPLAY_SECONDS
    session.get(publish(3, retain=True), publish(4))

    seen = [(message.retained, message.replayed) for message, _ in session.received]
    assert [(True, True), (False, False), (True, False), (False, False)] == seen


async def test_what_comes_and_an_end_of_a_pause_begin_the_silence_anew() -> None:
    """While it was not read nothing could come: that is not held against the broker."""
    session = Session()
    connection = session.connection
    seen = []
    answer: Callable[[], None] = lambda: session.get(PingRespPacket().write())  # noqa: E731 - beside its likes
    for begins in (answer, connection.pause, connection.resume):
        connection.last_received = 0.0
        begins()
        seen.append(connection.last_received > 0)

    assert [True, False, True] == seen
