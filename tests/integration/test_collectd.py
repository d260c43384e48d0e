"""collectd from Debian, live: its own MQTT plugin publishes to the broker, and a router's values become one record."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from .harness import Site, files_below, wait_until

ROOT: Final = Path(__file__).resolve().parents[2]
HOST: Final = "openwrt-live-7"
CANARY: Final = "canary-hostname-of-a-person"
PAGE: Final = (ROOT / "docs" / "formats.md").read_text("utf-8")
[SOURCE] = (block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if 'format = "collectd"' in block)
"""The source of the docs."""
SHIPPED: Final = re.findall(r"```conf\n(.*?)```", PAGE, re.DOTALL)[0]
"""The collectd.conf of the docs."""
LAB: Final = """
BaseDir "{folder}"
PIDFile "{folder}/pid"
PluginDir "{plugins}"
TypesDB "/usr/share/collectd/types.db" "{folder}/types.db"
LoadPlugin exec
<Plugin exec>
  Exec "nobody" "{folder}/radio"
</Plugin>
"""
"""What a laboratory has instead of a distribution: folders of its own, and a script in place of OpenWrt's radios."""


def configuration(port: int, **lab: object) -> str:
    """The shipped configuration with another host name, broker and interval, without TLS, and in a laboratory."""
    plain = "".join(line for line in SHIPPED.splitlines(True) if not re.search(r"^ *(CACert|Certificate)", line))
    for before, after in (
        ("ZTE1024300012", HOST), ('Host "broker.example"', 'Host "127.0.0.1"'), ("Port 8883", f"Port {port}"),
        ("Interval 10", "Interval 1"),
    ):  # fmt: skip
        assert before in plain
        plain = plain.replace(before, after)
    return LAB.format(**lab) + plain


RADIO: Final = """#!/bin/sh
while true; do
  echo "PUTVAL \\"{host}/iwinfo-phy0-ap0/stations\\" interval=1 N:3"
  echo "PUTVAL \\"{host}/iwinfo-phy1-ap0/stations\\" interval=1 N:2"
  echo "PUTVAL \\"{host}/iwinfo-{canary}/signal_power\\" interval=1 N:-62"
  echo "PUTVAL \\"{host}/ping/ping_droprate-{canary}\\" interval=1 N:0"
  sleep 1
done
"""


@pytest.fixture
def collectd() -> Iterator[tuple[str, Path]]:
    """The daemon, and a folder that its scripts' user can read."""
    program = shutil.which("collectd") or shutil.which("collectd", path="/usr/sbin")
    plugins = next(Path("/usr/lib").glob("**/collectd/mqtt.so"), None)
    if program is None or plugins is None:
        pytest.skip("collectd and its MQTT plugin are not installed (apt-get install collectd-core)")
    if os.geteuid() != 0:
        pytest.skip("collectd's exec plugin runs scripts as another user, which only root may")
    folder = Path(tempfile.mkdtemp(prefix="collectd-"))
    folder.chmod(0o755)
    yield program, folder
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(program: str, folder: Path, port: int) -> Iterator[None]:
    """Collectd as a router runs it."""
    plugins = next(Path("/usr/lib").glob("**/collectd/mqtt.so")).parent
    # The type is OpenWrt's; Debian's list does not have it.
    (folder / "types.db").write_text("stations value:GAUGE:0:256\n")
    script = folder / "radio"
    script.write_text(RADIO.format(host=HOST, canary=CANARY))
    script.chmod(0o755)
    path = folder / "collectd.conf"
    path.write_text(configuration(port, folder=folder, plugins=plugins))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-f", "-C", str(path)], stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_a_live_collectd_fills_records(site: Site, collectd: tuple[str, Path]) -> None:
    """With the configurations of the docs: values of many topics are one record, and counters become rates.

    Nothing before the join, nothing that nobody asked for. The loopback interface, on which the broker is, stands for
    the uplink.
    """
    site.configure(consent={"mode": "registered"})
    source = SOURCE.replace("interface-eth1", "interface-lo")
    assert source != SOURCE
    site.config.write_text(f"{site.config.read_text()}\n{source}interval_seconds = 86400\n")
    collector = site.start()

    with running(*collectd, site.broker.port):
        wait_until(lambda: collector.metrics().dropped.get("no_consent_record"), what="a value before the join")
        assert site.count("germany") == 0
        joined = site.ueip(
            "consent", "join", HOST, "--country", "DE", "--policy-version", "2020-03-14", "--language", "en",
            "--policy-digest", DIGEST, "--storage-region", "germany", "--adult-or-guardian", "adult",
        )  # fmt: skip
        assert joined.returncode == 0, joined.stderr

        def gathered() -> bool:
            return any(
                body.get("wifi", {}).get("wifi_station_count") == 5
                and "uptime_seconds" in body.get("router", {})
                and body.get("usage", {}).get("downlink_bytes_per_second", 0) > 0
                and body.get("network", {}).get("wan_connection_state") == "connected"
                for body in site.bodies("germany")
            )

        wait_until(gathered, what="stations, uptime, link and rates in one record")
    assert collector.metrics().adds_up()
    assert site.count("germany") in {1, 2}, "one record, or two where a day ends meanwhile"
    for _, content in files_below(site.folder / "data"):
        assert CANARY.encode() not in content
        assert HOST.encode() not in content
    assert CANARY not in collector.said()
    assert HOST not in collector.said()


DIGEST: Final = "6a4c8feffed9c0456bf70cc5dac36d9e9fce9f125d16cff236275faed7d9b766"
