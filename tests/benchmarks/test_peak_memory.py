from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.peak_memory import peak_memory

MEGABYTE = 1 << 20


def filling(megabytes: int) -> Callable[[], object]:
    """Work that fills as much memory and gives it back."""
    kept = np.ones(32 * MEGABYTE, np.uint8)
    return lambda: int(np.ones(megabytes * MEGABYTE, np.uint8)[-1]) + int(kept[0])


def test_only_what_the_work_needs_is_counted() -> None:
    peak = peak_memory("tests.benchmarks.test_peak_memory:filling", megabytes=64)
    # The kernel keeps its counters per core and adds them up late, hence the megabyte below; what is kept is 32.
    assert 63 * MEGABYTE <= peak < (64 + 32) * MEGABYTE


def test_a_failing_process_says_why() -> None:
    with pytest.raises(RuntimeError, match="negative dimensions"):
        peak_memory("tests.benchmarks.test_peak_memory:filling", megabytes=-1)
