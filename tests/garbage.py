"""What is left for Python's garbage collector: it looks seldom here, so what it alone could free piles up."""

import contextlib
import gc
from collections import Counter
from collections.abc import Iterator


@contextlib.contextmanager
def leftovers() -> Iterator[Counter[str]]:
    """Counts, once the `with` is over, the collector's own objects that nobody uses and that were not freed at once."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        kinds = (type(each) for each in gc.garbage)
        found.update(kind.__name__ for kind in kinds if kind.__module__.startswith("collector."))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
