"""A stream of bytes, however it is cut, gives the same packets; what is not MQTT 5 is one kind of fault."""

import contextlib
import time
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from collector.ingest.codec import (
    ConnAckPacket,
    ConnAckReasonCode,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PacketReader,
    PingRespPacket,
    ProtocolFault,
    PubAckPacket,
    PublishPacket,
    QoS,
    pubacks,
)


def publish(packet_id: int, payload: bytes = b"{}", *, topic: str = "ueip/v1/r1/report", retain: bool = False) -> bytes:
    """A PUBLISH at QoS 1."""
    return PublishPacket(topic, payload, qos=QoS.AT_LEAST_ONCE, packet_id=packet_id, retain=retain).write()


STREAM = b"".join(
    [
        ConnAckPacket(session_present=True, receive_max=20).write(),
        publish(1, b'{"ueip":true}'),
        PingRespPacket().write(),
        publish(2, b"", topic="ueip/v1/r2/consent", retain=True),
        PublishPacket("ueip/v1/r3/report", b"x" * 200).write(),
        publish(65535, bytes(range(256))),
        DisconnectPacket(reason_code=DisconnectReasonCode.SERVER_SHUTTING_DOWN).write(),
    ]
)


def told(packet: Packet) -> object:
    """What matters of a packet, so that packets can be compared."""
    if isinstance(packet, PublishPacket):
        return (packet.topic, packet.payload, packet.packet_id, packet.retain, packet.qos)
    if isinstance(packet, ConnAckPacket):
        return (packet.session_present, packet.reason_code, packet.receive_max)
    return type(packet).__name__


EXPECTED = [
    (True, ConnAckReasonCode.SUCCESS, 20),
    ("ueip/v1/r1/report", b'{"ueip":true}', 1, False, QoS.AT_LEAST_ONCE),
    "PingRespPacket",
    ("ueip/v1/r2/consent", b"", 2, True, QoS.AT_LEAST_ONCE),
    ("ueip/v1/r3/report", b"x" * 200, None, False, QoS.AT_MOST_ONCE),
    ("ueip/v1/r1/report", bytes(range(256)), 65535, False, QoS.AT_LEAST_ONCE),
    "DisconnectPacket",
]


def read(*pieces: bytes, reader: PacketReader | None = None) -> list[object]:
    """What a reader makes of these pieces."""
    reader = reader or PacketReader()
    return [told(packet) for piece in pieces for packet in reader.feed(piece)]


def test_a_stream_in_one_piece_gives_its_packets() -> None:
    """In order, all of them."""
    assert EXPECTED == read(STREAM)


def test_a_stream_cut_anywhere_gives_the_same_packets() -> None:
    """At every position there is."""
    for position in range(len(STREAM) + 1):
        assert EXPECTED == read(STREAM[:position], STREAM[position:])


def test_a_stream_of_single_bytes_gives_the_same_packets() -> None:
    """However slow the network."""
    assert EXPECTED == read(*(STREAM[n : n + 1] for n in range(len(STREAM))))


@given(st.sets(st.integers(0, len(STREAM))))
def test_a_stream_cut_in_many_places_gives_the_same_packets(cuts: set[int]) -> None:
    """Empty pieces among them."""
    edges = [0, *sorted(cuts), len(STREAM)]

    assert EXPECTED == read(*(STREAM[start:end] for start, end in pairwise(edges)))


@pytest.mark.parametrize("piece", [1000, 1460, 16_384])
def test_a_megabyte_comes_in_small_pieces(piece: int) -> None:
    """Whole, and in a time that is no multiple of its square."""
    payload = Random(piece).randbytes(1 << 20)
    data = publish(7, payload) + publish(8)
    began = time.perf_counter()
    packets = read(*(data[start : start + piece] for start in range(0, len(data), piece)))

    assert [payload, b"{}"] == [packet[1] for packet in packets if isinstance(packet, tuple)]
    assert time.perf_counter() - began < 2


def test_a_packet_longer_than_we_said_is_a_fault() -> None:
    """At its first bytes, before anything is gathered: memory is bounded whatever the broker sends (D22)."""
    data = publish(1, b"x" * 1000)
    with pytest.raises(ProtocolFault):
        read(data[:10], reader=PacketReader(len(data) - 1))

    assert [("ueip/v1/r1/report", b"x" * 1000, 1, False, QoS.AT_LEAST_ONCE)] == read(
        data[:10], data[10:], reader=PacketReader(len(data))
    )


NOT_UTF_8 = bytes.fromhex("30 05 0002 fffe 00")

GARBAGE = {
    "a web server": b"HTTP/1.1 400 Bad Request\r\n" + b"Server: none\r\n" * 9 + b"\r\n",
    "MQTT 3.1.1": bytes.fromhex("20 02 00 00"),
    "a topic that is not UTF-8": NOT_UTF_8,
    "a topic longer than its packet": bytes.fromhex("30 05 0064 61 62 63"),
    "a length without end": bytes.fromhex("30 ff ff ff ff 7f"),
    "a packet of no kind": bytes.fromhex("00 00"),
    "a QoS of 3": bytes.fromhex("36 05 0001 61 0001"),
    "a property of no kind": bytes.fromhex("30 05 0001 61 01 7f"),
    "a reason of no kind": bytes.fromhex("20 03 00 77 00"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_not_mqtt_5_is_a_fault(name: str) -> None:
    """One kind, which says nothing of what came; what was whole before it is handed over first."""
    found: list[Packet] = []
    with pytest.raises(ProtocolFault) as fault:
        found += PacketReader().feed(GARBAGE[name])
    with contextlib.suppress(ProtocolFault):
        # One by one: what was handed over before the fault counts.
        found.extend(PacketReader().feed(publish(1) + GARBAGE[name]))

    assert [("ueip/v1/r1/report", b"{}", 1, False, QoS.AT_LEAST_ONCE)] == [told(packet) for packet in found]
    assert ("", True) == (str(fault.value), fault.value.__suppress_context__)


def test_a_broken_topic_is_a_fault_byte_by_byte_as_well() -> None:
    """The codec panics on it, and a panic is no `Exception`."""
    with pytest.raises(ProtocolFault):
        read(*(NOT_UTF_8[n : n + 1] for n in range(len(NOT_UTF_8))))


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 60), st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255))))
def test_no_bytes_do_more_than_fault(noise: bytes, cut: int, flips: list[tuple[int, int]]) -> None:
    """Noise, or a good stream with some bytes changed, in any pieces: packets or the one fault."""
    changed = bytearray(STREAM)
    for position, value in flips:
        changed[position % len(changed)] = value
    for data in (noise, bytes(changed)):
        reader = PacketReader(100_000)
        try:
            read(data[:cut], data[cut:], reader=reader)
        except ProtocolFault:
            continue
        assert len(reader._rest) <= len(data)


def test_acknowledgements_are_what_the_codec_makes_of_each() -> None:
    """For every packet id that there is, and for none at all."""
    ids = range(1, 65_536)

    assert b"".join(PubAckPacket(packet_id).write() for packet_id in ids) == pubacks(ids)
    assert b"" == pubacks([])
