"""What the collector asks of its process."""

import platform
import subprocess
import sys

import pytest

CROWDED = """
import ctypes, threading
from collector.process import few_heaps
if {asked}: few_heaps()
together = threading.Barrier(5)
def work():
    kept = [bytes(3000) for _ in range(100)]
    together.wait()
    together.wait()
for _ in range(4): threading.Thread(target=work).start()
together.wait()
ctypes.CDLL(None).malloc_stats()
together.wait()
"""


def heaps(*, asked: bool) -> int:
    """How many heaps five busy threads have."""
    done = subprocess.run([sys.executable, "-c", CROWDED.format(asked=asked)], capture_output=True, check=True)
    return done.stderr.count(b"Arena ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="heaps of threads are glibc's")
def test_threads_of_stores_share_a_heap() -> None:
    """Each for itself would keep as much as it ever needed."""
    assert heaps(asked=True) <= 2 < heaps(asked=False)


def test_cycles_do_not_pile_up() -> None:
    """A day of scrapes leaves tens of thousands, a day without a database too. In a process of its own."""
    script = """
import weakref
from collector.process import calm_garbage_collector

class Left:
    pass

calm_garbage_collector()
left = weakref.WeakSet()
for _ in range(30_000):
    one = Left()
    one.itself = one
    left.add(one)
print(len(left))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert int(done.stdout) < 15_000
