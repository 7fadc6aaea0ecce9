"""How quality grows with the size of a backbone (Netflix, arXiv 2605.23312): the offset power law, the log-linear one.

    offset:      P(N) = P0 - (N / N0) ** -a,  a > 0
    log-linear:  P(N) = c + d log N

P is a mean reciprocal rank, which moves smoothly with size, and N counts the parameters of the backbone. P0 is where
the offset law levels off: a measure of curvature, which may come out above 1 where a curve is still straight.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LEAST_SIZES = 5
"""Three determine the offset law exactly, and the largest is held out once."""

NEXT = 10.0
"""How many times the largest size is what a law is asked about."""

LEAST_SPAN = NEXT
"""The largest size is at least so many times the smallest: a law is asked no further than it has seen."""

LEAST_STEP = LEAST_SPAN ** (0.5 / (LEAST_SIZES - 1))
"""Sizes that differ by less are as good as one. It is half the step of the fewest sizes over the least span."""

EXPONENTS = (0.02, 4.0)
"""Bounds of a. Below, the law is straight over any sizes that can be trained; above, a step."""

STARTS = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Exponents from which the offset law is fitted; the best end counts."""

LOG_GAPS = (-20.0, 10.0)
"""Bounds of log((N / N0) ** -a) at the mean of log N, in units of the values' range."""


class NoLaw(ValueError):
    """No law can be told from the measurements; the message says why, and what to do."""


@dataclass(frozen=True)
class OffsetLaw:
    """P(N) = ceiling - (N / exp(log_scale)) ** -exponent."""

    ceiling: float
    log_scale: float
    exponent: float

    def __call__(self, sizes: FloatArray | float) -> FloatArray:
        """P at sizes N, of the same shape."""
        rest: FloatArray = np.exp(-self.exponent * (np.log(sizes) - self.log_scale))
        return self.ceiling - rest


@dataclass(frozen=True)
class LogLinearLaw:
    """P(N) = intercept + slope log N."""

    intercept: float
    slope: float

    def __call__(self, sizes: FloatArray | float) -> FloatArray:
        """P at sizes N, of the same shape."""
        found: FloatArray = self.intercept + self.slope * np.log(sizes)
        return found


Law = OffsetLaw | LogLinearLaw


def require_a_ladder(sizes: FloatArray) -> None:
    """Refuses sizes that tell no law, whatever comes of them.

    Args:
        sizes: (T,) finite N above 0, several of one size where there are several seeds.

    Raises:
        NoLaw: there are fewer than `LEAST_SIZES` sizes, counting as one those that are no `LEAST_STEP` apart, or the
            largest is less than `LEAST_SPAN` times the smallest.
    """
    there = np.unique(sizes)
    if len(there) < LEAST_SIZES:
        raise NoLaw(
            f"a scaling law needs at least {LEAST_SIZES} sizes, and there are {len(there)}: three fit it exactly, "
            "whatever they are; train more sizes"
        )
    smallest, largest = there[0], there[-1]
    if largest < LEAST_SPAN * smallest:
        raise NoLaw(
            f"the largest size, {largest:,.0f} parameters, is {largest / smallest:.3g} times the smallest: a law that "
            f"is asked about {NEXT:g} times the largest needs sizes that are {LEAST_SPAN:g} times apart or more; take "
            "larger or smaller ones"
        )
    apart = [smallest]
    for size in there:
        if size >= LEAST_STEP * apart[-1]:
            apart.append(size)
    if len(apart) < LEAST_SIZES:
        raise NoLaw(
            f"of the {len(there)} sizes only {len(apart)} are {LEAST_STEP:.2f} times the one before or more, and a "
            f"scaling law needs {LEAST_SIZES}: spread them evenly from {smallest:,.0f} to {largest:,.0f} parameters"
        )


