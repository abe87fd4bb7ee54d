"""What the C library does with the memory that a training step frees."""

import ctypes
import os
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of malloc.h
_MOST, _PAD = 2**31 - 1, 64 * 2**20


def keep_freed() -> None:
    """Has this process keep the memory that it frees, in place of giving it back to the system.

    A training step frees what the next one needs again. glibc gives much of it back meanwhile, and each page that comes
    anew is cleared by the system first: half of the processor time of a small convolutional network on one core. Does
    nothing with other C libraries, and where `GLIBC_TUNABLES` or a variable `MALLOC_...` says how memory is allocated.

    Example:
        >>> keep_freed()
    """
    if sys.platform != "linux" or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        # Large arrays come from the heap, which is not cut; it grows by as much as a heap of a thread may have.
        for parameter, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _MOST), (_TOP_PAD, _PAD)):
            mallopt(parameter, value)
