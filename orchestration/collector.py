"""The garbage collector in processes that import much, all of which stays until they end."""

import atexit
import gc

ALLOCATIONS = 50_000
"""So many more objects than before have it look at the young ones; Python's own number is 700."""


def adapt() -> None:
    """Lets it look more rarely, and not at all when the process ends.

    The libraries of a command are close to a million objects. Walking them again and again while they are made, and
    once more at the end, took two fifths of the time in which a command starts and ends.
    """
    gc.set_threshold(ALLOCATIONS, 10, 10)
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