def require_a_curve(sizes: FloatArray, values: FloatArray) -> None:
    """Refuses measurements from which no law can be told.

    Args:
        sizes: (T,) N of each measurement, several of one size where there are several seeds.
        values: (T,) P of each.

    Raises:
        NoLaw: a number is not finite or a size not positive, as `require_a_ladder`, or P does not rise with N.
    """
    wrong = ~(np.isfinite(sizes) & np.isfinite(values) & (sizes > 0))
    if wrong.any():
        place = int(np.argmax(wrong))
        raise NoLaw(
            f"measurement {place} has the size {sizes[place]:g} and the value {values[place]:g}: a law needs sizes "
            "above 0 and finite values"
        )
    require_a_ladder(sizes)
    if np.ptp(values) < 1e-12 or fit_log_linear(sizes, values).slope <= 0:
        order = np.argsort(sizes, kind="stable")
        first, last = order[0], order[-1]
        raise NoLaw(
            f"quality does not rise with size: a line through {len(sizes)} measurements, from {values[first]:.4f} at "
            f"{sizes[first]:,.0f} parameters to {values[last]:.4f} at {sizes[last]:,.0f}, does not go up, so no "
            "ceiling can be told; train longer, or take sizes further apart"
        )


def fit_log_linear(sizes: FloatArray, values: FloatArray) -> LogLinearLaw:
    """The log-linear law of T measurements by least squares."""
    logs = np.log(sizes)
    centre, mean = logs.mean(), values.mean()
    spread = ((logs - centre) ** 2).sum()
    slope = ((logs - centre) * (values - mean)).sum() / spread if spread else 0.0
    return LogLinearLaw(float(mean - slope * centre), float(slope))


def fit_offset(sizes: FloatArray, values: FloatArray, starts: tuple[float, ...] = STARTS) -> OffsetLaw:
    """The offset law of T measurements by bounded least squares.

    It rises. Where the measurements do not it is level at their mean; `require_a_curve` refuses these beforehand.

    Args:
        starts: Exponents from which it is sought.
    """
    from scipy.optimize import least_squares

    logs, mean, unit = np.log(sizes), values.mean(), np.ptp(values)
    centre = logs.mean()
    if unit < 1e-12:
        return OffsetLaw(float(mean), float(centre) + LOG_GAPS[0], 1.0)
    x, y = logs - centre, (values - mean) / unit
    lower, upper = np.array([[-np.inf, np.inf], LOG_GAPS, EXPONENTS]).T
    ends = [
        least_squares(
            partial(_residuals, x, y),
            np.clip(_start(x, y, exponent), lower + 1e-9, upper - 1e-9),
            partial(_jacobian, x),
            bounds=(lower, upper),
            xtol=1e-10,
            ftol=1e-10,
            gtol=1e-10,
        )
        for exponent in starts
    ]
    ceiling, log_gap, exponent = min(ends, key=lambda end: float(end.cost)).x
    log_scale = centre + (log_gap + np.log(unit)) / exponent
    return OffsetLaw(float(mean + unit * ceiling), float(log_scale), float(exponent))


def rmse(law: Law, sizes: FloatArray, values: FloatArray) -> float:
    """Root of the mean squared distance of T measurements from a law."""
    return float(np.sqrt(np.mean((law(sizes) - values) ** 2)))


def _start(x: FloatArray, y: FloatArray, exponent: float) -> FloatArray:
    """Where the search begins: ceiling and gap by linear least squares, at this exponent."""
    falling = np.exp(-exponent * x)
    slope, ceiling = np.polyfit(falling, y, 1)
    return np.array([ceiling, np.log(max(-slope, 1e-3)), exponent])


def _residuals(x: FloatArray, y: FloatArray, at: FloatArray) -> FloatArray:
    ceiling, log_gap, exponent = at
    found: FloatArray = ceiling - np.exp(log_gap - exponent * x) - y
    return found


def _jacobian(x: FloatArray, at: FloatArray) -> FloatArray:
    gap = np.exp(at[1] - at[2] * x)
    return np.stack([np.ones_like(x), -gap, gap * x], axis=1)
