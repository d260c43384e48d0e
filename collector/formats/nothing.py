"""What a conversion makes of a value that stands for no measurement, and what conversions are."""

from collections.abc import Callable
from typing import Any, Final


class _Nothing:
    """What an unset value converts to; it is no measurement, and no fault either."""


NOTHING: Final = _Nothing()
Convert = Callable[[Any], Any]
"""Gives a value, `NOTHING` for what stands for no measurement, or raises ValueError for what is none."""
