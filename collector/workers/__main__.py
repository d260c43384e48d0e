"""`python -m collector.workers DESCRIPTOR NAME`: started by the supervisor, by nobody else; the name is for `ps`."""

import sys

from collector.workers.member import work

if __name__ == "__main__":
    sys.exit(work(int(sys.argv[1])))
