"""Fixtures of the integration tests: an installation made by the real command, and a site to run it in."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.broker import LocalBroker, find_mosquitto
from collector.data import data_path

from .harness import Authority, Site, as_us, environment, ueip_program


@pytest.fixture(scope="session", autouse=True)
def mosquitto() -> str:
    """The broker's program; without it these tests are in error, for they would prove nothing."""
    found = find_mosquitto()
    if found is None:
        pytest.fail("Mosquitto is not installed and these tests need it. Install it with: apt-get install mosquitto")
    return found


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `ueip init` makes; copied for every test."""
    folder = tmp_path_factory.mktemp("installation") / "site"
    subprocess.run([ueip_program(), "init", str(folder)], env=environment(), check=True, capture_output=True)
    return folder


@pytest.fixture
def site(tmp_path: Path, installation: Path) -> Iterator[Site]:
    """An installation of the test's own, not started yet; stopped after the test."""
    shutil.copytree(installation, tmp_path / "site")
    made = Site(tmp_path / "site")
    yield made
    made.stop()


@pytest.fixture(scope="session")
def mosquitto_pub() -> str:
    """Mosquitto's own client, an implementation in C."""
    found = shutil.which("mosquitto_pub")
    if found is None:
        pytest.skip("mosquitto_pub is not installed (apt-get install mosquitto-clients)")
    return found


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs for broker, routers and collector."""
    return Authority(tmp_path_factory.mktemp("certificates") / "ours")


@pytest.fixture
def secure(site: Site, authority: Authority) -> Site:
    """A site whose broker runs config/mosquitto.conf, with our certificates, port and folders in it."""
    certificate, key = authority.issue("broker", "127.0.0.1", "localhost")
    access = site.folder.parent / "mosquitto.acl"
    shutil.copy(data_path("config", "mosquitto.acl"), access)
    places = {
        "listener": f"{site.broker.port} 127.0.0.1",
        "cafile": authority.file,
        "certfile": certificate,
        "keyfile": key,
        "acl_file": access,
        "persistence_location": f"{site.broker.folder}/",
    }
    text = data_path("config", "mosquitto.conf").read_text()
    for setting, value in places.items():
        text, count = re.subn(rf"(?m)^{setting} .*$", f"{setting} {value}", text)
        assert count == 1, f"config/mosquitto.conf names {setting} {count} times"
    site.broker = LocalBroker(site.broker.folder, port=site.broker.port, configuration=as_us(text))
    site.trust(authority.file, authority.issue("ueip-collector"))
    return site
