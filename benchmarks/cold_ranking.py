"""ColdRec's evaluation (YuanchenBei/ColdRec, `model/BaseRecommender.py`, `util/evaluator.py`): full ranking, K = 20.

What a user has in training is never a candidate. Beside that, `cold` ranks the cold items alone, those of validation
and of the test together, `warm` the warm ones alone, `overall` all. What a user has in validation stays a candidate in
the test, and is wrong there, and the other way round.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.cold_split import ColdSplit

K = 20
RECALL, NDCG = f"recall@{K}", f"ndcg@{K}"
USERS_AT_ONCE = 512

Scores = Callable[[np.ndarray], Tensor]
"""(B,) positions of users -> (B, n + 1) scores, higher is better; that of item 0 is not read."""

Reading = dict[str, dict[str, float]]
"""`cold`, `warm` or `overall` to Recall@20 and NDCG@20, each the mean over the users who have something there."""


@dataclass(frozen=True)
class Log:
    """Interactions by position of the user, 0.., and index of the item, 1..n, in the order of the file.

    Attributes:
        users, items: (L,) int64.
        item_ids: (n,) int64, ascending.
    """

    users: np.ndarray
    items: np.ndarray
    item_ids: np.ndarray
    parts: ColdSplit

    @property
    def user_count(self) -> int:
        return int(self.users.max()) + 1

    @property
    def is_cold(self) -> np.ndarray:
        """(n + 1,) bool."""
        cold = np.zeros(len(self.item_ids) + 1, bool)
        cold[self.parts.cold_items] = True
        return cold


def read(scores: Scores, log: Log, part: str) -> Reading:
    """Recall and NDCG of `part`, `validation` or `test`."""
    rows = {name: getattr(log.parts, f"{name}_{part}") for name in ("cold", "warm")}
    asked = {name: _Sets(log, some) for name, some in rows.items()}
    # As in the published code: of users alone who have both.
    both = np.intersect1d(log.users[rows["cold"]], log.users[rows["warm"]])
    every = np.concatenate(list(rows.values()))
    asked["overall"] = _Sets(log, every[np.isin(log.users[every], both)])
    had, cold = _Sets(log, log.parts.training), torch.from_numpy(log.is_cold)
    excluded = {"cold": ~cold, "warm": cold, "overall": torch.zeros_like(cold)}
    values: dict[str, list[np.ndarray]] = {name: [] for name in asked}
    for users in _some(log.user_count):
        found = scores(users).float().clone()
        found[:, 0] = -torch.inf
        found[torch.from_numpy(had.of(users))] = -torch.inf
        for name, sets in asked.items():
            wanted = torch.from_numpy(sets.of(users))
            listed = found.masked_fill(excluded[name], -torch.inf).topk(K).indices
            values[name].append(_recall_and_ndcg(listed, wanted))
    found_of = {name: np.concatenate(some) for name, some in values.items()}
    means = {name: some.mean(0) if len(some) else np.zeros(2) for name, some in found_of.items()}
    return {name: {RECALL: float(recall), NDCG: float(ndcg)} for name, (recall, ndcg) in means.items()}


def _some(users: int) -> Iterator[np.ndarray]:
    yield from (np.arange(start, min(start + USERS_AT_ONCE, users)) for start in range(0, users, USERS_AT_ONCE))


class _Sets:
    """The items of each user in some rows of the log."""

    def __init__(self, log: Log, rows: np.ndarray) -> None:
        order = rows[np.argsort(log.users[rows], kind="stable")]
        counts = np.bincount(log.users[order], minlength=log.user_count)
        self._items, self._width = log.items[order], len(log.item_ids) + 1
        self._offsets = np.concatenate([[0], np.cumsum(counts)])

    def of(self, users: np.ndarray) -> np.ndarray:
        """(B, n + 1) bool, of successive users."""
        start, end = self._offsets[users[0]], self._offsets[users[-1] + 1]
        rows = np.repeat(np.arange(len(users)), np.diff(self._offsets[users[0] : users[-1] + 2]))
        among = np.zeros((len(users), self._width), bool)
        among[rows, self._items[start:end]] = True
        return among


def _recall_and_ndcg(listed: Tensor, wanted: Tensor) -> np.ndarray:
    """(U, 2) of the users who want something, of the lists (B, K) of what is `wanted` (B, n + 1)."""
    count = wanted.sum(1)
    hits = wanted.gather(1, listed).double()
    discount = 1 / torch.arange(2, listed.shape[1] + 2).double().log2()
    ideal = discount.cumsum(0)[count.clamp(1, listed.shape[1]) - 1]
    values = torch.stack([hits.sum(1) / count.clamp(min=1), (hits * discount).sum(1) / ideal], dim=1)
    found: np.ndarray = values[count > 0].numpy()
    return found
