"""The compiled writer by itself: what it asks treatments, what it remembers, and which reports it takes."""

import pytest

pytest.importorskip("collector.native.bodies", reason="the compiled part is not here")

from typing import Any, Final

from collector.native.bodies import Kept, Made, Way, Writer
from collector.native.one_pass import Plain, Reader
from collector.native.shape import Kind, Member, Shape

READER: Final = Reader(Shape([Member(b"n", Kind.WHOLE, 0, 0, 10**9), Member(b"m", Kind.WHOLE, 1, 0, 9)]), 2, [0], 0)


class Around:
    """What a writer needs of a region's surroundings."""

    def __init__(self) -> None:
        self.made = Made()


def report(payload: bytes) -> Plain:
    """What is read of a document with two numbers."""
    found = READER.read(payload)
    assert found is not None
    return found


def treated(calls: list[list[bytes]]) -> Writer:
    """Writes one member, made of the first number beside the second; notes what it was made of."""

    def treat(_: Any, values: list[bytes]) -> bytes:
        calls.append(values)
        return b'"x":1,'

    return Writer((Kept(b'"x":', Way.TREATED, [0, 1], needed=1, treat=treat),), ())


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"n":5}', [[b"5", b"", b""]]),
        (b'{"n":5,"m":7}', [[b"5", b"7", b""]]),
        (b'{"m":7}', []),
        (b"{}", []),
    ],
)
def test_a_treatment_is_asked_if_what_it_needs_is_there(payload: bytes, expected: list[list[bytes]]) -> None:
    """What it may look at beside that is not enough."""
    calls: list[list[bytes]] = []
    body = treated(calls).body(report(payload), [], Around())

    assert expected == calls
    assert body == (b'{"x":1}' if expected else b"{}")


def test_what_is_made_of_the_same_values_is_made_once() -> None:
    """In a region; another one has a memory of its own."""
    calls: list[list[bytes]] = []
    writer, here = treated(calls), Around()
    for around in (here, here, Around()):
        writer.body(report(b'{"n":5}'), [], around)

    assert len(calls) == 2


def test_what_is_remembered_of_a_region_is_bounded() -> None:
    """However many values there are."""
    writer, around, most = treated([]), Around(), 0
    for number in range(16_385):
        writer.body(report(b'{"n":%d}' % number), [], around)
        most = max(most, len(around.made))

    assert most == 16_384
    assert len(around.made) == 1


@pytest.mark.parametrize(
    "kept",
    [
        Kept(b'"x":', Way.AS_IT_IS, [2]),
        Kept(b'"x":', Way.TREATED, [0, 2], needed=1, treat=lambda *_: b""),
        Kept(b'"x":', Way.MEMBERS, [0], inner=(Kept(b'"y":', Way.AS_IT_IS, [2]),)),
    ],
)
@pytest.mark.parametrize("in_events", [False, True])
def test_a_report_of_another_reader_is_refused(kept: Kept, in_events: bool) -> None:
    """It has no place for what is written; what stands behind its places would be."""
    writer = Writer((), (kept,)) if in_events else Writer((kept,), ())

    with pytest.raises(ValueError, match="another reader"):
        writer.body(report(b"{}"), [], Around())
