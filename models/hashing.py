"""Random numbers that hang on what they are for alone, not on who asks when: hashes in place of generators."""

import numpy as np


def uniform(seed: int, epoch: int, users: np.ndarray, draw: np.ndarray | int) -> np.ndarray:
    """(L,) float64 in (0, 1), one for each (user, draw), by hashing: a generator per user would need a loop.

    Args:
        seed: Not negative.
        epoch: Counted from 0.
        users: (L,) int64 numbers of the users.
        draw: Which of the user's numbers: one for all, or (L,).
    """
    state = np.zeros(len(users), np.uint64)
    for word in (seed, epoch, users, draw):
        state = _mix(state + np.asarray(word).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15))
    return ((state >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _mix(state: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
