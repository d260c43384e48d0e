"""The exchange with the broker before messages come: CONNECT, SUBSCRIBE, UNSUBSCRIBE, and its answers.

Rule 1: less than what was asked for is a refusal: a subscription that is missing, or granted at QoS 0, loses messages.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from collector.errors import BrokerRefused
from collector.ingest.codec import (
    ConnAckPacket,
    ConnAckReasonCode,
    Packet,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
    UnsubAckPacket,
    UnsubscribePacket,
)

SUBSCRIBE_ID: Final = 1


class Handshake:
    """The handshake of one connection; *send* writes to it."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self._send = send
        self._connected: asyncio.Future[ConnAckPacket] = loop.create_future()
        self._subscribed: asyncio.Future[SubAckPacket] = loop.create_future()
        self._unsubscribed: asyncio.Future[UnsubAckPacket] = loop.create_future()

    def take(self, packet: Packet) -> bool:
        """Take an answer of the broker; False if nobody waits for such a packet."""
        match packet:
            case ConnAckPacket() if not self._connected.done():
                self._connected.set_result(packet)
            case SubAckPacket() if not self._subscribed.done():
                self._subscribed.set_result(packet)
            case UnsubAckPacket() if not self._unsubscribed.done():
                self._unsubscribed.set_result(packet)
            case _:
                return False
        return True

    def lost(self, error: Exception) -> None:
        """The connection is gone: let everybody who waits know."""
        for waiting in (self._connected, self._subscribed, self._unsubscribed):
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # somebody may have stopped waiting; that is no error
        self._send = _nowhere  # it belongs to the connection, which holds this handshake

    async def connected(self) -> ConnAckPacket:
        """Wait for the answer to CONNECT.

        Raises:
            BrokerRefused: the broker said no.
        """
        answer = await self._connected
        if answer.reason_code != ConnAckReasonCode.SUCCESS:
            raise BrokerRefused(f"the broker refused the connection: {_words(answer.reason_code)}")
        return answer

    async def subscribe(self, filters: list[TopicFilter]) -> None:
        """Subscribe, and wait for the grants.

        Raises:
            BrokerRefused: one is missing, or less than was asked for.
        """
        self._send(SubscribePacket(SUBSCRIBE_ID, filters).write())
        codes = (await self._subscribed).reason_codes
        if len(codes) != len(filters):
            raise BrokerRefused(
                f"the broker answered {len(codes)} of {len(filters)} subscriptions; messages could be lost"
            )
        for wanted, code in zip(filters, codes, strict=True):
            # The stub calls the codes IntEnum; at run time they only convert to int.
            if int(code) >= 0x80:  # noqa: PLR2004 - MQTT 5, 3.9.3: refusals
                raise BrokerRefused(f"the broker refused the subscription to {wanted.pattern}: {_words(code)}")
            if int(code) < int(wanted.max_qos):
                raise BrokerRefused(f"the broker grants {wanted.pattern} at QoS 0 only; messages could be lost")

    async def unsubscribe(self, unwanted: Sequence[str]) -> None:
        """End subscriptions; after subscribing, so that there is no moment without one.

        Raises:
            BrokerRefused: one was not ended.
        """
        self._send(UnsubscribePacket(SUBSCRIBE_ID, list(unwanted)).write())
        codes = (await self._unsubscribed).reason_codes
        if refused := [code for code in codes if int(code) >= 0x80]:  # noqa: PLR2004 - MQTT 5, 3.11.3: refusals
            raise BrokerRefused(f"the broker did not end a subscription: {_words(refused[0])}")


def _nowhere(data: bytes) -> None:
    """Where packets go once there is no connection."""


def _words(code: Any) -> str:
    return str(code.name).lower().replace("_", " ")
