"""The installation of a round: a site with a proxy before its broker, and one region on a small disk of its own.

Rule 1: the disk is a tmpfs, which only root may mount; without one the rounds run without the fault `full`.
Rule 2: the broker saves after every change, so that what a kill makes it forget is a fraction of a second.
"""

import contextlib
import os
import random
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from integration.harness import Collector, Site, environment, ueip_program, wait_until

from collector.broker import LocalBroker, local_configuration

from .proxy import Proxy

SMALL_DISK: Final = "germany"
_DISK: Final = "12m"


class Restartable(Collector):
    """A collector that can be started without waiting, so that it can be killed while it starts."""

    def __init__(self, config: Path, log: Path) -> None:
        super().__init__(config, log)
        self._before = 0
        self.deaths: list[str] = []

    def spawn(self) -> None:
        """Begin to start it."""
        self._before = len(self.said())
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [ueip_program(), "run", "-c", str(self.config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.config.parent, env=environment(),
            )  # fmt: skip

    def wait_up(self) -> None:
        """Wait until its pages answer."""
        found = wait_until(lambda: self._announced(self._before), what="the address of /metrics")
        self.address = found[1]
        wait_until(lambda: self._answers("/healthz"), what="/healthz")

    def note_death(self) -> bool:
        """Whether it ended by itself, which it never should; remembered."""
        code = self.process.poll()
        if code is not None:
            self.deaths.append(f"ended by itself with {code}: ...{self.said()[-600:]}")
        return code is not None


class Place(Site):
    """Everything that runs in a round, and how to break the disk."""

    collector: Restartable

    def __init__(self, folder: Path, seed: int, *, registered: bool) -> None:
        super().__init__(folder)
        self.disk = _mounted(folder / "disk")
        saving = local_configuration(self.broker.folder, self.broker.port).replace(
            "autosave_interval 60", "autosave_interval 1\nautosave_on_changes true"
        )
        self.broker = LocalBroker(self.broker.folder, port=self.broker.port, configuration=saving)
        self.proxy = Proxy(self.broker.port)
        self.collector = Restartable(self.config, folder / "collector.log")
        chance = random.Random(f"settings {seed}")
        self.configure(
            broker={
                "port": self.proxy.port,
                "reconnect_max_seconds": 0.3,
                "keep_alive_seconds": 5,
                "receive_maximum": chance.choice((20, 200, 2000)),
            },
            writer={"max_batch_rows": chance.choice((5, 50, 4000)), "linger_milliseconds": chance.choice((0, 5, 50))},
            consent={"mode": "registered" if registered else "flag"},
        )
        if self.disk:
            text = self.config.read_text()
            self.config.write_text(text.replace(f"data/{SMALL_DISK}.sqlite", f"disk/{SMALL_DISK}.sqlite"))

    def store(self, region: str) -> Path:
        """The region's file."""
        return self.disk / f"{region}.sqlite" if self.disk and region == SMALL_DISK else super().store(region)

    def fill_disk(self, seconds: float) -> bool:
        """Leave no byte free on the small disk for that long."""
        assert self.disk
        filler = self.disk / "filler"
        try:
            with filler.open("wb", buffering=0) as file:
                until = time.monotonic() + seconds
                while time.monotonic() < until:
                    with contextlib.suppress(OSError):
                        while file.write(bytes(4096)):
                            pass
                    time.sleep(0.01)
        finally:
            filler.unlink()
        return True

    def close(self, *, keep: bool = False) -> None:
        """Stop everything and give the disk back; what lay on it is copied beside it when the files are to be kept."""
        self.stop()
        self.proxy.close()
        if self.disk:
            if keep:
                shutil.copytree(self.disk, self.folder / "disk-kept")
            subprocess.run(["umount", "--lazy", str(self.disk)], check=False, capture_output=True)


def _mounted(folder: Path) -> Path | None:
    if os.geteuid() != 0 or not shutil.which("mount"):
        return None
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=0700", "tmpfs", str(folder)]
    return folder if subprocess.run(command, check=False, capture_output=True).returncode == 0 else None
