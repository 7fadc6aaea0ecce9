import ctypes
import platform

import pytest
import torch

from models.memory import keep_freed_memory

FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class Mallinfo(ctypes.Structure):
    """What glibc's mallinfo2(3) tells; `hblks` counts blocks that are mapped on their own."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in FIELDS)


def mapped_blocks() -> int:
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = Mallinfo
    return int(libc.mallinfo2().hblks)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_a_large_tensor_is_made_of_memory_that_the_process_keeps_not_mapped_anew() -> None:
    assert keep_freed_memory()
    before = mapped_blocks()
    held = [torch.ones(1 << 22) for _ in range(4)]
    assert mapped_blocks() == before
    del held
