"""The metrics of Yambda's benchmark (arXiv 2505.22238) as its code has them; copies differ, so they are said here.

- DCG@k of a user: 1 / log2(1 + rank) of every listed item among the first k that is among the user's targets.
- NDCG@k: mean DCG@k over mean ideal DCG@k, in which as many places are hits as the user has target *events*: what was
  played twice counts twice there.
- Recall@k: hits among the first k over the number of target events; the mean over users.
- Coverage@k: different items in all lists of length k over the number of items that training saw.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KS = (10, 50, 100)
RESAMPLES = 1_000


@dataclass(frozen=True)
class Lists:
    """What U users were recommended, and what they chose.

    Attributes:
        items: (U, K) int64 item indices, best first; 0 where a list is shorter.
        targets: (T,) int64 item indices of events, 0 for an item that is not known; what was chosen twice stands twice.
        target_users: (T,) int64 whose they are.
        known: How many items training saw.
    """

    items: NDArray[np.int64]
    targets: NDArray[np.int64]
    target_users: NDArray[np.int64]
    known: int

    @property
    def hits(self) -> NDArray[np.bool_]:
        """(U, K) whether the item is among its user's targets."""
        stride = int(max(self.items.max(initial=0), self.targets.max(initial=0))) + 1
        users = np.arange(len(self.items))[:, None]
        there: NDArray[np.bool_] = np.isin(users * stride + self.items, self.target_users * stride + self.targets)
        return there & (self.items > 0)

    @property
    def events(self) -> NDArray[np.int64]:
        """(U,) how many events are asked for."""
        return np.bincount(self.target_users, minlength=len(self.items))


def measured(lists: Lists, ks: Sequence[int] = KS) -> dict[str, float]:
    """`ndcg@k`, `recall@k` and `coverage@k`, and a 95 % bootstrap interval over users of each NDCG."""
    hits, events = lists.hits, lists.events
    discounts = 1 / np.log2(2 + np.arange(hits.shape[1]))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])
    random = np.random.default_rng(0)
    drawn = random.multinomial(len(events), np.full(len(events), 1 / len(events)), RESAMPLES)
    found: dict[str, float] = {}
    for k in ks:
        gains, best = hits[:, :k] @ discounts[:k], ideal[np.minimum(events, k)]
        low, high = np.quantile((drawn @ gains) / (drawn @ best), [0.025, 0.975])
        found |= {
            f"ndcg@{k}": float(gains.sum() / best.sum()),
            f"ndcg@{k}_low": float(low),
            f"ndcg@{k}_high": float(high),
            f"recall@{k}": float((hits[:, :k].sum(1) / events).mean()),
            f"coverage@{k}": len(np.setdiff1d(lists.items[:, :k], [0])) / lists.known,
        }
    return found
