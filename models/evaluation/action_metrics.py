"""Metrics of predicted actions: normalised entropy, AUC and GAUC, each with a bootstrap interval over users.

- `ne`: the mean log loss over that of a constant, the share of what was shown on which the action was taken (He et al.
  2014). 1 is no better than knowing that share; less is better.
- `auc`: the chance that something with the action scores higher than something without it; equal scores count half.
- `gauc`, `gauc_positives`, `pair_accuracy`, `ndcg@5`, `primary`: of each user's own impressions
  (`models.evaluation.own_impressions`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.intervals import FloatArray, draw_counts
from models.evaluation.own_impressions import OWN_METRICS, OwnImpressions, measures
from models.evaluation.report import Measures

METRICS = ("ne", "auc", *OWN_METRICS)


@dataclass(frozen=True)
class _Action:
    """One action's T outcomes, sorted by score, and what the metrics are sums of.

    Attributes:
        users: (T,) int64 0..U - 1.
        taken: (T,) float64, 0 or 1.
        losses: (T,) log loss.
        ties: (T,) int64 number of the group of equal scores, ascending.
        own: How the users' own are ordered.
    """

    users: NDArray[np.int64]
    taken: FloatArray
    losses: FloatArray
    ties: NDArray[np.int64]
    own: OwnImpressions

    @classmethod
    def of(cls, users: NDArray[np.int64], said: NDArray[np.float32], done: NDArray[np.bool_]) -> "_Action":
        order = np.argsort(said, kind="stable")
        users, logits, taken = users[order], said[order].astype(np.float64), done[order].astype(np.float64)
        losses = np.logaddexp(0, logits) - taken * logits
        ties = np.cumsum(np.concatenate([[0], np.diff(logits) > 0])).astype(np.int64)
        return cls(users, taken, losses, ties, OwnImpressions.of(users, logits, done[order]))

    def metrics(self, counts: FloatArray) -> FloatArray:
        """(7,) `METRICS` where user u counts `counts[u]` times; NaN where one is not defined."""
        weights = counts[self.users]
        total, positive = weights.sum(), float(weights @ self.taken)
        share = positive / total
        with np.errstate(divide="ignore", invalid="ignore"):
            entropy = -(share * np.log(share) + (1 - share) * np.log1p(-share))
            ne = float(weights @ self.losses) / total / entropy if 0 < share < 1 else np.nan
        return np.array([ne, self._auc(weights, positive, total - positive), *self.own.metrics(counts[None])[0]])

    def _auc(self, weights: FloatArray, positive: float, negative: float) -> float:
        if not (positive > 0 and negative > 0):
            return np.nan
        ups = np.bincount(self.ties, weights * self.taken)
        downs = np.bincount(self.ties, weights * (1 - self.taken))
        below = np.cumsum(downs) - downs
        return float(ups @ (below + downs / 2)) / (positive * negative)


def action_metrics(
    users: NDArray[np.int64], logits: NDArray[np.float32], taken: NDArray[np.bool_], resamples: int, seed: int
) -> list[Measures]:
    """Of each action, metric to number with its 95 % interval; a metric that is not defined is left out.

    Args:
        users: (T,) int64 any numbers, equal for what was shown to one user.
        logits: (T, actions).
        taken: (T, actions), whether the user did it.
        resamples: Bootstrap resamples of the users; all actions and metrics see the same.
        seed: Of them.

    Raises:
        ValueError: nothing was shown, or a logit is not finite.
    """
    if not len(users):
        raise ValueError("nothing was shown: there is nothing to measure")
    if not np.isfinite(logits).all():
        place = int(np.argmin(np.isfinite(logits).all(axis=1)))
        raise ValueError(f"a logit of item {place} that was shown is not finite: the model is broken")
    _, numbers = np.unique(users, return_inverse=True)
    actions = [_Action.of(numbers, logits[:, a], taken[:, a]) for a in range(logits.shape[1])]
    everyone = np.ones(int(numbers.max()) + 1)
    generator = np.random.default_rng(seed)
    drawn = np.stack(
        [
            np.stack([action.metrics(counts) for action in actions])
            for _ in range(resamples)
            for counts in draw_counts(generator, 1, len(everyone))
        ]
    )
    return [
        measures(METRICS, action.metrics(everyone), drawn[:, place], len(everyone))
        for place, action in enumerate(actions)
    ]


def normalised_entropy(logits: NDArray[np.float32], taken: NDArray[np.bool_]) -> float:
    """The mean `ne` over those actions that were taken some times and not always; NaN where there is none."""
    alone = np.zeros(len(logits), np.int64)
    each = [_Action.of(alone, logits[:, a], taken[:, a]).metrics(np.ones(1))[0] for a in range(logits.shape[1])]
    defined = [value for value in each if np.isfinite(value)]
    return float(np.mean(defined)) if defined else float("nan")
