"""Ranking metrics with binary relevance, one value per user, from the ranks of the targets.

A metric is a function here and its name in `AT_K` or `WHOLE_LIST`, from where reports, checks and settings know it.
Definitions follow Järvelin and Kekäläinen (2002) for NDCG with gain 1 and discount log2(1 + rank); the ideal list
holds min(K, targets) hits.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.evaluation.cases import IntArray

FloatArray = NDArray[np.float64]


def per_user(ranks: IntArray, offsets: IntArray, ks: Sequence[int]) -> dict[str, FloatArray]:
    """Every metric of B users.

    Args:
        ranks: (T,) rank of each target, from 1, in the user's full list.
        offsets: (B+1,) where each user's targets start; at least one a user.
        ks: List lengths.

    Returns:
        Name (`metric_names`) to (B,) values in 0..1.
    """
    values = {f"{name}@{k}": metric(ranks, offsets, k) for k in ks for name, metric in AT_K.items()}
    return values | {name: metric(ranks, offsets) for name, metric in WHOLE_LIST.items()}


def metric_names(ks: Sequence[int]) -> list[str]:
    """The names of all metrics for lists of lengths `ks`."""
    return [f"{name}@{k}" for k in ks for name in AT_K] + list(WHOLE_LIST)


def hits(ranks: IntArray, offsets: IntArray, k: int) -> FloatArray:
    """Number of targets within the first K."""
    return _sum_per_user(ranks <= k, offsets)


def hit_rate(ranks: IntArray, offsets: IntArray, k: int) -> FloatArray:
    """Whether any target stands within the first K."""
    return (hits(ranks, offsets, k) > 0).astype(np.float64)


def recall(ranks: IntArray, offsets: IntArray, k: int) -> FloatArray:
    """Share of the targets within the first K."""
    shares: FloatArray = hits(ranks, offsets, k) / np.diff(offsets)
    return shares


def ndcg(ranks: IntArray, offsets: IntArray, k: int) -> FloatArray:
    """Discounted gain of the targets within the first K, in shares of the best there can be."""
    gains = np.where(ranks <= k, 1.0 / np.log2(1.0 + ranks), 0.0)
    ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(2.0 + np.arange(k)))])
    normalised: FloatArray = _sum_per_user(gains, offsets) / ideal[np.minimum(k, np.diff(offsets))]
    return normalised


def reciprocal_rank(ranks: IntArray, offsets: IntArray) -> FloatArray:
    """1 / rank of the first target, over the full list."""
    return 1.0 / np.minimum.reduceat(ranks, offsets[:-1]) if len(ranks) else np.empty(0)


AT_K: dict[str, Callable[[IntArray, IntArray, int], FloatArray]] = {
    "hr": hit_rate,
    "recall": recall,
    "ndcg": ndcg,
}
WHOLE_LIST: dict[str, Callable[[IntArray, IntArray], FloatArray]] = {"mrr": reciprocal_rank}


def coverage(top: NDArray[np.int32], k: int, items: int) -> float:
    """Share of the catalogue's `items` that stands in at least one of the users' first `k` recommendations."""
    recommended = np.unique(top[:, :k])
    return float(np.count_nonzero(recommended) / items)


def _sum_per_user(values: NDArray[np.generic], offsets: IntArray) -> FloatArray:
    users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    sums: FloatArray = np.bincount(users, weights=values, minlength=len(offsets) - 1).astype(np.float64)
    return sums
