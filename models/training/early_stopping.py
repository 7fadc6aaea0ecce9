"""When training has nothing more to gain, by what was held out of it, and which epoch is kept."""

from collections.abc import Sequence
from typing import Literal

Better = Literal["max", "min"]
"""Whether more of a value is better, or less."""


class StopTraining(Exception):
    """Raised by what is called after an epoch, in all workers alike: training ends with this epoch."""


def best_epoch(values: Sequence[float], better: Better) -> int:
    """The epoch, counted from 1, whose value is best, the earliest of equal ones.

    Args:
        values: One of each epoch, at least one.
        better: Which is better.
    """
    return 1 + values.index(max(values) if better == "max" else min(values))


def has_stopped(values: Sequence[float], better: Better, patience: int) -> bool:
    """Whether the last `patience` epochs were all no better than one before them; never where `patience` is 0."""
    return bool(patience and values) and len(values) - best_epoch(values, better) >= patience
