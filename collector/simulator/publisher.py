"""Sends publications to a broker over MQTT 5, QoS 1, with a bound on what is unacknowledged.

Rule 1: at most the agreed number of messages is in flight, so memory is bounded whatever the broker does.
Rule 2: after the first connection a broker that goes away is waited for; what was unacknowledged is sent again.
"""

import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from collector.simulator.errors import SimulationError
from collector.simulator.publication import Publication

_MESSAGE_EXPIRY_SECONDS = 604_800  # 168 h: what the collector would refuse as too old need not wait in the broker
_CONNECT_SECONDS = 10.0
_WAKE_SECONDS = 0.5
_NOT_AUTHORISED = 0x87
_HEADROOM_BYTES = 32  # fixed header, packet id and properties around topic and payload


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A broker and how to sign in there. TLS is used if *ca_file* or *cert_file* is given."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    client_id: str = "ueip-simulator"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Stopped(Exception):
    """Raised by `Publisher.publish` when its stop event is set while it waits for room."""


class Publisher:
    """A connection that publishes; a context manager, connected inside the `with`."""

    def __init__(self, endpoint: Endpoint, *, max_in_flight: int = 500, stop: threading.Event | None = None) -> None:
        """Prepare to publish to *endpoint*; *stop* interrupts a publish that waits for a broker that is away."""
        self._endpoint = endpoint
        self._stop = stop or threading.Event()
        self._max_in_flight = self._limit = max_in_flight
        self._max_packet_bytes: int | None = None
        self._in_flight = 0
        self._fault: str | None = None
        self._answered = threading.Event()
        self._changed = threading.Condition()
        self._client = self._new_client()
        self.published = 0
        self.acknowledged = 0
        self.refused = 0

    def __enter__(self) -> Self:
        try:
            self._client.connect(self._endpoint.host, self._endpoint.port, keepalive=30)
        except (OSError, ValueError) as error:
            raise SimulationError(
                f"No broker answers at {self._endpoint} ({getattr(error, 'strerror', None) or error}): "
                "start one there or give another address."
            ) from error
        self._client.loop_start()
        if not self._answered.wait(_CONNECT_SECONDS):
            self._fault = f"What answers at {self._endpoint} does not speak MQTT 5: give the address of a broker."
        if self._fault is not None:
            self._close()
            raise SimulationError(self._fault)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def publish(self, publication: Publication) -> None:
        """
        Send *publication*; waits while too much is in flight, also for a broker that is away.

        Raises SimulationError if the broker does not let this user publish, `Stopped` if the stop event is set.
        """
        self.published += 1
        if self._too_large(publication):
            # A broker hangs up on a packet larger than it announced, and would again at every resend.
            self.refused += 1
            return
        with self._changed:
            while self._in_flight >= self._limit:
                self._check()
                self._changed.wait(_WAKE_SECONDS)
            self._check()
            self._in_flight += 1
        self._client.publish(
            publication.topic,
            publication.payload,
            publication.qos,
            publication.retain,
            _CONSENT_PROPERTIES if publication.topic.endswith("/consent") else _REPORT_PROPERTIES,
        )

    def wait(self, timeout_seconds: float) -> None:
        """
        Return once the broker has acknowledged everything.

        Raises SimulationError if it has not after *timeout_seconds*, or does not let this user publish.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while self._in_flight and self._fault is None and time.monotonic() < deadline:
                self._changed.wait(min(_WAKE_SECONDS, max(0.0, deadline - time.monotonic())))
            if self._fault is not None:
                raise SimulationError(self._fault)
            if self._in_flight:
                raise SimulationError(
                    f"The broker at {self._endpoint} left {self._in_flight} messages unacknowledged for "
                    f"{timeout_seconds:g} s: see whether it is running and has room, then start again."
                )

    def _check(self) -> None:
        if self._fault is not None:
            raise SimulationError(self._fault)
        if self._stop.is_set():
            self.published -= 1
            raise Stopped

    def _too_large(self, publication: Publication) -> bool:
        size = len(publication.topic) + len(publication.payload) + _HEADROOM_BYTES
        return self._max_packet_bytes is not None and size > self._max_packet_bytes

    def _new_client(self) -> Client:
        endpoint = self._endpoint
        client = Client(CallbackAPIVersion.VERSION2, client_id=endpoint.client_id, protocol=MQTTv5)
        if endpoint.username is not None:
            client.username_pw_set(endpoint.username, endpoint.password)
        if endpoint.ca_file is not None or endpoint.cert_file is not None:
            client.tls_set_context(_tls(endpoint))
        client.max_inflight_messages_set(self._max_in_flight)
        client.reconnect_delay_set(min_delay=1, max_delay=15)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        return client

    def _close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        with self._changed:
            if reason.is_failure and not self._answered.is_set():
                self._fault = (
                    f"The broker at {self._endpoint} refused the connection ({reason}): "
                    "check user name, password and certificate."
                )
            # Absent from the answer means: no limit of the broker's own.
            allowed = int(getattr(properties, "ReceiveMaximum", 65_535))
            self._limit = min(self._max_in_flight, allowed)
            self._max_packet_bytes = getattr(properties, "MaximumPacketSize", None)
            self._answered.set()

    def _on_publish(
        self, _client: Client, _data: Any, _mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._changed:
            self._in_flight -= 1
            if reason.is_failure:
                self.refused += 1
            else:
                self.acknowledged += 1
            if reason.value == _NOT_AUTHORISED:
                self._fault = (
                    f"The broker at {self._endpoint} does not let {self._endpoint.username or 'an anonymous user'} "
                    "publish: give that user the right to write ueip/v1/#."
                )
            self._changed.notify_all()


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=endpoint.ca_file)
        if endpoint.cert_file is not None:
            context.load_cert_chain(endpoint.cert_file, endpoint.key_file)
    except (OSError, ssl.SSLError) as error:
        raise SimulationError(
            f"The TLS files for {endpoint} cannot be used ({error}): give PEM files that exist and belong together."
        ) from error
    return context


def _properties(**values: int) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho annotates all but this
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


_REPORT_PROPERTIES = _properties(MessageExpiryInterval=_MESSAGE_EXPIRY_SECONDS)
_CONSENT_PROPERTIES = _properties()  # what an owner decided does not go stale
