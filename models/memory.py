"""How the process gets its memory: what decides the speed of eager PyTorch on a CPU."""

import ctypes
import platform
from functools import cache

# Parameters of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**30


@cache
def keep_freed_memory() -> bool:
    """Lets the process keep the memory that it frees, for the rest of its life; returns whether that could be asked.

    By default glibc maps each large tensor on its own and gives it back when it is freed, so that every operation of a
    training step pays a page fault and a zeroed page for 4 KiB of its result: five to ten times what the operation
    itself costs. Elsewhere than on glibc nothing is done.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(M_MMAP_THRESHOLD, LARGEST)) and bool(libc.mallopt(M_TRIM_THRESHOLD, LARGEST))
