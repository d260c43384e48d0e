"""Plans that no reader or writer can go by are refused when they are made: later nothing would stop them."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("collector.native.bodies")

from collector.native.bodies import Kept, Way
from collector.native.one_pass import Reader
from collector.native.shape import Kind, Member, Shape

_WITH_ZERO = bytes([1] * 256)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Member(b"x", Kind.OBJECT, 0),
        lambda: Member(b"x", Kind.LIST, 0, 0, 3),
        lambda: Member(b"x", Kind.CHARACTERS, 0, 0, 3, allowed=b"short"),
        lambda: Member(b"x", Kind.CHARACTERS, 0, 0, 3, allowed=_WITH_ZERO),
        lambda: Member(b"x", Kind.REMEMBERED, 0),
        lambda: Member(b"x", Kind.BOOLEAN, -1),
        lambda: Reader(Shape([Member(b"x", Kind.OBJECT, 0, inner=Shape([Member(b"y", Kind.BOOLEAN, 1)]))]), 1, [0], 0),
        lambda: Reader(Shape([Member(b"x", Kind.OBJECT, 0, inner=Shape([], [1]))]), 1, [0], 0),
        lambda: Reader(Shape([]), 1, [-1, 0], 0),
        lambda: Reader(Shape([]), 1, [0], -1),
        lambda: Reader(Shape([]), 1, [0, 1], 0),
        lambda: Reader(Shape([], [1]), 1, [0], 0),
        lambda: Reader(Shape([], [-1]), 1, [0], 0),
        lambda: Kept(b"x", Way.AS_IT_IS, []),
        lambda: Kept(b"x", Way.AS_IT_IS, [0], needed=2),
        lambda: Kept(b"x", Way.TREATED, [0], needed=1),
        lambda: Kept(b"x", Way.ROUNDED_UP, [0], step=0),
    ],
)
def test_a_plan_that_leads_out_of_a_payload_is_refused(make: Callable[[], Any]) -> None:
    """Slots that are not there, objects without members, characters among which is the zero at the end."""
    with pytest.raises(ValueError, match="expected"):
        make()
