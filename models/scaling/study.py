"""What trials of several sizes say: both laws, the largest size foretold, and what the next sizes would bring."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.evaluation.intervals import WEIGHTS_AT_ONCE, Interval, draw_counts
from models.scaling.laws import (
    NEXT,
    FloatArray,
    LogLinearLaw,
    NoLaw,
    OffsetLaw,
    fit_log_linear,
    fit_offset,
    require_a_curve,
    rmse,
)

CLEARLY = 2.0
"""Standard errors over users by which one size must be ahead of another."""

NEAR = 0.02
"""The ceiling is near where the next sizes bring less than this share of what there is."""


@dataclass(frozen=True)
class Trials:
    """Measured backbones that differ in size alone, on the same U users.

    Attributes:
        sizes: (T,) float64 parameters of each backbone; several of one size differ in their seeds.
        values: (T, U) float64 reciprocal rank of every user.
    """

    sizes: FloatArray
    values: FloatArray

    @property
    def means(self) -> FloatArray:
        """(T,) MRR."""
        found: FloatArray = self.values.mean(axis=1)
        return found

    def resampled(self, resamples: int, seed: int) -> FloatArray:
        """(R, T) MRR over users drawn with replacement, the same for all; of each size its seeds are drawn, too."""
        generator, users = np.random.default_rng(seed), self.values.shape[1]
        found = np.empty((resamples, len(self.sizes)))
        step = max(1, WEIGHTS_AT_ONCE // users)
        for start in range(0, resamples, step):
            part = found[start : start + step]
            part[:] = draw_counts(generator, len(part), users) @ self.values.T / users
        for size in np.unique(self.sizes):
            (seeds,) = np.nonzero(self.sizes == size)
            drawn = generator.choice(seeds, (resamples, len(seeds)))
            found[:, seeds] = np.take_along_axis(found, drawn, axis=1)
        return found


@dataclass(frozen=True)
class Foretold:
    """The largest size, and what the laws of all others say of it.

    Attributes:
        size: Its parameters.
        value: Its MRR.
        offset, log_linear: The laws of the others.
    """

    size: float
    value: float
    offset: OffsetLaw
    log_linear: LogLinearLaw

    @property
    def offset_error(self) -> float:
        """What the offset law says too much."""
        return float(self.offset(self.size)) - self.value

    @property
    def log_linear_error(self) -> float:
        """What the log-linear law says too much."""
        return float(self.log_linear(self.size)) - self.value


@dataclass(frozen=True)
class Study:
    """The scaling of one kind of backbone on one training set.

    Attributes:
        trials: Those of the whole training set.
        offset, log_linear: The laws of all of them.
        offset_rmse, log_linear_rmse: How far they lie off.
        foretold: The largest size held out.
        ceiling: P0 with its 95 % interval over users (and seeds, where there are several).
        gain: What `NEXT` times the largest size brings by the offset law, with its interval. At the same data compute
            grows as parameters do.
        data_gain: By the share of the users that they had: what all users bring more at the largest size, measured.
    """

    trials: Trials
    offset: OffsetLaw
    log_linear: LogLinearLaw
    offset_rmse: float
    log_linear_rmse: float
    foretold: Foretold
    ceiling: Interval
    gain: Interval
    data_gain: dict[float, Interval]

    @property
    def largest(self) -> float:
        """Parameters of the largest backbone."""
        return float(self.trials.sizes.max())

    @property
    def better_smaller(self) -> float | None:
        """The parameters of the best of the sizes that are clearly better than the largest; None where none is."""
        sizes, values = self.trials.sizes, self.trials.values
        largest = values[sizes == self.largest].mean(0)
        ahead = {}
        for size in np.unique(sizes[sizes < self.largest]):
            more = values[sizes == size].mean(0) - largest
            if more.mean() > CLEARLY * more.std() / len(more) ** 0.5:
                ahead[float(size)] = float(more.mean())
        return max(ahead, key=ahead.__getitem__) if ahead else None

    @property
    def is_near_the_ceiling(self) -> bool:
        """Whether the next sizes bring next to nothing, at the most that the interval allows."""
        return self.gain.high < NEAR * float(self.offset(self.largest))

    @property
    def is_limited_by_data(self) -> bool:
        """Whether the last users brought clearly more than the next sizes would."""
        return any(gain.low > self.gain.high for gain in self.data_gain.values())

    def advice(self) -> str:
        """What to spend the next compute on, in sentences."""
        told = [
            f"The next {NEXT:g}x of compute, a backbone of {NEXT * self.largest:,.0f} parameters, buys "
            f"{_signed(self.gain)} MRR by the offset law, whose ceiling is {_interval(self.ceiling)}."
        ]
        if self.better_smaller:
            told.append(
                f"But the backbone of {self.better_smaller:,.0f} parameters is clearly better than the largest, which "
                "may be trained too little: no law of size holds here."
            )
        elif self.is_near_the_ceiling:
            told.append("The ceiling is near: a larger backbone is not worth it on these data.")
        for fraction, gain in self.data_gain.items():
            told.append(f"{1 / fraction:.3g}x the users bought {_signed(gain)} at {self.largest:,.0f} parameters.")
        if self.is_limited_by_data:
            told.append("Data, not size, limits: more users are worth more than a larger backbone.")
        if self.offset_rmse > self.log_linear_rmse:
            told.append("A straight line fits better, so that the ceiling is beyond what these sizes can tell.")
        return " ".join(told)


def study(by_fraction: dict[float, Trials], resamples: int = 300, seed: int = 0) -> Study:
    """The laws of the whole training set, which is the fraction 1, and what smaller fractions say of the data.

    Intervals are percentiles over resamples of users, whose reciprocal ranks are drawn together for all trials: the
    noise of the evaluation. That of training is in them only where sizes have several seeds.

    Args:
        by_fraction: Share of the training set's users to its trials. Of the others those of the largest size count.

    Raises:
        NoLaw: as `require_a_curve`, or no fraction is 1.
    """
    if 1.0 not in by_fraction:
        raise NoLaw(f"no trial has the whole training set, only the shares {sorted(by_fraction)}: add 1 to fractions")
    whole = by_fraction[1.0]
    sizes, means = whole.sizes, whole.means
    require_a_curve(sizes, means)
    offset, log_linear = fit_offset(sizes, means), fit_log_linear(sizes, means)
    largest = float(sizes.max())
    starts = (offset.exponent, 0.2)
    laws = [fit_offset(sizes, drawn, starts) for drawn in whole.resampled(resamples, seed)]
    users = whole.values.shape[1]

    def interval(of: Callable[[OffsetLaw], float]) -> Interval:
        low, high = np.percentile([of(law) for law in laws], [2.5, 97.5])
        return Interval(of(offset), float(low), float(high), users)

    return Study(
        trials=whole,
        offset=offset,
        log_linear=log_linear,
        offset_rmse=rmse(offset, sizes, means),
        log_linear_rmse=rmse(log_linear, sizes, means),
        foretold=foretell(sizes, means),
        ceiling=interval(lambda law: law.ceiling),
        gain=interval(lambda law: float(law(NEXT * largest) - law(largest))),
        data_gain=_data_gains(by_fraction, largest, resamples, seed),
    )


def foretell(sizes: FloatArray, values: FloatArray) -> Foretold:
    """Holds the largest size out and foretells it by the laws of the others."""
    largest = sizes.max()
    others = sizes < largest
    return Foretold(
        size=float(largest),
        value=float(values[~others].mean()),
        offset=fit_offset(sizes[others], values[others]),
        log_linear=fit_log_linear(sizes[others], values[others]),
    )


def _data_gains(by_fraction: dict[float, Trials], size: float, resamples: int, seed: int) -> dict[float, Interval]:
    """What all users bring above each fraction at one size, over the same resamples of users."""
    whole, found = _of_size(by_fraction[1.0], size), {}
    for fraction in sorted(by_fraction, reverse=True):
        part = _of_size(by_fraction[fraction], size)
        if fraction == 1.0 or not len(part.sizes):
            continue
        drawn = whole.resampled(resamples, seed).mean(axis=1) - part.resampled(resamples, seed).mean(axis=1)
        low, high = np.percentile(drawn, [2.5, 97.5])
        mean = float(whole.means.mean() - part.means.mean())
        found[fraction] = Interval(mean, float(low), float(high), whole.values.shape[1])
    return found


def _of_size(trials: Trials, size: float) -> Trials:
    there = trials.sizes == size
    return Trials(trials.sizes[there], trials.values[there])


def _signed(interval: Interval) -> str:
    return f"{interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"


def _interval(interval: Interval) -> str:
    return f"{interval.mean:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
