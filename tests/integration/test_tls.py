"""TLS with client certificates, as config/mosquitto.conf has it, and sign-in by password."""

import json
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from collector.broker import LocalBroker
from collector.data import data_path

from .harness import Authority, Collector, Publisher, Site, as_us, report, wait_until

SERIAL: Final = "ZTEAB0A123456"
OTHER: Final = "ZTEXX0B654321"


def _never_ready(collector: Collector) -> dict[str, str]:
    """Wait until it has failed to connect twice, and say what /readyz tells then."""
    refused = r"broker_unreachable|broker_refused"
    wait_until(lambda: len(re.findall(refused, collector.said())) > 1, what="two refused connections")
    assert collector.is_running()
    status, parts = collector.readyz()
    assert 503 == status
    assert {"broker", "consent_topic"} == {part for part, state in parts.items() if state != "ready"}
    return parts


def test_reports_arrive_over_tls_with_client_certificates(secure: Site, authority: Authority) -> None:
    """Broker and collector know each other by certificate; a router writes what its certificate names (O78)."""
    collector = secure.start()
    with Publisher(secure.broker.port, host="localhost", tls=authority.context(SERIAL)) as router:
        for qos in (0, 1):
            router.report(report(SERIAL), qos=qos)
        found = collector.wait_settled(2)

    assert {"germany": 2} == found.stored
    assert 2 == secure.count("germany")


