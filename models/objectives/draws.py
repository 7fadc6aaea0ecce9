"""Negatives as sampled softmax reads them: one draw shared by all positions, or one for every few positions.

Shapes: L positions of which a chunk has c, U distinct negatives, R draws, d width.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

FEWEST = 64
"""Positions of a chunk at least: each reads and writes the gradient of all negatives once, which of many takes longer
than their logits do for a few positions."""


class Draws(Protocol):
    """Logits over the drawn negatives, and the way back, chunk by chunk: `mixture` follows `logits` of the same chunk.

    `odds` are exponentials of the logits, `part` is the chunk's place among the positions, `correction` (U,) what the
    logits of the negatives are lowered by.
    """

    def __init__(
        self, negatives: Tensor, draws: Tensor, own: Tensor, products: torch.dtype, correction: Tensor | None
    ) -> None: ...

    def parts(self, limit: int) -> Iterator[slice]:
        """The positions, in chunks of which each needs about `limit` numbers."""
        ...

    def logits(self, query: Tensor, part: slice) -> Tensor:
        """(c, d) -> (c, U or R); -inf where the negative is the position's own positive."""
        ...

    def drifted(self, rows: Tensor, moment: Tensor, part: slice) -> Tensor:
        """(S, U) values of the negatives at each of S moments -> (c, U or R) at the `moment` (L,) of each position."""
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

    def __init__(
        self, negatives: Tensor, draws: Tensor, own: Tensor, products: torch.dtype, correction: Tensor | None
    ) -> None:
        self._negatives, self._products, self._correction = negatives, products, correction
        # A hit is at most one column of each position: there -inf is added, and nothing in any column where none is.
        self._column = own.clamp(min=0)[:, None]
        self._removed = torch.zeros(own.shape, dtype=negatives.dtype, device=own.device)
        self._removed = self._removed.masked_fill_(own >= 0, -torch.inf)[:, None]
        self._counts = draws.to(negatives.dtype)
        self._repeated = (negatives * self._counts[:, None]).to(products)
        self._gradient = torch.zeros_like(negatives.T)

    def parts(self, limit: int) -> Iterator[slice]:
        positions, size = len(self._column), max(FEWEST, limit // max(len(self._negatives), 1))
        return (slice(start, start + size) for start in range(0, positions, size))

    def logits(self, query: Tensor, part: slice) -> Tensor:
        logits = query @ self._negatives.T
        if self._correction is not None:
            logits -= self._correction
        return logits.scatter_add_(1, self._column[part], self._removed[part])

    def drifted(self, rows: Tensor, moment: Tensor, part: slice) -> Tensor:
        return rows[moment[part]]

    def total(self, odds: Tensor) -> Tensor:
        return odds @ self._counts

    def mixture(self, odds: Tensor, scale: Tensor, query: Tensor, part: slice) -> Tensor:
        odds = odds.to(self._products)
        self._gradient += (scale * query).to(self._products).T @ odds
        return scale * (odds @ self._repeated)

    def gradient(self) -> Tensor:
        return (self._gradient * self._counts).T


class PerRun:
    """Each run of equally many positions has a draw of its own; as published, each run is one position."""

    def __init__(
        self, negatives: Tensor, draws: Tensor, own: Tensor, products: torch.dtype, correction: Tensor | None
    ) -> None:
        self._negatives, self._draws, self._own, self._correction = negatives, draws, own, correction
        self._run = -(-len(own) // max(len(draws), 1))
        self._gradient = torch.zeros_like(negatives)

    def parts(self, limit: int) -> Iterator[slice]:
        positions, run = len(self._own), max(self._run, 1)
        runs = max(1, limit // (self._draws.shape[1] * max(run, self._negatives.shape[1])))
        whole = positions - positions % run
        for start in range(0, whole, runs * run):
            yield slice(start, min(start + runs * run, whole))
        if whole < positions:
            yield slice(whole, positions)

    def logits(self, query: Tensor, part: slice) -> Tensor:
        self._drawn = self._draws[part.start // self._run : -(-part.stop // self._run)]
        self._gathered = self._negatives[self._drawn]
        logits = self._by_run(query) @ self._gathered.mT
        if self._correction is not None:
            logits -= self._correction[self._drawn][:, None, :]
        hits = self._drawn[:, None, :] == self._by_run(self._own[part, None])
        return logits.masked_fill_(hits, -torch.inf).flatten(0, 1)

    def drifted(self, rows: Tensor, moment: Tensor, part: slice) -> Tensor:
        return rows[self._by_run(moment[part])[..., None], self._drawn[:, None, :]].flatten(0, 1)

    def total(self, odds: Tensor) -> Tensor:
        return odds.sum(-1)

    def mixture(self, odds: Tensor, scale: Tensor, query: Tensor, part: slice) -> Tensor:
        odds = self._by_run(odds * scale)
        self._gradient.index_add_(0, self._drawn.flatten(), (odds.mT @ self._by_run(query)).flatten(0, 1))
        return (odds @ self._gathered).flatten(0, 1)

    def gradient(self) -> Tensor:
        return self._gradient

    def _by_run(self, positions: Tensor) -> Tensor:
        """(c, ...) -> (runs, positions of a run, ...)."""
        return positions.unflatten(0, (len(self._drawn), -1))
