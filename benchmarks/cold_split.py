"""ColdRec's split of interactions with strictly cold items (YuanchenBei/ColdRec, `data/split.py`).

One in five items is cold: training has no interaction with it. Half of the cold items, with all their interactions, are
for validation and half for the test. The interactions with the other items, which are warm, are split 8:1:1 at random,
whatever their time; those of a user or an item that training would lack are moved into training.

The draws are the published code's, in its order: `random` and `numpy.random`, both seeded with 42. Which items they hit
depends on the order of its input, which is no part of the repository: here items are in the order of their ids and
interactions in that of the file.
"""

import random
from dataclasses import dataclass

import numpy as np

WARM_ITEMS = 0.8
WARM_VALIDATION = WARM_TEST = 0.1
COLD_VALIDATION = 0.5
SEED = 42


@dataclass(frozen=True)
class ColdSplit:
    """Rows of the log, by what they are for.

    Attributes:
        training, warm_validation, warm_test, cold_validation, cold_test: int64 rows, ascending.
        cold_items: Items that training has no interaction with, ascending.
    """

    training: np.ndarray
    warm_validation: np.ndarray
    warm_test: np.ndarray
    cold_validation: np.ndarray
    cold_test: np.ndarray
    cold_items: np.ndarray


def split(users: np.ndarray, items: np.ndarray, seed: int = SEED) -> ColdSplit:
    """Splits the interactions of `users` with `items` (L,), of which no pair is twice."""
    of_items, of_groups = random.Random(seed), np.random.RandomState(seed)
    groups = _rows_by_item(items)
    of_items.shuffle(groups)
    warm_groups, cold_groups = groups[: int(WARM_ITEMS * len(groups))], groups[int(WARM_ITEMS * len(groups)) :]

    warm = np.concatenate(warm_groups)
    validation, test = int(WARM_VALIDATION * len(warm)), int(WARM_TEST * len(warm))
    of_groups.shuffle(warm)
    end = len(warm) - validation - test
    parts = np.zeros(len(users), np.int64)
    parts[warm[end : end + validation]] = 1
    parts[warm[end + validation :]] = 2
    parts[np.concatenate(cold_groups)] = 3
    for part in (1, 2):
        # What is moved for a user's sake may bring an item with it, which then need not be moved.
        for column in (users, items):
            missing = ~np.isin(column, column[parts == 0])
            parts[(parts == part) & missing] = 0

    # The published code groups the cold interactions anew, in the order of their items.
    ordered = sorted(cold_groups, key=lambda rows: int(items[rows[0]]))
    order = np.arange(len(ordered))
    of_groups.shuffle(order)
    for_test = order[int(COLD_VALIDATION * len(ordered)) :]
    parts[np.concatenate([ordered[place] for place in for_test])] = 4
    training, warm_validation, warm_test, cold_validation, cold_test = (np.flatnonzero(parts == n) for n in range(5))
    cold_items = np.unique(items[np.concatenate(cold_groups)])
    return ColdSplit(training, warm_validation, warm_test, cold_validation, cold_test, cold_items)


def _rows_by_item(items: np.ndarray) -> list[np.ndarray]:
    """Rows of each item in the order of the items."""
    order = np.argsort(items, kind="stable")
    starts = np.flatnonzero(np.diff(items[order])) + 1
    return np.split(order, starts)
