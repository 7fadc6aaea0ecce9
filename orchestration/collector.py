"""The garbage collector in processes that import much, all of which stays until they end."""

import gc

ALLOCATIONS = 50_000
"""So many more objects than before have it look at the young ones; Python's own number is 700."""


def adapt() -> None:
    """Lets it look more rarely.

    The libraries of a command are close to a million objects, and walking them again and again while they are made took
    a third of the time in which a command starts. At the end they are collected all the same: extensions that find
    objects of theirs left over complain to the user.
    """
    gc.set_threshold(ALLOCATIONS, 10, 10)
