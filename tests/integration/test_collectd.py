"""collectd from Debian, live: its own MQTT plugin publishes to the broker, and a router's values become one record."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from .harness import Site, files_below, wait_until

HOST: Final = "openwrt-live-7"
CANARY: Final = "canary-hostname-of-a-person"
SOURCE: Final = """
[[sources]]
name = "lab"
topic = "collectd/+/#"
format = "collectd"
router_level = 2
country = "DE"
interval_seconds = 86400
"""
CONFIGURATION: Final = """
Hostname "{host}"
FQDNLookup false
BaseDir "{folder}"
PIDFile "{folder}/pid"
PluginDir "{plugins}"
TypesDB "/usr/share/collectd/types.db" "{folder}/types.db"
Interval 1
LoadPlugin uptime
LoadPlugin interface
LoadPlugin load
LoadPlugin exec
LoadPlugin mqtt
<Plugin exec>
  Exec "nobody" "{folder}/radio"
</Plugin>
<Plugin mqtt>
  <Publish "lab">
    Host "127.0.0.1"
    Port {port}
    ClientId "{host}"
    QoS 1
    Prefix "collectd"
    StoreRates true
    Retain false
  </Publish>
</Plugin>
"""
RADIO: Final = """#!/bin/sh
while true; do
  echo "PUTVAL \\"{host}/iwinfo-phy0-ap0/stations\\" interval=1 N:3"
  echo "PUTVAL \\"{host}/iwinfo-phy1-ap0/stations\\" interval=1 N:2"
  echo "PUTVAL \\"{host}/iwinfo-{canary}/signal_power\\" interval=1 N:-62"
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
    configuration = folder / "collectd.conf"
    configuration.write_text(CONFIGURATION.format(host=HOST, folder=folder, plugins=plugins, port=port))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-f", "-C", str(configuration)], stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_a_live_collectd_fills_one_record(site: Site, collectd: tuple[str, Path]) -> None:
    """Uptime and stations of both radios, gathered; nothing before the join, nothing that nobody asked for."""
    site.configure(consent={"mode": "registered"})
    site.config.write_text(site.config.read_text() + SOURCE)
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
                body.get("wifi", {}).get("wifi_station_count") == 5 and "uptime_seconds" in body.get("router", {})
                for body in site.bodies("germany")
            )

        wait_until(gathered, what="stations and uptime in one record")
    assert collector.metrics().adds_up()
    assert site.count("germany") == 1
    for _, content in files_below(site.folder / "data"):
        assert CANARY.encode() not in content
        assert HOST.encode() not in content
    assert CANARY not in collector.said()
    assert HOST not in collector.said()


DIGEST: Final = "6a4c8feffed9c0456bf70cc5dac36d9e9fce9f125d16cff236275faed7d9b766"
