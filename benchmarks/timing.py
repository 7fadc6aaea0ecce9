"""Sides measured against each other: alternating in one run, because a machine's speed drifts from minute to minute."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter

Side = Callable[[], object]
"""One round of work. It returns when the work is done: on a GPU it synchronises."""


@dataclass(frozen=True)
class Spread:
    """Of several readings of one quantity: the middle, the lowest and the highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: tuple[float, ...]) -> "Spread":
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True)
class Samples:
    """The rounds of one side: how long each took."""

    seconds: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        return Spread.of(self.seconds)

    def rate(self, amount: float) -> Spread:
        """`amount` per second, where every round does `amount` of work."""
        return Spread.of(tuple(amount / seconds for seconds in self.seconds))


def interleaved(sides: Mapping[str, Side], rounds: int, warmup: int = 1) -> dict[str, Samples]:
    """Runs every side once a round; the order turns round each time, so that no side always follows the same one.

    Args:
        warmup: Rounds that do not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for index in range(warmup + rounds):
        for name in list(sides)[:: 1 if index % 2 == 0 else -1]:
            started = perf_counter()
            sides[name]()
            elapsed = perf_counter() - started
            if index >= warmup:
                seconds[name].append(elapsed)
    return {name: Samples(tuple(values)) for name, values in seconds.items()}


def speedup(slow: Samples, fast: Samples) -> Spread:
    """How many times faster `fast` is, compared round by round."""
    return Spread.of(tuple(a / b for a, b in zip(slow.seconds, fast.seconds, strict=True)))
