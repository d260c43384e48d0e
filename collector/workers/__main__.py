"""`python -m collector.workers DESCRIPTOR NAME`: started by the supervisor and nobody else; the name is for `ps`."""

import gc
import sys

gc.disable()  # as in collector/__main__.py
from collector.workers.member import work  # noqa: E402 - see above

gc.freeze()
gc.enable()

if __name__ == "__main__":
    sys.exit(work(int(sys.argv[1])))
