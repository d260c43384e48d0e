"""`ueip check-config --broker`: whether the broker lets the collector do all that it needs to do."""

import asyncio
from collections.abc import Sequence
from typing import Final

from collector.config_broker import BrokerSettings
from collector.config_files import tls_context
from collector.ingest.codec import DisconnectReasonCode
from collector.ingest.connection import Connection, ConnectionLost
from collector.ingest.packets import Membership, client_id_of, connect_packet, topic_filters
from collector.ingest.session import CONNECT_SECONDS
from collector.ingest.watchdog import Watchdog, probe_topic
from collector.link_metrics import LINK_NAMES, LinkName
from collector.source_settings import SourceSettings

_LOOK_SECONDS: Final = 0.01


async def check_broker(settings: BrokerSettings, sources: Sequence[SourceSettings] = ()) -> str:
    """Make both connections once, under other names and without sessions, and send a message to ourselves on each.

    Returns what was granted, in words.

    Raises:
        BrokerRefused: the broker said no.
        OSError, TimeoutError, ConnectionLost: it could not be reached, went away, or did not deliver our message.
    """
    window = [await _check_one(name, settings, sources if name == "reports" else ()) for name in LINK_NAMES]
    return f"broker takes up to {min(window)} unacknowledged messages from us"


async def _check_one(name: LinkName, settings: BrokerSettings, sources: Sequence[SourceSettings]) -> int:
    once = settings.model_copy(update={"session_expiry_seconds": 0})
    client_id = client_id_of(name, f"{settings.client_id[:50]}-check")
    connection = Connection(connect_packet(once, client_id), lambda _, __: None, lambda: None)
    # A group of its own: messages that the broker gave to this connection would be taken by nobody.
    membership = Membership(f"{settings.share_group}-check" if settings.share_group else None)
    loop, returned = asyncio.get_running_loop(), asyncio.Event()
    watchdog = Watchdog(connection, probe_topic(client_id), once, returned=returned.set)
    async with asyncio.timeout(CONNECT_SECONDS):
        await loop.create_connection(lambda: connection, once.host, once.port, ssl=tls_context(once))
        try:
            answer = await connection.handshake(topic_filters(name, client_id, sources, membership))
            watchdog.ask()
            while not returned.is_set():
                if connection.closed.done():
                    raise watchdog.refusal or ConnectionLost(connection.closed.result())
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            connection.close(DisconnectReasonCode.NORMAL_DISCONNECTION, "checked")
    return answer.receive_max
