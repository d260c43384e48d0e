"""Where the command `ueip` begins: Ctrl-C ends it without a traceback also while it is still being imported."""

import gc
import os
import signal
import sys
from collections.abc import Callable


def main() -> None:
    """Import the command and run it."""
    gc.disable()  # until all of it is imported: nothing of that is garbage
    try:
        command = _imported()
    except KeyboardInterrupt:
        sys.exit(130)
    command()


def _imported() -> Callable[[], None]:
    """The command; a library that is interrupted as it is imported may make a fault of its own of that."""
    pressed = signal.getsignal(signal.SIGINT)
    if pressed is signal.default_int_handler:  # else it is to be ignored, in the background for one
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from collector.cli import main as command  # noqa: PLC0415 - a second in which somebody may press Ctrl-C

    signal.signal(signal.SIGINT, pressed)
    return command


if __name__ == "__main__":
    main()
