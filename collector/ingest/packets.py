"""What we send to the broker at the start of a connection."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from collector.config_broker import BrokerSettings
from collector.ingest.claim import claim_topic
from collector.ingest.codec import ConnectPacket, QoS, RetainHandling, TopicFilter
from collector.ingest.watchdog import probe_topic
from collector.link_metrics import LinkName
from collector.source_settings import SourceSettings

_WANTED: Final[dict[LinkName, str]] = {"consent": "ueip/v1/+/consent", "reports": "ueip/v1/#"}
"""For reports wider than their topic: a misspelt one is a counted drop, and a join stays ahead of what follows it."""

_LONGEST_PASSWORD: Final = 65_534
"""Bytes; the codec writes no more."""
GROUP: Final = "ueip"
"""The group of the workers of a collector whose settings name none."""


class Membership(NamedTuple):
    """A collector's place among those that share the reports (docs/decisions/0022-many-workers.md)."""

    group: str | None = None
    """The group it shares with; None if it is alone."""
    former: str | None = None
    """A group that its session may be a member of, from a time when it was not alone."""
    leaves: bool = False
    """Whether it takes nothing new, delivers what waits for it, and ends its sessions."""

    @property
    def shares(self) -> bool:
        """Whether messages may come through a shared subscription."""
        return self.group is not None or self.former is not None


ALONE: Final = Membership()


def client_id_of(name: LinkName, client_id: str) -> str:
    """The name of a connection's session: one name has one connection at a time (MQTT 5, 3.1.4-3)."""
    return client_id if name == "reports" else f"{client_id}-{name}"


def connect_packet(settings: BrokerSettings, client_id: str, window: int | None = None) -> ConnectPacket:
    """CONNECT for a persistent session with a bounded window (D22), the usual one or *window*."""
    # An empty file is a wrong password, and so is a file of something else: the broker will say so. Neither must end
    # the process.
    lines = settings.password_file.read_bytes().splitlines() or [b""] if settings.password_file else [None]
    return ConnectPacket(
        client_id,
        username=settings.username,
        password=lines[0] and lines[0][:_LONGEST_PASSWORD],
        clean_start=False,
        keep_alive=settings.keep_alive_seconds,
        session_expiry_interval=settings.session_expiry_seconds,
        receive_max=window or settings.receive_maximum,
        max_packet_size=settings.max_packet_bytes,
    )


def sender_of(settings: BrokerSettings, sources: Sequence[SourceSettings]) -> str | None:
    """The user property that names the publisher, if a source asks for it; all others stay unread (F9)."""
    return settings.sender_property if any(source.router_from == "sender" for source in sources) else None


def topic_filters(
    name: LinkName, client_id: str, sources: Sequence[SourceSettings] = (), membership: Membership = ALONE
) -> list[TopicFilter]:
    """What a connection subscribes to: its messages, its own probe; the claims to it, or the topics of other sources.

    Every collector gets all consent events, members of a group too. One that leaves subscribes to no messages.

    Retained messages come at every connect, because consent events are wanted then. No topic matches two filters of
    one connection: brokers would deliver its messages twice.
    """
    # The messages that clear retained reports are our own, and not to be read (3.8.3.1, No Local).
    always = RetainHandling.SEND_ALWAYS
    wanted = [TopicFilter(_WANTED[name], max_qos=QoS.AT_LEAST_ONCE, retain_handling=always, no_local=True)]
    if membership.leaves:
        wanted = []
    own = TopicFilter(probe_topic(client_id), max_qos=QoS.AT_LEAST_ONCE, retain_handling=RetainHandling.SEND_NEVER)
    if name == "consent":
        # Claims must not be queued, or old ones would come out of the queue.
        claims = claim_topic(client_id)
        return [*wanted, own, TopicFilter(claims, max_qos=QoS.AT_MOST_ONCE, retain_handling=RetainHandling.SEND_ALWAYS)]
    # Retained reports are dropped anyway (G2).
    never = RetainHandling.SEND_NEVER
    if membership.leaves:
        return [own]
    if membership.group is not None:
        # No Local is an error here (3.8.3.1), and nothing retained comes to a shared subscription (4.8.2).
        shared = _shared(membership.group, _topics(name, sources))
        return [own, *(TopicFilter(topic, max_qos=QoS.AT_LEAST_ONCE, retain_handling=never) for topic in shared)]
    others = (TopicFilter(s.topic, max_qos=QoS.AT_LEAST_ONCE, retain_handling=never) for s in sources)
    return [*wanted, own, *others]


def unwanted_filters(name: LinkName, sources: Sequence[SourceSettings], membership: Membership) -> list[str]:
    """What the session may have subscribed to under another membership, and must not keep.

    Messages that it already holds for the collector stay in it.
    """
    group, former, leaves = membership
    alone = _topics(name, sources)
    if name == "consent":
        return alone if leaves else []
    no_more = [_shared(g, alone) for g in {group, former} if g is not None and (leaves or g != group)]
    return [*(alone if leaves or group is not None else []), *(topic for topics in no_more for topic in topics)]


def _topics(name: LinkName, sources: Sequence[SourceSettings]) -> list[str]:
    return [_WANTED[name], *(source.topic for source in sources if name == "reports")]


def _shared(group: str, topics: Sequence[str]) -> list[str]:
    return [f"$share/{group}/{topic}" for topic in topics]
