"""What a collector that leaves looks at before it is gone for good."""

from types import SimpleNamespace
from typing import cast

import pytest

from collector.service import _is_empty
from collector.stores.writer import Writer


@pytest.mark.parametrize(
    ("answers", "records", "waiting", "expected"),
    [(True, 0, 0, True), (True, 3, 0, False), (True, 0, 3, False), (False, 0, 0, False)],
    ids=["nothing", "in the spool", "in memory", "a spool that cannot be read"],
)
def test_who_leaves_stays_while_anything_may_wait(*, answers: bool, records: int, waiting: int, expected: bool) -> None:
    """Nobody would start it again to deliver that."""
    writer = SimpleNamespace(spool=SimpleNamespace(answers=answers, records=records), waiting=waiting)

    assert expected == _is_empty(cast("Writer", writer))