def test_mosquitto_pub_publishes_over_tls(secure: Site, authority: Authority, mosquitto_pub: str) -> None:
    """A client in C, with the certificate of the router, gets its report stored."""
    certificate, key = authority.issue(SERIAL)
    collector = secure.start()
    sent = subprocess.run(
        [
            mosquitto_pub, "-V", "5", "-q", "1", "-h", "localhost", "-p", str(secure.broker.port),
            "--cafile", authority.file, "--cert", certificate, "--key", key,
            "-t", f"ueip/v1/{SERIAL}/report", "-s",
        ],
        input=json.dumps(report(SERIAL)).encode(), capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    found = collector.wait_settled(1)

    assert (0, b"") == (sent.returncode, sent.stderr)
    assert {"germany": 1} == found.stored


def test_a_router_cannot_publish_as_another(secure: Site, authority: Authority) -> None:
    """The broker's access rules tie topic to certificate: nothing of the forgery reaches the collector (K34)."""
    collector = secure.start()
    with Publisher(secure.broker.port, host="localhost", tls=authority.context(SERIAL)) as router:
        for kind in ("report", "consent"):
            router.publish(f"ueip/v1/{OTHER}/{kind}", report(OTHER), name="forged")
        router.publish(f"ueip/v1/{SERIAL}/debug", report(SERIAL), name="no topic of ours")
        router.publish(f"ueip/v1/{SERIAL}/report", report(SERIAL), name="own")
        taken = router.settle()
        found = collector.wait_settled(1)

    assert ["own"] == taken
    assert (1, {"germany": 1}, {}) == (found.received, found.stored, found.dropped)
    assert {} == found.by("collector_consent_messages_refused_total", "reason")


def test_a_router_without_a_certificate_is_not_let_in(secure: Site, authority: Authority) -> None:
    """The broker ends the connection; the collector hears nothing of it."""
    collector = secure.start()
    nobody = ssl.create_default_context(cafile=authority.file)
    router = Publisher(secure.broker.port, host="localhost", tls=nobody)
    try:
        router.client.connect("localhost", secure.broker.port)
        router.client.loop_start()
        wait_until(lambda: router.disconnections, what="the broker's refusal")
    except OSError:
        pass  # some versions of TLS tell at once
    finally:
        router.client.disconnect()
        router.client.loop_stop()

    assert [] == router.connections
    assert 0 == collector.metrics().received


def test_a_broker_of_an_unknown_authority_is_not_trusted(secure: Site, tmp_path: Path, authority: Authority) -> None:
    """With the wrong authority the collector stays up, is not ready, and says which error it was."""
    secure.trust(Authority(tmp_path / "theirs").file, authority.issue("ueip-collector"))
    secure.broker.start()

    _never_ready(secure.collector.start())

    assert "its certificate is refused: " in secure.collector.said()


def test_a_broker_of_another_name_is_not_trusted(secure: Site, authority: Authority) -> None:
    """The name is checked too, not only who signed."""
    certificate, key = authority.issue("someone-else", "elsewhere.test")
    text = (secure.broker._configuration or "").replace("/broker.crt", f"/{certificate.name}")
    secure.broker = LocalBroker(
        secure.broker.folder, port=secure.broker.port, configuration=text.replace("/broker.key", f"/{key.name}")
    )
    secure.broker.start()

    _never_ready(secure.collector.start())

    assert "its certificate is refused: Hostname mismatch" in secure.collector.said()


def test_a_collector_without_its_certificate_is_not_let_in(secure: Site, authority: Authority) -> None:
    """It waits without a crash, and works once it has the right one."""
    secure.trust(authority.file, None)
    secure.broker.start()
    collector = secure.collector.start()

    _never_ready(collector)
    collector.stop()
    secure.trust(authority.file, authority.issue("ueip-collector"))
    collector.start().wait_ready()


@pytest.fixture
def signed_in(site: Site) -> Callable[[str], None]:
    """Makes a site whose broker asks for a name and a password; the collector has the password given."""
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto_passwd is not installed (it comes with mosquitto)")
    passwords = site.folder.parent / "passwords"
    passwords.touch(mode=0o600)
    for name, password in (("ueip-collector", "right horse"), (SERIAL, "router secret")):
        subprocess.run([program, "-b", passwords, name, password], check=True, capture_output=True)
    text = (
        f"listener {site.broker.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
        f"acl_file {data_path('config', 'mosquitto.acl')}\nmax_queued_messages 0\nmax_inflight_messages 0\n"
    )
    site.broker = LocalBroker(site.broker.folder, port=site.broker.port, configuration=as_us(text))
    secret = site.folder / "password"

    def configure(password: str) -> None:
        secret.write_text(f"{password}\nnot this line\n")
        site.configure(broker={"port": site.broker.port, "username": "ueip-collector", "password_file": "password"})

    return configure


def test_the_collector_signs_in_with_its_password(site: Site, signed_in: Callable[[str], None]) -> None:
    """Name and password let collector and router in; the password stands in no log."""
    signed_in("right horse")
    collector = site.start()
    with site.publisher(username=SERIAL, password="router secret") as router:
        router.report(report(SERIAL))
        found = collector.wait_settled(1)

    assert {"germany": 1} == found.stored
    assert "horse" not in collector.said()


def test_a_wrong_password_is_told_by_readyz(site: Site, signed_in: Callable[[str], None]) -> None:
    """Refused, not ready, the broker's reason in /readyz, and neither crash nor password in the log."""
    signed_in("wrong horse")
    site.broker.start()
    collector = site.collector.start()

    wait_until(lambda: "refused the connection" in collector.readyz()[1]["consent_topic"], what="the broker's reason")

    assert "not authorized" in _never_ready(collector)["consent_topic"]
    assert "broker_refused" in collector.said()
    assert "horse" not in collector.said()
    checked = site.ueip("check-config", "--broker")
    assert 3 == checked.returncode
    assert "Check user name, password" in checked.stderr
    assert "horse" not in checked.stderr


def test_check_config_tells_whether_the_broker_lets_the_collector_read(secure: Site) -> None:
    """`ueip check-config --broker` connects as the collector would, over TLS, and says what it was granted."""
    secure.broker.start()

    checked = secure.ueip("check-config", "--broker")

    assert 0 == checked.returncode, checked.stderr
    assert "subscriptions granted at QoS 1" in checked.stderr
