"""Item-kNN: which items the same users chose."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from models.fitted.config import ItemKnnConfig
from models.fitted.order import popularity_order
from models.fitted.users_items import users_items
from models.interactions import Interactions
from models.vocabulary import Vocabulary

PAIRS_AT_ONCE = 1 << 24
"""Bounds what is multiplied at once: some hundred MiB."""

TINY = 1e-12
"""Keeps the similarity of items without users at 0 instead of 0 / 0."""


class ItemKnnModel(nn.Module):
    """The nearest neighbours of every item.

    Similarity is the cosine over users with shrinkage, both(i, j) / (sqrt(count(i) count(j)) + shrinkage), of which
    each item keeps its nearest neighbours, itself among them where the configuration has `repeats`; newer history items
    weigh more. Items that are no neighbour of any item of a history follow those that are, by popularity.

    Args:
        vocabulary: Of n items.
        offsets: (n + 2,) int64: item i has the neighbours from offsets[i] to offsets[i + 1].
        neighbours: (N,) int32 items.
        similarities: (N,) float32 above 0.

    Raises:
        ValueError: these contradict each other.
    """

    offsets: Tensor
    neighbours: Tensor
    similarities: Tensor
    order: Tensor

    def __init__(
        self, config: ItemKnnConfig, vocabulary: Vocabulary, offsets: Tensor, neighbours: Tensor, similarities: Tensor
    ) -> None:
        super().__init__()
        size = len(vocabulary) + 1
        if len(offsets) != size + 1 or int(offsets[-1]) != len(neighbours) or len(neighbours) != len(similarities):
            raise ValueError("the neighbours of items do not fit the vocabulary: fit the version again")
        if len(neighbours) and int(neighbours.max()) >= size:
            raise ValueError(f"a neighbour lies beyond the {size - 1} items of the vocabulary: fit the version again")
        self.config = config
        self.register_buffer("offsets", offsets)
        self.register_buffer("neighbours", neighbours)
        self.register_buffer("similarities", similarities)
        self.register_buffer("order", popularity_order(vocabulary), persistent=False)

    @classmethod
    def fit(cls, config: ItemKnnConfig, training: Interactions, vocabulary: Vocabulary) -> "ItemKnnModel":
        """The model of the interactions `training`."""
        chosen = users_items(training, len(vocabulary))
        rows = sparse.vstack(list(_nearest(chosen, config)), format="csr")
        return cls(
            config,
            vocabulary,
            torch.from_numpy(rows.indptr.astype(np.int64)),
            torch.from_numpy(rows.indices.astype(np.int32)),
            torch.from_numpy(rows.data.astype(np.float32)),
        )

    @cached_property
    def table(self) -> sparse.csr_array:
        """(n + 1, n + 1) float32, row i the neighbours of item i."""
        size = len(self.offsets) - 1
        parts = self.similarities.numpy(), self.neighbours.numpy(), self.offsets.numpy()
        return sparse.csr_array(parts, shape=(size, size))

    @property
    def related(self) -> Tensor:
        """(n + 1,) bool, the items that have neighbours."""
        return self.offsets.diff() > 0

    def forward(self, histories: Interactions) -> Tensor:
        """(B, n + 1) float32: similarities to the items of each history, summed; from 0 down where there is none."""
        places = np.arange(len(histories.item_index))
        steps_back = np.repeat(histories.offsets[1:], histories.lengths) - 1 - places
        weights = (0.5 ** (steps_back / self.config.half_life_items)).astype(np.float32)
        shape = (len(histories), self.table.shape[0])
        read = sparse.csr_array((weights, histories.item_index, histories.offsets), shape=shape)
        scores = torch.from_numpy((read @ self.table).toarray())
        return torch.where(scores > 0, scores, self.order)

    def neighbours_of(self, item_index: int) -> Tensor:
        """(n + 1,) float32 similarities to one item; -inf where there is none."""
        part = slice(int(self.offsets[item_index]), int(self.offsets[item_index + 1]))
        scores = torch.full((len(self.offsets) - 1,), -torch.inf)
        scores[self.neighbours[part].long()] = self.similarities[part]
        return scores


def _nearest(chosen: sparse.csr_array, config: ItemKnnConfig) -> Iterator[sparse.csr_array]:
    """The rows of the similarities, some items after the other."""
    by_item = chosen.T.tocsr()
    norms = np.sqrt(np.diff(by_item.indptr)).astype(np.float32)
    # What a row costs: all that its users chose.
    pairs = np.cumsum(by_item @ np.diff(chosen.indptr).astype(np.float64))
    start = 0
    while start < len(norms):
        before = pairs[start - 1] if start else 0.0
        stop = max(start + 1, int(np.searchsorted(pairs, before + PAIRS_AT_ONCE)))
        both = (by_item[start:stop] @ chosen).tocsr()
        rows = np.repeat(np.arange(start, min(stop, len(norms))), np.diff(both.indptr))
        both.data /= norms[rows] * norms[both.indices] + max(config.shrinkage, TINY)
        if not config.repeats:
            both.data[rows == both.indices] = 0
        yield _keep_largest(both, config.neighbours)
        start = stop


def _keep_largest(similarities: sparse.csr_array, count: int) -> sparse.csr_array:
    """The `count` largest entries of each row; of equal ones those that come first."""
    similarities.eliminate_zeros()
    similarities.sort_indices()
    starts, data = similarities.indptr, similarities.data
    kept = np.ones(len(data), bool)
    for row in np.flatnonzero(np.diff(starts) > count):
        part = slice(starts[row], starts[row + 1])
        kept[part] = _largest(data[part], count)
    offsets = np.concatenate([[0], np.cumsum(kept)])[starts]
    return sparse.csr_array((data[kept], similarities.indices[kept], offsets), shape=similarities.shape)


def _largest(values: NDArray[np.float32], count: int) -> NDArray[np.bool_]:
    """(len,) bool, true at the `count` largest of `values`."""
    least = np.partition(values, len(values) - count)[len(values) - count]
    kept = values > least
    kept[np.flatnonzero(values == least)[: count - int(kept.sum())]] = True
    return kept
