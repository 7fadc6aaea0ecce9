"""Hashes in place of random generators: numbers that depend on what they are for alone, not on who asks when."""

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
        state = splitmix64(state + np.asarray(word).astype(np.uint64))
    return ((state >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def splitmix64(state: np.ndarray) -> np.ndarray:
    """The output of SplitMix64 for uint64 states of any shape, one to one (Steele, Lea and Flood, OOPSLA 2014)."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
