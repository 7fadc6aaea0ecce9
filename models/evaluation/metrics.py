"""Ranking metrics with binary relevance, one value per user, from the ranks of the targets.

Definitions follow Järvelin and Kekäläinen (2002) for NDCG with gain 1 and discount log2(1 + rank); the ideal list
holds min(K, targets) hits.
"""

from collections.abc import Sequence

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
        Metric name to (B,) values in 0..1: `hr@K` (any target within K), `recall@K` (share of the targets within K),
        `ndcg@K`, and `mrr` (1 / rank of the first target, over the full list).
    """
    values = {}
    for k in ks:
        hits = _sum_per_user(ranks <= k, offsets)
        values[f"hr@{k}"] = (hits > 0).astype(np.float64)
        values[f"recall@{k}"] = hits / np.diff(offsets)
        values[f"ndcg@{k}"] = _ndcg(ranks, offsets, k)
    values["mrr"] = 1.0 / np.minimum.reduceat(ranks, offsets[:-1]) if len(ranks) else np.empty(0)
    return values


def coverage(top: NDArray[np.int32], k: int, items: int) -> float:
    """Share of the catalogue's `items` that stands in at least one of the users' first `k` recommendations."""
    recommended = np.unique(top[:, :k])
    return float(np.count_nonzero(recommended) / items)


def _ndcg(ranks: IntArray, offsets: IntArray, k: int) -> FloatArray:
    gains = np.where(ranks <= k, 1.0 / np.log2(1.0 + ranks), 0.0)
    ideal = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(2.0 + np.arange(k)))])
    normalised: FloatArray = _sum_per_user(gains, offsets) / ideal[np.minimum(k, np.diff(offsets))]
    return normalised


def _sum_per_user(values: NDArray[np.generic], offsets: IntArray) -> FloatArray:
    users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    sums: FloatArray = np.bincount(users, weights=values, minlength=len(offsets) - 1).astype(np.float64)
    return sums
