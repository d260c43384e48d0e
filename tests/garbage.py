"""What is left for Python's garbage collector: it looks seldom here, so what it alone could free piles up."""

import contextlib
import gc
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any


@contextlib.contextmanager
def leftovers() -> Iterator[Counter[str]]:
    """Counts, once the `with` is over, the collector's own objects that were made in it and not freed at once."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    earlier = {id(each) for each in _ours(gc.get_objects())}  # of another test, perhaps, that ends only now
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.update(type(each).__name__ for each in _ours(gc.garbage) if id(each) not in earlier)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _ours(objects: Iterable[Any]) -> Iterator[Any]:
    # Of some metaclasses, `__module__` is no text.
    return (each for each in objects if str(type(each).__module__).startswith("collector."))
