"""The baselines that every model is measured against: popularity with time decay, and item-kNN."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.evaluation.cases import EvaluationCases
from models.interactions import Interactions

DAY_MS = 86_400_000
SIMILARITIES_AT_ONCE = 1 << 22
TINY = 1e-12
"""Keeps the similarity of items without users at 0 instead of 0 / 0."""


@dataclass(frozen=True)
class Popularity:
    """Recommends what was popular lately, the same to everyone who asks on the same day.

    An item's score is its number of interactions, each halved once per half-life of age. Interactions are counted by
    UTC day, and a request counts the days before its own: so requests from the past, as leave-one-out has them, are
    answered with the popularity of their time.

    Attributes:
        daily_counts: (D, n+1) interactions by day and item.
        first_day: Number of the first day since the epoch.
        half_life_days: Age at which an interaction counts half.
    """

    daily_counts: sparse.csr_array
    first_day: int
    half_life_days: float
    name: str = "popularity"

    @classmethod
    def fit(cls, training: Interactions, items: int, half_life_days: float) -> "Popularity":
        days = training.timestamps // DAY_MS
        first, last = (int(days.min()), int(days.max())) if len(days) else (0, 0)
        counts = sparse.coo_array(
            (np.ones(len(days)), (days - first, training.item_index)), shape=(last - first + 1, items + 1)
        )
        return cls(counts.tocsr(), first, half_life_days)

    def score(self, cases: EvaluationCases) -> NDArray[np.float32]:
        days = np.arange(self.daily_counts.shape[0])
        # Ages are relative to the newest day that counts: a common factor ranks the same and never underflows.
        newest = np.minimum(cases.request_times // DAY_MS - self.first_day - 1, days[-1])
        ages = newest[:, None] - days[None, :]
        weights = np.where(ages >= 0, 0.5 ** (np.maximum(ages, 0) / self.half_life_days), 0.0)
        scores: NDArray[np.float32] = (weights @ self.daily_counts).astype(np.float32)
        return scores


@dataclass(frozen=True)
class ItemKnn:
    """Recommends items that were chosen by the same users as the items in the history (Sarwar et al. 2001).

    Similarity is the cosine over users with shrinkage, both(i, j) / (sqrt(count(i) count(j)) + shrinkage), of which
    each item keeps its nearest neighbours; newer history items weigh more.

    Attributes:
        similarities: (n+1, n+1) sparse float32, row i the neighbours of item i.
        half_life_items: Steps back in the history at which an item's weight has halved.
    """

    similarities: sparse.csr_array
    half_life_items: float
    name: str = "item_knn"

    @classmethod
    def fit(
        cls,
        training: Interactions,
        items: int,
        neighbours: int = 100,
        shrinkage: float = 20.0,
        half_life_items: float = 5.0,
    ) -> "ItemKnn":
        users_items = _user_item_matrix(training, items)
        items_users = users_items.T.tocsr()
        norms = np.sqrt(items_users.sum(axis=1))
        step = max(1, SIMILARITIES_AT_ONCE // len(norms))
        blocks = []
        for start in range(0, len(norms), step):
            block = slice(start, min(start + step, len(norms)))
            similarities = (items_users[block] @ users_items).toarray()
            similarities /= norms[block, None] * norms[None, :] + max(shrinkage, TINY)
            similarities[np.arange(len(similarities)), np.arange(block.start, block.stop)] = 0
            blocks.append(_keep_largest(similarities, neighbours))
        return cls(sparse.vstack(blocks, format="csr"), half_life_items)

    def score(self, cases: EvaluationCases) -> NDArray[np.float32]:
        histories = cases.histories
        steps_back = histories.offsets[1:][cases.history_cases] - 1 - np.arange(len(histories.item_index))
        weights = (0.5 ** (steps_back / self.half_life_items)).astype(np.float32)
        shape = (len(cases), self.similarities.shape[0])
        weighted = sparse.csr_array((weights, histories.item_index, histories.offsets), shape=shape)
        scores: NDArray[np.float32] = (weighted @ self.similarities).toarray()
        return scores


def _user_item_matrix(training: Interactions, items: int) -> sparse.csr_array:
    """(U, n+1) float32, 1 where a user has interacted with an item; column 0, unknown items, is empty."""
    known = training.known()
    shape = (len(known), items + 1)
    # A copy: summing duplicates sorts in place, and the interactions are others' too, often a read-only file.
    matrix = sparse.csr_array(
        (np.ones(len(known.item_index), np.float32), known.item_index, known.offsets), shape=shape, copy=True
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def _keep_largest(similarities: NDArray[np.float32], count: int) -> sparse.csr_array:
    """The `count` largest entries of each row, as a sparse matrix of the same shape."""
    rows, columns = similarities.shape
    count = min(count, columns)
    best = np.argpartition(-similarities, count - 1, axis=1)[:, :count]
    values = np.take_along_axis(similarities, best, axis=1)
    kept = sparse.csr_array((values.ravel(), best.ravel(), np.arange(rows + 1) * count), shape=similarities.shape)
    kept.eliminate_zeros()
    return kept
