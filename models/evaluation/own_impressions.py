"""Ranking metrics of what was shown: how well a score orders each user's own impressions.

- `gauc`: the mean of the users' own AUCs, each weighted by how much was shown to the user.
- `gauc_positives`: the same, each weighted by the user's number of positives (TechJam 2026, KuaiRand-Pure).
- `pair_accuracy`: of all pairs of a positive and a negative impression of one user, the share whose positive scores
  higher; equal scores count half (ARGUS section 4.1). It is the mean of the users' AUCs weighted by their pairs.
- `ndcg@5`: the mean of the users' nDCG at 5; a user without positives counts as 0. Equal scores share their places:
  each takes the mean gain of all orders they could stand in (McSherry and Najork 2008).
- `primary`: the mean of `gauc_positives` and `ndcg@5` (TechJam 2026).

The three weighted means are over users who have both positives and negatives; `ndcg@5` is over all users, and not
defined where nobody has a positive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.intervals import WEIGHTS_AT_ONCE, FloatArray, draw_counts
from models.evaluation.report import Measure, Measures

PAIR_ACCURACY, NDCG, PRIMARY = "pair_accuracy", "ndcg@5", "primary"
OWN_METRICS = ("gauc", "gauc_positives", PAIR_ACCURACY, NDCG, PRIMARY)

PAIR_UPLIFT = "pair_uplift"
"""Pair accuracy over that of another scorer, minus 1 (ARGUS section 4.1)."""

LIST_LENGTH = 5


@dataclass(frozen=True)
class OwnImpressions:
    """How a score orders the impressions of each of U users.

    Attributes:
        shown: (U,) float64 number of the user's impressions.
        positives: (U,) float64 how many of them are positive.
        auc: (U,) float64, the share of the user's pairs in the right order; NaN where there are no pairs.
        ndcg: (U,) float64 nDCG at 5, 0 where there are no positives.
    """

    shown: FloatArray
    positives: FloatArray
    auc: FloatArray
    ndcg: FloatArray

    @classmethod
    def of(
        cls, users: NDArray[np.int64], scores: NDArray[np.floating], positive: NDArray[np.bool_]
    ) -> "OwnImpressions":
        """Of T impressions in any order.

        Args:
            users: (T,) whole numbers, equal for what was shown to one user. Users are in the order of these.
            scores: (T,), higher is better.
            positive: (T,) bool.

        Raises:
            ValueError: nothing was shown, the lengths differ, or a score is not finite.
        """
        if not len(users):
            raise ValueError("nothing was shown: there is nothing to measure")
        if not len(users) == len(scores) == len(positive):
            raise ValueError(
                f"there are {len(users)} users, {len(scores)} scores and {len(positive)} outcomes: each impression has "
                "one of each"
            )
        if not np.isfinite(scores).all():
            place = int(np.argmin(np.isfinite(scores)))
            raise ValueError(f"the score of impression {place} is not finite: the model is broken")
        order = np.lexsort((-scores, users))
        owner = np.cumsum(np.concatenate([[False], np.diff(users[order]) != 0]))
        tied = np.cumsum(np.concatenate([[False], (np.diff(owner) != 0) | (np.diff(scores[order]) != 0)]))
        return cls._of_sorted(owner, tied, positive[order].astype(np.float64))

    @classmethod
    def _of_sorted(cls, owner: NDArray[np.int64], tied: NDArray[np.int64], positive: FloatArray) -> "OwnImpressions":
        """Of impressions by user, best first; `tied` numbers the groups of equal scores of one user."""
        shown = np.bincount(owner).astype(np.float64)
        place = np.arange(len(owner)) - (np.cumsum(shown) - shown)[owner]
        size = np.bincount(tied)
        below = (shown[owner] - 1 - place).astype(np.float64)
        mean_below = (np.bincount(tied, below) / size)[tied]
        mean_gain = (np.bincount(tied, positive) / size)[tied]
        positives = np.bincount(owner, positive).astype(np.float64)
        pairs = positives * (shown - positives)
        # Of those below a positive, the positives among themselves are no pairs (Mann and Whitney 1947).
        right = np.bincount(owner, positive * mean_below) - positives * (positives - 1) / 2
        discount = np.where(place < LIST_LENGTH, 1 / np.log2(2 + place), 0.0)
        ideal = np.cumsum(1 / np.log2(2 + np.arange(LIST_LENGTH)))
        best = ideal[np.clip(positives, 1, LIST_LENGTH).astype(np.int64) - 1]
        return cls(
            shown,
            positives,
            np.divide(right, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0),
            np.bincount(owner, mean_gain * discount) / best,
        )

    def __len__(self) -> int:
        return len(self.shown)

    def metrics(self, counts: FloatArray) -> FloatArray:
        """(R, 5) `OWN_METRICS` where user u counts `counts[r, u]` times; NaN where one is not defined."""
        both = np.isfinite(self.auc)
        own = np.where(both, self.auc, 0.0)
        weights = both * np.stack([self.shown, self.positives, self.positives * (self.shown - self.positives)])
        with np.errstate(divide="ignore", invalid="ignore"):
            means = (counts @ (weights * own).T) / (counts @ weights.T)
        ndcg = np.where(counts @ self.positives > 0, counts @ self.ndcg / counts.sum(axis=1), np.nan)
        return np.column_stack([means, ndcg, (means[:, 1] + ndcg) / 2])


@dataclass(frozen=True)
class Comparison:
    """Several scores of the same impressions.

    Attributes:
        scorers: Scorer to metric to its mean with a 95 % interval; a metric that is not defined is left out.
        differences: Other scorer to metric to the paired difference, the candidate minus the other one; and by
            `PAIR_UPLIFT` the candidate's pair accuracy over the other one's, minus 1.
    """

    scorers: Mapping[str, Measures]
    differences: Mapping[str, Measures]


def compare(
    users: NDArray[np.int64],
    scores: Mapping[str, NDArray[np.floating]],
    positive: NDArray[np.bool_],
    candidate: str,
    resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Measures every score and how `candidate` differs from each other one, on the same bootstrap resamples of users.

    Args:
        users, positive: As in `OwnImpressions.of`.
        scores: Scorer to (T,) scores, or to (S, T) those of S seeds, whose metrics are averaged. The intervals are over
            users alone.

    Raises:
        ValueError: as `OwnImpressions.of`; the message names the scorer.
    """
    found: dict[str, list[OwnImpressions]] = {}
    for name, values in scores.items():
        try:
            found[name] = [OwnImpressions.of(users, of_seed, positive) for of_seed in np.atleast_2d(values)]
        except ValueError as error:
            raise ValueError(f"scorer {name!r}: {error}") from error
    count = len(found[candidate][0])
    means = {name: _over_seeds(own, np.ones((1, count)))[0] for name, own in found.items()}
    drawn: dict[str, list[FloatArray]] = {name: [] for name in found}
    generator = np.random.default_rng(seed)
    step = max(1, WEIGHTS_AT_ONCE // count)
    for start in range(0, resamples, step):
        counts = draw_counts(generator, min(step, resamples - start), count)
        for name, own in found.items():
            drawn[name].append(_over_seeds(own, counts))
    spread = {name: np.concatenate([np.empty((0, len(OWN_METRICS))), *parts]) for name, parts in drawn.items()}
    return Comparison(
        {name: measures(OWN_METRICS, means[name], spread[name], count) for name in found},
        {
            name: _difference(means[candidate], means[name], spread[candidate], spread[name], count)
            for name in found
            if name != candidate
        },
    )


def measures(names: tuple[str, ...], means: FloatArray, drawn: FloatArray, users: int) -> Measures:
    """Metric to number with the 95 % interval of its resamples; those that are not finite are left out.

    Args:
        names: M metrics.
        means: (M,).
        drawn: (resamples, M).
        users: How many there are.
    """
    found = {}
    for place, name in enumerate(names):
        if np.isfinite(means[place]):
            some = drawn[np.isfinite(drawn[:, place]), place]
            low, high = (float(bound) for bound in np.percentile(some, [2.5, 97.5])) if len(some) else (None, None)
            found[name] = Measure(mean=float(means[place]), low=low, high=high, n=users)
    return found


def _over_seeds(seeds: Sequence[OwnImpressions], counts: FloatArray) -> FloatArray:
    """(R, 5) the mean of the seeds' metrics."""
    mean: FloatArray = np.mean([own.metrics(counts) for own in seeds], axis=0)
    return mean


def _difference(
    ours: FloatArray, theirs: FloatArray, ours_drawn: FloatArray, theirs_drawn: FloatArray, users: int
) -> Measures:
    pairs = OWN_METRICS.index(PAIR_ACCURACY)
    with np.errstate(divide="ignore", invalid="ignore"):
        uplift = ours[pairs] / theirs[pairs] - 1
        uplifts = ours_drawn[:, pairs] / theirs_drawn[:, pairs] - 1
    names = (*OWN_METRICS, PAIR_UPLIFT)
    return measures(
        names,
        np.append(ours - theirs, uplift),
        np.column_stack([ours_drawn - theirs_drawn, uplifts]),
        users,
    )
