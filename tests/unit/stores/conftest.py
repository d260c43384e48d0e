"""Fixtures of what is tested of one kind of store alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgresql import DATABASES


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """What the database of the test stands for."""
    yield tmp_path / "store"
    DATABASES.let_go(tmp_path)
