"""Exact top-k over all items."""

import numpy as np


def top_k(scores: np.ndarray, allowed: np.ndarray, k: int) -> np.ndarray:
    """(<= k,) int64 rows of the best allowed items, best first; equal scores in order of their rows.

    Args:
        scores: (n + 1,) float32; an item that is not finite is never returned.
        allowed: (n + 1,) bool.
        k: How many rows at most; fewer come back where fewer are allowed.
    """
    candidates = np.flatnonzero(allowed & np.isfinite(scores))
    if len(candidates) > k:
        # The k-th best score cuts; ties at the cut are kept until the sort below settles them by row.
        cut = np.partition(scores[candidates], len(candidates) - k)[len(candidates) - k]
        candidates = candidates[scores[candidates] >= cut]
    order = np.argsort(-scores[candidates], kind="stable")
    return candidates[order[:k]]
