import platform
import resource

import pytest
import torch

from models.memory import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_tensors_are_made_without_page_faults() -> None:
    assert keep_freed_memory()
    for _ in range(40):
        torch.ones(1 << 22)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(1 << 22)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    # 16 MiB ten times over is 40,960 pages, each a fault where memory is mapped anew.
    assert faults < 4_096
