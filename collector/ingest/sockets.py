"""What is asked of the kernel for a connection to the broker."""

import asyncio
import socket


def limit_unanswered(transport: asyncio.BaseTransport, seconds: float) -> None:
    """Have the kernel end a connection whose other end is gone without a word, also while we do not read from it.

    Otherwise it would repeat what we write for a quarter of an hour (tcp(7), tcp_retries2). TCP's own keep-alive would
    add nothing: MQTT's pings are written all the time.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = int(seconds * 1000)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
