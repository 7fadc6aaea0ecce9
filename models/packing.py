"""Which users each worker takes in each step of an epoch (HSTU spec section 7.4)."""

from itertools import pairwise

import numpy as np

from models.config.training import TrainingConfig


def pack(lengths: np.ndarray, config: TrainingConfig, workers: int, epoch: int) -> list[list[np.ndarray]]:
    """Shuffles the users, cuts them into loads of one worker and step, and lets like loads run at the same time.

    Attention costs a user the square of their length, and a step lasts as long as its most loaded worker. So loads with
    about the same sum of squares make up a step; what remains unequal falls to each end of the ranks by turns. Every
    user is in one load; only where there are fewer users than loads, one for every worker, some are in two.

    In data-parallel training each worker's mean loss weighs the same. With loads of `tokens_per_step` that is the mean
    over all positions of the step but for what the loads are not full; with loads of `batch_size` users, as published,
    a position counts the less the longer the histories beside it.

    Args:
        lengths: (B,) int64 tokens of each user, not 0.
        config: A load is `batch_size` users, or as many as have at most `tokens_per_step` tokens; `seed` shuffles.
        workers: Number of training processes.
        epoch: Counted from 0.

    Returns:
        For every step, for every worker, the users (positions in `lengths`) of its load.

    Raises:
        ValueError: a user has more tokens than a load may.
    """
    rng = np.random.default_rng((config.seed, epoch))
    order = rng.permutation(len(lengths))
    if config.tokens_per_step:
        bounds = _token_bounds(lengths[order], config.tokens_per_step)
    else:
        bounds = [*range(0, len(order), config.batch_size), len(order)]
    loads = _whole_steps([order[start:end] for start, end in pairwise(bounds)], workers)
    work = [int(np.square(lengths[load].astype(np.int64)).sum()) for load in loads]
    ranked = np.argsort(work, kind="stable").reshape(-1, workers)
    ranked[1::2] = ranked[1::2, ::-1]
    return [[loads[load] for load in step] for step in rng.permutation(ranked)]


def _token_bounds(lengths: np.ndarray, tokens: int) -> list[int]:
    longest = int(lengths.max())
    if longest > tokens:
        raise ValueError(f"tokens_per_step is {tokens}, but a history has {longest} tokens: set it to at least that")
    ends = np.cumsum(lengths)
    bounds = [0]
    while bounds[-1] < len(lengths):
        used = ends[bounds[-1] - 1] if bounds[-1] else 0
        bounds.append(int(np.searchsorted(ends, used + tokens, side="right")))
    return bounds


def _whole_steps(loads: list[np.ndarray], workers: int) -> list[np.ndarray]:
    """The loads, those of most users cut in two until there are as many for every worker."""
    loads = list(loads)
    for _ in range(-len(loads) % workers):
        largest = loads.pop(max(range(len(loads)), key=lambda load: len(loads[load])))
        loads += np.array_split(largest, 2) if len(largest) > 1 else [largest, largest]
    return loads
