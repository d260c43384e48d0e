"""Instructions that this thread has carried out, as the processor counts them: the same on a busy machine.

Where the kernel or the machine gives nobody this counter, there is none, and nothing else changes.
"""

import ctypes
import os
import struct
from typing import Final

_PERF_EVENT_OPEN: Final = {"x86_64": 298, "aarch64": 241}
_HARDWARE, _INSTRUCTIONS = 0, 1
_SIZE: Final = 64
"""Of `perf_event_attr` in its first version, which every kernel knows."""
_WITHOUT_HYPERVISOR: Final = 1 << 6


class Instructions:
    """The counter of this thread, the kernel's part for it included."""

    def __init__(self) -> None:
        self._file = _opened()

    def now(self) -> int | None:
        """How many so far; None where they are not counted."""
        return None if self._file is None else int(struct.unpack("q", os.read(self._file, 8))[0])


def _opened() -> int | None:
    number = _PERF_EVENT_OPEN.get(os.uname().machine)
    if number is None:
        return None
    asked = struct.pack("IIQQQQQQQ", _HARDWARE, _SIZE, _INSTRUCTIONS, 0, 0, 0, _WITHOUT_HYPERVISOR, 0, 0)
    libc = ctypes.CDLL(None)
    # This thread, on whichever processor, no group, no flags.
    file = libc.syscall(number, ctypes.c_char_p(asked), 0, -1, -1, 0)
    return None if file < 0 else file
