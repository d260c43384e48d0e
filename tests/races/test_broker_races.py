"""The races of catalogue 4.6 that need a real broker: its queue, its retained messages, its redeliveries."""

import contextlib
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from integration.harness import (
    REGIONS,
    Publisher,
    Site,
    consent,
    environment,
    files_below,
    new_id,
    report,
    traces,
    ueip_program,
    wait_until,
)

SERIAL: Final = "ZTEAB0A123456"
OTHER: Final = "ZTEXX0B654321"
MARKER: Final = "V7.Marker-kwx_QZJ"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation of the test's own, not started yet; stopped after the test."""
    if shutil.which("mosquitto") is None and not Path("/usr/sbin/mosquitto").exists():
        pytest.fail("Mosquitto is not installed and these tests need it. Install it with: apt-get install mosquitto")
    folder = tmp_path / "site"
    subprocess.run([ueip_program(), "init", str(folder)], env=environment(), check=True, capture_output=True)
    made = Site(folder)
    yield made
    made.stop()


def send(router: Publisher, serial: str = SERIAL, *, retain: bool = False, marker: str = MARKER) -> None:
    """A report with the marker in it."""
    document = report(serial)
    document["router"]["software_version"] = marker
    router.publish(f"ueip/v1/{serial}/report", document, retain=retain)


def leave(router: Publisher, serial: str = SERIAL, *, retain: bool = False) -> None:
    """The owner leaves in the app."""
    router.publish(f"ueip/v1/{serial}/consent", consent("exit", event_id=new_id()), retain=retain)


@contextlib.contextmanager
def locked(site: Site) -> Iterator[None]:
    """Hold the write lock of the German store, so that nothing can be committed there."""
    with contextlib.closing(sqlite3.connect(site.store("germany"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def left(site: Site) -> list[str]:
    """The files of the stores that still hold something of the marked reports."""
    return traces(MARKER, files_below(site.folder / "data"))


@pytest.mark.parametrize("exit_first", [False, True], ids=["report first", "exit first"])
def test_k04_exit_and_report_on_two_topics_in_either_order(site: Site, exit_first: bool) -> None:
    """The exit wins when it arrives: nothing received after it is stored, what was stored before is erased."""
    collector = site.start()
    steps: list[Callable[[Publisher], None]] = [send, leave]
    with site.publisher() as router:
        send(router)
        send(router, OTHER, marker="V1.Other-kept")
        collector.wait_settled(2)
        for step in reversed(steps) if exit_first else steps:
            step(router)
        collector.wait_settled(3)
        wait_until(lambda: site.count("germany") == 1, what="the erasure")
    wait_until(lambda: not left(site), what="the last byte")

    assert collector.metrics().adds_up()


def test_k05_a_backlog_that_comes_before_the_exit(site: Site) -> None:
    """An exit known to the ledger drops the backlog at once; one that comes behind it erases what it finds."""
    collector = site.start()
    with site.publisher() as router:
        for serial in (SERIAL, OTHER):
            send(router, serial)
        collector.wait_settled(2)
        collector.stop()
        assert 0 == site.ueip("exit", OTHER).returncode
        for serial in (SERIAL, OTHER, SERIAL, OTHER):
            send(router, serial)
        leave(router, retain=True)
        router.settle()
        collector.start().wait_ready()
        found = collector.wait_settled(4)
        wait_until(lambda: site.count("germany") == 0, what="the erasure")
    wait_until(lambda: not left(site), what="the last byte")

    assert found.dropped["withdrawn"] >= 2
    assert [(0,)] == site.rows("germany", "SELECT count(*) FROM lookup")


def test_k09_a_redelivery_after_the_exit_is_dropped(site: Site) -> None:
    """Received and never acknowledged, the reports come again (DUP) after the exit: dropped, none comes back."""
    collector = site.start()
    with site.publisher() as router:
        send(router)
        collector.wait_settled(1)
        with locked(site):
            for _ in range(5):
                send(router)
            wait_until(lambda: collector.metrics().in_flight == 5, what="the reports")
            collector.kill()
        assert 0 == site.ueip("exit", SERIAL).returncode
        found = collector.start().wait_ready().wait_settled(5)

    assert ({"withdrawn": 5}, {}) == (found.dropped, found.stored)
    assert [] == left(site)


def test_k10_a_retained_report_is_dropped_at_subscription(site: Site) -> None:
    """Dropped as `retained`, every time the broker delivers it, and never stored."""
    site.broker.start()
    with site.publisher() as router:
        send(router, retain=True)
        router.settle()
        found = site.collector.start().wait_ready().wait_settled(1)
        send(router, OTHER, marker="V1.Other-kept")
        site.collector.wait_settled(2)

    assert {"retained": 1} == found.dropped
    assert 1 == site.count("germany")
    assert [] == left(site)


def test_k11_a_crash_after_the_commit_and_an_exit(site: Site) -> None:
    """Stored but not acknowledged when the process died: the redelivery is dropped and the rows are gone."""
    collector = site.start()
    with site.publisher() as router, locked(site):
        # A German report ahead of them keeps the others' acknowledgements back.
        send(router, OTHER, marker="V1.Other-kept")
        wait_until(lambda: collector.metrics().in_flight == 1, what="the first report")
        for _ in range(3):
            document = report(SERIAL, country="HK")
            document["router"]["software_version"] = MARKER
            router.report(document)
        wait_until(lambda: site.count("hong_kong") == 3, what="the commit")
        collector.kill()
        assert 0 == subprocess_exit_in(site, "hong_kong")
    found = collector.start().wait_ready().wait_settled(4)

    assert {"withdrawn": 3} == found.dropped
    assert {"germany": 1} == found.stored
    assert [] == left(site)


def subprocess_exit_in(site: Site, region: str) -> int:
    """`ueip exit` where only *region* is served, for the store of another is locked."""
    here = site.config.with_name("one-region.toml")
    lines = [f'[regions]\nenabled = ["{region}"]']
    lines += [f'[regions.{r}]\nstore = "data/{r}.sqlite"\nkey_files = ["keys/{r}.key"]' for r in REGIONS]
    here.write_text("\n".join(lines) + "\n")
    return site.ueip("exit", SERIAL, "-c", str(here)).returncode


def test_k14_sigterm_leaves_what_is_not_committed_with_the_broker(site: Site) -> None:
    """Exit code 0, not a byte on the disk, nothing acknowledged: after an exit all of it is dropped."""
    collector = site.start()
    with site.publisher() as router:
        send(router, marker="V6.Before")
        collector.wait_settled(1)
        with locked(site):
            for _ in range(5):
                send(router)
            wait_until(lambda: collector.metrics().in_flight == 5, what="the reports")
            code = collector.stop()
            on_disk = left(site)
        assert 0 == site.ueip("exit", SERIAL).returncode
        found = collector.start().wait_ready().wait_settled(5)

    assert (0, []) == (code, on_disk)
    assert ({"withdrawn": 5}, {}) == (found.dropped, found.stored)
    assert [] == left(site)
