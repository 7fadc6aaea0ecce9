"""A stack of attention layers, whatever the layers are."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import cast

from torch import Tensor, nn

from models.attention.mask import CAUSAL, AttentionMask
from models.jagged import cumulative, token_places


@dataclass(frozen=True)
class Layout:
    """The places and times of a batch's tokens: what attention must know besides queries, keys and values.

    Attributes:
        offsets: (B + 1,) int64 row boundaries of the keys.
        query_times: (L_q,) int64 ms, the time each query knows of: that of the next interaction, or of the request.
        key_times: (L,) int64 ms, when each token happened.
        mask: Who may look at whom.
        query_offsets: (B + 1,) int64 where only the last tokens of each row ask; None: all of them.
    """

    offsets: Tensor
    query_times: Tensor
    key_times: Tensor
    mask: AttentionMask = CAUSAL
    query_offsets: Tensor | None = None

    def since(self, seen: Tensor) -> tuple[Tensor, "Layout"]:
        """Only the tokens after the first `seen` (B,) of each row ask: their indices (L_q,), and the layout."""
        rows, places = token_places(self.offsets)
        asking = (places >= seen[rows]).nonzero().squeeze(1)
        return asking, replace(
            self,
            query_times=self.query_times[asking],
            query_offsets=cumulative(self.offsets.diff() - seen),
        )


class AttentionLayer(nn.Module, ABC):
    """A layer in three steps, so that a cache of keys and values can stand between the first and the second."""

    @abstractmethod
    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(L, width) -> gate, queries, keys, values.

        The gate is (L, heads * head_dim), or (L, 0) where the layer has none; the others are (L, heads, head_dim).
        """

    @abstractmethod
    def attend(self, q: Tensor, k: Tensor, v: Tensor, layout: Layout) -> Tensor:
        """(L_q, heads, head_dim) mixture of the values that each query may see."""

    @abstractmethod
    def combine(self, x: Tensor, gate: Tensor, mixed: Tensor) -> Tensor:
        """The layer's (L_q, width) output, residual included."""

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """(L, width) -> (L, width)."""
        gate, q, k, v = self.project(x)
        return self.combine(x, gate, self.attend(q, k, v, layout))


class Stack(nn.ModuleList):
    """Layers, one after the other."""

    def __init__(self, layers: Iterable[AttentionLayer]) -> None:
        super().__init__(layers)

    def __iter__(self) -> Iterator[AttentionLayer]:
        return cast(Iterator[AttentionLayer], super().__iter__())

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """(L, width) -> (L, width)."""
        for layer in self:
            x = layer(x, layout)
        return x
