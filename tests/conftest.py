"""Settings for every test. Its place also lets tests import `support`."""

import gc
import pickle
import tomllib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from hypothesis import HealthCheck, settings

# Time limits are pytest's; a slow machine is no failure of a property.
settings.register_profile("collector", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("collector")

_loads = tomllib.loads


@lru_cache
def _pickled(text: str) -> bytes:
    return pickle.dumps(_loads(text))


def _read_once(text: str, /, *, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """What tomllib makes of *text*, anew for whoever asks."""
    return pickle.loads(_pickled(text)) if parse_float is float else _loads(text, parse_float=parse_float)


# The collector reads its tables once, its tests thousands of times: that was a tenth of what they do.
tomllib.loads = _read_once


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: looking through it for garbage was a tenth of what tests do."""
    gc.collect()
    gc.freeze()
