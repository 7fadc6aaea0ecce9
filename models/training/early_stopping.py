"""When training has nothing more to gain, by what was held out of it, and which epoch is kept."""

from collections.abc import Sequence
from typing import Literal

Better = Literal["max", "min"]
"""Whether more of a value is better, or less."""


class StopTraining(Exception):
    """Raised by what is called after an epoch, in all workers alike: training ends with this epoch."""


def best_epoch(values: Sequence[float], better: Better) -> int:
    """The epoch, counted from 1, whose value is best, of equal ones the latest: what is held out says no more then, but
    the learning rate has fallen since.

    Args:
        values: One of each epoch, at least one.
        better: Which is better.
    """
    return len(values) - list(reversed(values)).index(_best(values, better))


def has_stopped(values: Sequence[float], better: Better, patience: int) -> bool:
    """Whether the last `patience` epochs were all no better than one before them; never where `patience` is 0."""
    return bool(patience and values) and len(values) - values.index(_best(values, better)) > patience


def _best(values: Sequence[float], better: Better) -> float:
    return max(values) if better == "max" else min(values)
