"""The baseline of a ranker: how often each action was taken on an item, whoever saw it."""

import numpy as np

PRIOR_SHOWN = 20.0
"""An item counts as if it had been shown so often more, with the actions taken as often as on all items."""


class ItemRates:
    """Shares by item and action, of what was learned from; those of all items where an item was shown little.

    Args:
        items: (T,) int64 indices of what was shown, 0..n.
        taken: (T, actions) bool.
        count: n.
    """

    def __init__(self, items: np.ndarray, taken: np.ndarray, count: int) -> None:
        self.base = (taken.sum(axis=0) + 0.5) / (len(taken) + 1)
        shown = np.bincount(items, minlength=count + 1)[:, None]
        done = np.stack([np.bincount(items, action, count + 1) for action in taken.T], axis=1)
        self._rates = (done + PRIOR_SHOWN * self.base) / (shown + PRIOR_SHOWN)

    def base_logits(self, shown: int) -> np.ndarray:
        """(shown, actions) float32: the same for everything."""
        return np.tile(_logit(self.base), (shown, 1))

    def logits(self, items: np.ndarray) -> np.ndarray:
        """(T, actions) float32 of `items` (T,)."""
        return _logit(self._rates[items])


def _logit(rates: np.ndarray) -> np.ndarray:
    logits: np.ndarray = (np.log(rates) - np.log1p(-rates)).astype(np.float32)
    return logits
