"""A baseline of rankers that is better than counting: how good an item is, whoever saw it.

An item's rate says as much about its audience as about the item. Here the logit of an action is a sum of the item's
quality and the user's leniency, fitted by Newton steps that alternate, each with a Gaussian prior (Rasch 1960).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ITEM_PRIOR, USER_PRIOR = 4.0, 0.5
"""Weights of the priors in observations: a user's is so weak that items are compared within users."""

ROUNDS = 10
LONGEST_STEP = 1.5
LARGEST = 10.0
"""Of an effect: whoever never did something says no more about items, however much they were shown."""

Slopes = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""(T,) logits -> (T,) gradient of the log likelihood by them, and its expected curvature, above 0."""


@dataclass(frozen=True)
class Effects:
    """What the logits of T observations are sums of.

    Attributes:
        level: What all have in common.
        of_item: (items,) 0 for an item that was never shown.
        of_user: (users,) 0 for a user to whom nothing was shown.
    """

    level: float
    of_item: FloatArray
    of_user: FloatArray


def tell_apart(users: IntArray, items: IntArray, slopes: Slopes, user_count: int, item_count: int) -> Effects:
    """Items' and users' effects on what was observed.

    Args:
        users, items: (T,) numbers from 0.
        slopes: Of what was observed.
    """
    of_item, of_user, level = np.zeros(item_count), np.zeros(user_count), 0.0
    for _ in range(ROUNDS):
        for effects, places, prior in ((of_item, items, ITEM_PRIOR), (of_user, users, USER_PRIOR)):
            gradient, information = slopes(level + of_item[items] + of_user[users])
            step = np.bincount(places, gradient, len(effects)) - effects * prior / 4
            step /= np.bincount(places, information, len(effects)) + prior / 4
            effects += np.clip(step, -LONGEST_STEP, LONGEST_STEP)
            np.clip(effects, -LARGEST, LARGEST, out=effects)
        level += _step(slopes(level + of_item[items] + of_user[users]))
    return Effects(level, of_item, of_user)


class ItemQuality:
    """Logits by item and action; those of the mean item where an item was never shown.

    Args:
        users: (T,) int64 to whom it was shown, numbers from 0.
        items: (T,) int64 indices of what was shown, 0..n.
        taken: (T, actions) bool.
        count: n.
    """

    def __init__(self, users: IntArray, items: IntArray, taken: NDArray[np.bool_], count: int) -> None:
        self._logits = np.stack([_of_action(users, items, done, count) for done in taken.T], axis=1)

    def logits(self, items: IntArray) -> NDArray[np.float32]:
        """(T, actions) of `items` (T,)."""
        chosen: NDArray[np.float32] = self._logits[items]
        return chosen


def _of_action(users: IntArray, items: IntArray, done: NDArray[np.bool_], count: int) -> NDArray[np.float32]:
    """(n + 1,) logits that are right in the mean of all that was shown."""
    taken = done.astype(np.float64)
    if not 0 < taken.sum() < len(taken):
        return np.full(count + 1, np.log((taken.sum() + 0.5) / (len(taken) - taken.sum() + 0.5)), np.float32)

    def slopes(logits: FloatArray) -> tuple[FloatArray, FloatArray]:
        said = expit(logits)
        return taken - said, said * (1 - said) + 1e-9

    quality = tell_apart(users, items, slopes, int(users.max()) + 1, count + 1).of_item
    level, shown = 0.0, np.bincount(items, minlength=count + 1)
    for _ in range(4 * ROUNDS):
        said = expit(level + quality)
        level += _step((taken.sum(keepdims=True) - shown @ said, shown @ (said * (1 - said)) + 1e-9))
    logits: NDArray[np.float32] = (level + quality).astype(np.float32)
    return logits


def _step(slopes: tuple[FloatArray, FloatArray]) -> float:
    gradient, information = slopes
    return float(np.clip(gradient.sum() / information.sum(), -LONGEST_STEP, LONGEST_STEP))
