"""Bootstrap confidence intervals of means over users (Efron and Tibshirani 1993, percentile method)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

WEIGHTS_AT_ONCE = 1 << 23


@dataclass(frozen=True)
class Interval:
    """A mean over `n` users and the bounds of its 95 % confidence interval."""

    mean: float
    low: float
    high: float
    n: int

    def overlaps(self, other: "Interval") -> bool:
        return self.low <= other.high and other.low <= self.high


def bootstrap(values: FloatArray, resamples: int = 1000, seed: int = 0) -> list[Interval]:
    """The mean of each column of `values` (N users, M columns) over users, with its 95 % interval.

    All columns see the same resamples. A paired comparison of two scorers on the same users is
    `bootstrap(first - second)`: the users' own difficulty cancels out.

    Raises:
        ValueError: there are no users, or a value is not finite.
    """
    users, columns = values.shape
    if not users:
        raise ValueError("a bootstrap needs at least one user")
    if not np.isfinite(values).all():
        raise ValueError(f"column {int(np.argmin(np.isfinite(values).all(axis=0)))} holds a value that is not finite")
    means = np.empty((resamples, columns))
    generator = np.random.default_rng(seed)
    step = max(1, WEIGHTS_AT_ONCE // users)
    for start in range(0, resamples, step):
        part = means[start : start + step]
        part[:] = draw_counts(generator, len(part), users) @ values / users
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    mean = values.mean(axis=0)
    return [Interval(float(m), float(lo), float(hi), users) for m, lo, hi in zip(mean, low, high, strict=True)]


def draw_counts(generator: np.random.Generator, resamples: int, users: int) -> FloatArray:
    """(resamples, users): how often each user is drawn in each resample."""
    drawn = generator.integers(0, users, (resamples, users)) + users * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * users)
    return counts.reshape(resamples, users).astype(np.float64)
