"""The compiled reading where memory runs out: an error like any other, not the end of the process."""

import subprocess
import sys
from typing import Final

import pytest

pytest.importorskip("collector.native.bodies")
pytest.importorskip("_testcapi", reason="an interpreter without its own tests cannot run out of memory on purpose")

_SCRIPT: Final = """
import _testcapi
from collector.native.bodies import Kept, Way, Writer
from collector.native.one_pass import Reader
from collector.native.shape import Kind, Member, Shape

letters = bytes(chr(byte).isalpha() for byte in range(128)) + bytes(128)
text = Member(b"text", Kind.CHARACTERS, 0, 1, 20, allowed=letters)
happened = Member(b"events", Kind.LIST, 1, high=9, inner=Shape([text]))
reader = Reader(Shape([text, happened]), 2, [0, 0, 0], 0, lambda found: tuple(found.beside))
writer = Writer((Kept(b'"text":', Way.AS_IT_IS, [0]),), (Kept(b'"text":', Way.AS_IT_IS, [0]),))
payload = b'{"text":"quite","events":[{"text":"some"},{"text":"more"}]}'
report = reader.read(payload)
expected = report.said, report.events, writer.body(report, [0, 1], None)
others = b'{"text":"quite","other":[1,2],"more":{}}'
failed = 0
for do in (lambda: reader.read(payload), lambda: reader.read(others), lambda: report.said, lambda: report.events,
           lambda: writer.body(report, [0, 1], None)):
    for place in range(40):
        try:
            _testcapi.set_nomemory(place, place + 1)
            do()
        except MemoryError:
            failed += 1
        finally:
            _testcapi.remove_mem_hooks()
assert expected == (report.said, report.events, writer.body(report, [0, 1], None))
print(failed)
"""


def test_a_reading_without_memory_fails_and_leaves_all_as_it_was() -> None:
    """One request for memory after another is refused. In a process of its own: what is tested for is its end."""
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
    assert int(done.stdout) > 10
