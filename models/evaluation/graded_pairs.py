"""Pair accuracy by an ordered scale: how often the impression that turned out better has the higher score."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from models.evaluation.own_impressions import OwnImpressions

FloatArray = NDArray[np.float64]


def graded_pairs(
    users: NDArray[np.int64], scores: NDArray[np.floating], grades: NDArray[np.int64]
) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """Of T impressions in any order: (U,) users, how many of their pairs are in the right order, and of how many.

    A pair is of two impressions of one user that differ in grade; equal scores count half.
    """
    numbers, owner = np.unique(users, return_inverse=True)
    right, pairs = np.zeros(len(numbers)), np.zeros(len(numbers))
    for worse, better in combinations(np.unique(grades).tolist(), 2):
        some = (grades == worse) | (grades == better)
        own = OwnImpressions.of(owner[some], scores[some], grades[some] == better)
        count = own.positives * (own.shown - own.positives)
        whose = np.unique(owner[some])
        pairs[whose] += count
        right[whose] += count * np.nan_to_num(own.auc)
    return numbers, right, pairs


def pair_accuracy(users: NDArray[np.int64], scores: NDArray[np.floating], grades: NDArray[np.int64]) -> float | None:
    """Of all users together; None where there is no pair."""
    _, right, pairs = graded_pairs(users, scores, grades)
    return float(right.sum() / pairs.sum()) if pairs.sum() else None
