"""Exact top-k over all items, with one rule for ties: evaluation, endpoint and notebook list items by it."""

import numpy as np
from numpy.typing import NDArray


def top_k(scores: np.ndarray, allowed: np.ndarray, k: int) -> NDArray[np.int64]:
    """(<= k,) indices of the best allowed items, best first; equal scores in order of their indices.

    Args:
        scores: (n + 1,) float32; an item that is not finite is never returned.
        allowed: (n + 1,) bool.
        k: How many items at most; fewer come back where fewer are allowed.
    """
    candidates = np.flatnonzero(allowed & np.isfinite(scores))
    if len(candidates) > k:
        # The k-th best score cuts; ties at the cut are kept until the sort below settles them by row.
        cut = np.partition(scores[candidates], len(candidates) - k)[len(candidates) - k]
        candidates = candidates[scores[candidates] >= cut]
    order = np.argsort(-scores[candidates], kind="stable")
    best: NDArray[np.int64] = candidates[order[:k]]
    return best


def top_k_of_each(scores: np.ndarray, allowed: np.ndarray, k: int) -> NDArray[np.int64]:
    """(B, k) `top_k` of every row of `scores` (B, n + 1) and `allowed` (B, n + 1); 0 where there are fewer."""
    best = np.zeros((len(scores), k), np.int64)
    for user, (values, choice) in enumerate(zip(scores, allowed, strict=True)):
        items = top_k(values, choice, k)
        best[user, : len(items)] = items
    return best
