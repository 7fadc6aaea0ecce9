"""Negatives as sampled softmax reads them: one draw shared by all positions, or one of each position's own.

Shapes: L positions of which a chunk has c, U distinct negatives, R draws, d width.
"""

from typing import Protocol

import torch
from torch import Tensor


class Draws(Protocol):
    """Logits over the drawn negatives, and the way back, chunk by chunk: `mixture` follows `logits` of the same chunk.

    `odds` are exponentials of the logits, `part` is the chunk's place among the positions.
    """

    numbers_per_position: int

    def __init__(self, negatives: Tensor, draws: Tensor, own: Tensor, products: torch.dtype) -> None: ...

    def logits(self, query: Tensor, part: slice) -> Tensor:
        """(c, d) -> (c, U or R); -inf where the negative is the position's own positive."""
        ...

    def total(self, odds: Tensor) -> Tensor:
        """(c,) sum over the draws."""
        ...

    def mixture(self, odds: Tensor, scale: Tensor, query: Tensor, part: slice) -> Tensor:
        """(c, d) sum over the draws of odds * `scale` * negative; adds odds * `scale` * `query` to their gradient."""
        ...

    def gradient(self) -> Tensor:
        """(U, d) what has been added up."""
        ...


class Shared:
    """Every position sees the same draw, so a negative stands for all its repetitions: each is one column."""

    def __init__(self, negatives: Tensor, draws: Tensor, own: Tensor, products: torch.dtype) -> None:
        self.numbers_per_position = len(negatives)
        self._negatives, self._products = negatives, products
        # A hit is at most one column of each position: there -inf is added, and nothing in any column where none is.
        self._column = own.clamp(min=0)[:, None]
        self._removed = torch.zeros(own.shape, dtype=negatives.dtype, device=own.device)
        self._removed = self._removed.masked_fill_(own >= 0, -torch.inf)[:, None]
        self._counts = draws.to(negatives.dtype)
        self._repeated = (negatives * self._counts[:, None]).to(products)
        self._gradient = torch.zeros_like(negatives.T)

    def logits(self, query: Tensor, part: slice) -> Tensor:
        return (query @ self._negatives.T).scatter_add_(1, self._column[part], self._removed[part])

    def total(self, odds: Tensor) -> Tensor:
        return odds @ self._counts

    def mixture(self, odds: Tensor, scale: Tensor, query: Tensor, part: slice) -> Tensor:
        odds = odds.to(self._products)
        self._gradient += (scale * query).to(self._products).T @ odds
        return scale * (odds @ self._repeated)

    def gradient(self) -> Tensor:
        return (self._gradient * self._counts).T


class PerPosition:
    """Every position has a draw of its own, as published: its negatives are gathered, chunk by chunk."""

    def __init__(self, negatives: Tensor, draws: Tensor, own: Tensor, products: torch.dtype) -> None:
        self.numbers_per_position = draws.shape[1] * negatives.shape[1]
        self._negatives, self._draws, self._own = negatives, draws, own
        self._gradient = torch.zeros_like(negatives)

    def logits(self, query: Tensor, part: slice) -> Tensor:
        self._gathered = self._negatives[self._draws[part]]
        logits = (self._gathered @ query[:, :, None]).squeeze(2)
        return logits.masked_fill_(self._draws[part] == self._own[part, None], -torch.inf)

    def total(self, odds: Tensor) -> Tensor:
        return odds.sum(-1)

    def mixture(self, odds: Tensor, scale: Tensor, query: Tensor, part: slice) -> Tensor:
        odds *= scale
        mixed = (odds[:, None, :] @ self._gathered).squeeze(1)
        spread = torch.mul(odds[:, :, None], query[:, None, :], out=self._gathered)
        self._gradient.index_add_(0, self._draws[part].flatten(), spread.flatten(0, 1))
        return mixed

    def gradient(self) -> Tensor:
        return self._gradient
