"""What conversions are, and what they return where nothing was measured."""

from collections.abc import Callable
from typing import Any, Final


class _Nothing:
    """What an unset value converts to: neither a measurement nor a fault."""


NOTHING: Final = _Nothing()
Convert = Callable[[Any], Any]
"""Returns a value, or `NOTHING` where none was measured; raises ValueError for anything else."""
