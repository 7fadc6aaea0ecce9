"""What had happened to users by some moment, without looking at all of it."""

import numpy as np

from models.interactions import Interactions


def count_before(interactions: Interactions, users: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """(E,) int64 how many interactions of each of `users` (E,) had ended before its moment.

    Args:
        users: (E,) int64 positions.
        moments: (E,) int64 epoch milliseconds.
    """
    low, high = interactions.offsets[users].copy(), interactions.offsets[users + 1].copy()
    while (low < high).any():
        middle = (low + high) // 2
        searching = low < high
        earlier = searching & (interactions.timestamps[np.where(searching, middle, 0)] < moments)
        low = np.where(earlier, middle + 1, low)
        high = np.where(searching & ~earlier, middle, high)
    return low - interactions.offsets[users]
