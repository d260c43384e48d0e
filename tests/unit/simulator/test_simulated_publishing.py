"""Publishing to a real broker: everything arrives, faults are sentences, a broker that goes away is waited for."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from collector.simulator import (
    Endpoint,
    Fleet,
    Highlight,
    Phase,
    Progress,
    Publication,
    Publisher,
    SimulationError,
    run,
)


class Listener:
    """Everything below ueip/v1, as a subscriber sees it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.messages: list[MQTTMessage] = []
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="listener", protocol=MQTTv5)
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.connect(endpoint.host, endpoint.port)
        self._client.subscribe("ueip/v1/#", options=SubscribeOptions(qos=1, retainAsPublished=True))
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.messages.append(message)

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed.set()

    def await_count(self, count: int) -> None:
        deadline = time.monotonic() + 15
        while len(self.messages) < count and time.monotonic() < deadline:
            time.sleep(0.02)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def listening(endpoint: Endpoint) -> Iterator[Listener]:
    listener = Listener(endpoint)
    try:
        yield listener
    finally:
        listener.close()


def publications(rounds: int = 1, size: int = 60) -> list[Publication]:
    start = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
    fleet = Fleet(size=size, seed=7, start=start)
    return [p for n in range(rounds) for p in fleet.round(start + n * timedelta(minutes=5))]


def test_a_run_delivers_what_its_tally_says(broker: Any) -> None:
    """History first, then live rounds; every message arrives at a subscriber, none twice, none in the future."""
    endpoint = broker.start("allow_anonymous true")
    told: list[Progress] = []
    introduced: list[Highlight] = []
    with listening(endpoint) as listener:
        tally = run(
            endpoint, size=60, seed=7, history=timedelta(hours=1), step=timedelta(minutes=5), interval_seconds=0.0,
            rounds=6, progress=told.append, introduce=introduced.extend,
        )  # fmt: skip
        listener.await_count(tally.published)

    assert tally.published == tally.acknowledged == len(listener.messages) == tally.expectations.total()
    assert tally.refused == 0
    assert [Phase.HISTORY] * 12 + [Phase.LIVE] * 6 == [progress.phase for progress in told]
    assert tally.rounds == 18
    assert max(progress.simulated for progress in told) <= datetime.now(UTC)
    assert len(introduced) == 5
    assert tally.expectations["consent"] == sum(m.topic.endswith("/consent") for m in listener.messages)


def test_messages_carry_quality_expiry_and_retain_flag(broker: Any) -> None:
    """QoS 1 and an expiry for reports; what an owner decided does not expire."""
    endpoint = broker.start("allow_anonymous true")
    sent = publications(rounds=3)
    with listening(endpoint) as listener, Publisher(endpoint) as publisher:
        for publication in sent:
            publisher.publish(publication)
        publisher.wait(20)
        listener.await_count(len(sent))

    assert Counter(p.payload for p in sent) == Counter(bytes(m.payload) for m in listener.messages)
    assert {1} == {m.qos for m in listener.messages}
    assert sum(p.retain for p in sent) == sum(m.retain for m in listener.messages)
    for message in listener.messages:
        expiry = getattr(message.properties, "MessageExpiryInterval", None)
        assert (expiry is None) == message.topic.endswith("/consent")


def test_a_broker_that_goes_away_is_waited_for(broker: Any) -> None:
    """What was not acknowledged is sent once the broker is back."""
    endpoint = broker.start("allow_anonymous true")
    with Publisher(endpoint) as publisher:
        for publication in publications():
            publisher.publish(publication)
        publisher.wait(10)
        broker.stop()
        # Fewer than the broker's receive maximum, or publishing would wait for room.
        for publication in publications(size=15):
            publisher.publish(publication)
        broker.start("allow_anonymous true")
        publisher.wait(30)

        assert publisher.published == publisher.acknowledged


def test_a_full_window_waits_and_can_be_stopped(broker: Any) -> None:
    """With the broker away nothing piles up: the run stands still until somebody stops it."""
    endpoint = broker.start("allow_anonymous true")
    stop = threading.Event()
    phases: list[Progress] = []

    def progress(told: Progress) -> None:
        phases.append(told)
        if len(phases) == 1:
            broker.stop()
            threading.Timer(1.0, stop.set).start()

    tally = run(
        endpoint, size=600, seed=7, history=timedelta(0), step=timedelta(minutes=5), interval_seconds=0.0, rounds=None,
        progress=progress, stop=stop,
    )  # fmt: skip

    assert 0 < tally.published - tally.acknowledged <= 500
    assert tally.published == tally.expectations.total()


def test_no_broker_is_one_sentence_with_its_address() -> None:
    """Host, port, and what to do."""
    with pytest.raises(SimulationError, match=r"answers at 127\.0\.0\.1:1 \(Connection refused\): start one"):
        Publisher(Endpoint("127.0.0.1", 1)).__enter__()


def test_a_refused_user_is_one_sentence(broker: Any) -> None:
    """The broker's reason, and what to check."""
    endpoint = broker.start("allow_anonymous false")

    with (
        pytest.raises(SimulationError, match=r"refused the connection .*check user name, password"),
        Publisher(endpoint),
    ):
        pass


def test_a_user_without_the_right_to_publish_is_told_so(broker: Any, tmp_path: Path) -> None:
    """A broker that acknowledges with "not authorised" has not taken the message."""
    rules = tmp_path / "acl"
    rules.write_text("topic read #\n")
    rules.chmod(0o600)
    endpoint = broker.start("allow_anonymous true", f"acl_file {rules}")

    with Publisher(endpoint) as publisher:
        publisher.publish(publications(size=1)[0])
        with pytest.raises(SimulationError, match=r"give that user the right to write ueip/v1/#"):
            publisher.wait(10)


def test_what_the_broker_calls_too_large_is_counted_not_sent(broker: Any) -> None:
    """Else the broker would hang up, and again at every resend."""
    endpoint = broker.start("allow_anonymous true", "max_packet_size 20000")
    large = Publication("ueip/v1/ZTE1/report", b"." * 30_000, 1, retain=False, expectation="dropped:oversize")
    with Publisher(endpoint) as publisher:
        publisher.publish(large)
        publisher.publish(publications(size=1)[0])
        publisher.wait(60)

        assert (2, 1, 1) == (publisher.published, publisher.acknowledged, publisher.refused)


def test_unusable_tls_files_are_one_sentence(tmp_path: Path) -> None:
    """Before anything is connected."""
    with pytest.raises(SimulationError, match=r"TLS files .* cannot be used"):
        Publisher(Endpoint("127.0.0.1", 8883, ca_file=tmp_path / "missing.pem"))


def test_a_password_is_never_shown() -> None:
    """Not in a traceback, not in a failed assertion."""
    assert "hunter2" not in repr(Endpoint("broker", 1883, username="fleet", password="hunter2"))


def test_who_shows_a_certificate_speaks_tls_and_nothing_else(broker: Any, tmp_path: Path) -> None:
    """Also without an authority of its own: a broker that speaks plain MQTT is not spoken to."""
    endpoint = broker.start("allow_anonymous true")
    made = trustme.CA().issue_cert("router.test")
    made.private_key_and_cert_chain_pem.write_to_path(tmp_path / "router.pem")

    with pytest.raises(SimulationError), Publisher(replace(endpoint, cert_file=tmp_path / "router.pem")):
        pass
