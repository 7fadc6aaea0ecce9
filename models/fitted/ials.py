"""iALS: vectors of items whose products with a user's tell what they choose."""

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from models.fitted.config import IalsConfig
from models.fitted.order import popularity_order
from models.fitted.users_items import users_items
from models.interactions import Interactions
from models.vocabulary import Vocabulary

ENTRIES_AT_ONCE = 1 << 23
"""Bounds the memory of a batch: 64 MiB of the vectors of what its users chose."""


class IalsModel(nn.Module):
    """The vectors of all items; a user's follows from what they chose, so that nobody has to be known beforehand.

    Args:
        vocabulary: Of n items.
        factors: (n + 1, f) float32, zero at 0 and where an item was never seen.
        gram: (f, f) float64, the sum over all items of their outer products: what the user did not choose.

    Raises:
        ValueError: these contradict each other.
    """

    factors: Tensor
    gram: Tensor
    order: Tensor
    unseen: Tensor

    def __init__(self, config: IalsConfig, vocabulary: Vocabulary, factors: Tensor, gram: Tensor) -> None:
        super().__init__()
        if factors.shape != (len(vocabulary) + 1, config.factors) or gram.shape != (config.factors, config.factors):
            raise ValueError("the vectors of items do not fit the vocabulary: fit the version again")
        unseen = torch.ones(len(vocabulary) + 1, dtype=torch.bool)
        unseen[torch.from_numpy(vocabulary.trained)] = False
        self.config = config
        self.register_buffer("factors", factors, persistent=False)
        self.register_buffer("gram", gram)
        self.register_buffer("order", popularity_order(vocabulary), persistent=False)
        self.register_buffer("unseen", unseen, persistent=False)

    @classmethod
    def fit(cls, config: IalsConfig, training: Interactions, vocabulary: Vocabulary, threads: int = 1) -> "IalsModel":
        """The model of the interactions `training`."""
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        chosen = users_items(training, len(vocabulary))
        # Its own threads split the users; those of BLAS beside them would only get in the way.
        with threadpool_limits(1, "blas"):
            solver = AlternatingLeastSquares(
                factors=config.factors,
                regularization=config.regularisation,
                alpha=config.alpha,
                iterations=config.iterations,
                num_threads=threads,
                random_state=config.seed,
            )
            solver.fit(sparse.csr_matrix(chosen), show_progress=False)
        factors = torch.from_numpy(solver.item_factors.copy())
        seen = np.zeros(len(factors), bool)
        seen[vocabulary.trained] = True
        factors[torch.from_numpy(~seen)] = 0
        return cls(config, vocabulary, factors, factors.double().T @ factors.double())

    def users(self, histories: Interactions) -> Tensor:
        """(B, f) float32 vectors of users: the least squares that fitted the items, solved once more for each.

        (sum over all y yT + (alpha - 1) sum over chosen y yT + regularisation) x = alpha sum over chosen y.

        Raises:
            ValueError: it has no solution, which takes next to no regularisation.
        """
        lengths, width = histories.lengths, self.config.factors
        step = max(1, ENTRIES_AT_ONCE // (max(1, int(lengths.max(initial=0))) * width))
        parts = [torch.zeros(0, width)]
        for start in range(0, len(histories), step):
            some = histories.take(np.arange(start, min(start + step, len(histories))))
            # In double: long histories at a great alpha leave little of the regularisation in single precision.
            chosen = self.factors[_padded(some)].double()
            squares = self.gram + (self.config.alpha - 1) * (chosen.mT @ chosen)
            squares.diagonal(dim1=-2, dim2=-1).add_(self.config.regularisation)
            wanted = self.config.alpha * chosen.sum(1).unsqueeze(-1)
            roots, failed = torch.linalg.cholesky_ex(squares)
            if failed.any():
                raise ValueError("the least squares of a user cannot be solved: fit iALS with more `regularisation`")
            parts.append(torch.cholesky_solve(wanted, roots).squeeze(-1).float())
        return torch.cat(parts)

    def forward(self, histories: Interactions) -> Tensor:
        """(B, n + 1) float32 products of users and items; popularity of whom nothing is known."""
        scores = self.users(histories) @ self.factors.T
        scores = torch.where(self.unseen, scores.amin(1, keepdim=True) - 1, scores)
        nothing = torch.from_numpy(histories.lengths == 0).unsqueeze(1)
        return torch.where(nothing, self.order, scores)

    def cosines(self, item_index: int) -> Tensor:
        """(n + 1,) float32 cosines of one item and every item; -inf where one of the two was never seen."""
        directions = torch.nn.functional.normalize(self.factors, dim=-1)
        told = ~(self.unseen | self.unseen[item_index])
        return torch.where(told, directions @ directions[item_index], -torch.inf)


def _padded(histories: Interactions) -> Tensor:
    """(B, L) int64 items of each user, each once, and 0 behind them."""
    users = np.repeat(np.arange(len(histories)), histories.lengths)
    pairs = np.unique(np.stack([users, histories.item_index]), axis=1)
    counts = np.bincount(pairs[0], minlength=len(histories))
    items = np.zeros((len(histories), max(1, int(counts.max(initial=0)))), np.int64)
    items[np.arange(items.shape[1]) < counts[:, None]] = pairs[1]
    return torch.from_numpy(items)
