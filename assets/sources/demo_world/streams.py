"""One independent random stream per purpose, day and chunk, so any piece of the world can be drawn alone."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    TRANSITIONS = 0
    ITEMS = 1
    TEXTS = 2
    POSTERS = 3
    USERS = 4
    NIGHT = 5
    REQUESTS = 6
    EVENTS = 7
    DIRT = 8


def stream(seed: int, purpose: Stream, *key: int) -> np.random.Generator:
    """The generator of `purpose` for `key` (a chunk, a day, ...): always the same one."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, int(purpose), *key))))
