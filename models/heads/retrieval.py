"""The retrieval head: states and items as points whose dot product is the score."""

import torch.nn.functional as F
from torch import Tensor, nn

from models.heads.drift import Drift
from models.heads.evidence import Evidence
from models.heads.projection import Projection


class RetrievalHead(nn.Module):
    """States and item vectors at unit norm, so that the score is their cosine (HSTU spec section 3).

    What the encoder reads of an item and what a state is compared with are told apart here. An artifact keeps what
    `items` makes of the tower's vectors: with a projection that table is small, and an index as it stands.

    Args:
        projection: What both pass first; None: they are compared as wide as they are.
    """

    def __init__(self, projection: Projection | None = None) -> None:
        super().__init__()
        self.projection = projection

    def forward(self, states: Tensor, evidence: Evidence) -> Tensor:
        """(L, width) raw states and what they rest on -> (L, d) queries in fp32; zero stays zero."""
        return self.direction(states)

    def direction(self, states: Tensor) -> Tensor:
        """(..., width) raw states -> (..., d) where they point, at norm 1, in fp32."""
        return unit(states if self.projection is None else self.projection.queries(states))

    def point(self, vectors: Tensor) -> Tensor:
        """(..., width) vectors of the item tower -> (..., d) what is compared with it, at its own length, in fp32."""
        return (vectors if self.projection is None else self.projection.items(vectors)).float()

    def temperature(self, configured: float) -> float:
        """What training divides the scores by: what is configured, but for a head that learns its own scale."""
        return configured

    def items(self, vectors: Tensor, index: Tensor, masked: Tensor | None = None) -> Tensor:
        """(..., width) vectors of the item tower -> (..., d) what queries are compared with, in fp32.

        Args:
            vectors: Of the items `index`.
            index: (...,) int64 item indices.
            masked: (...,) bool, where the ID is hidden, as the tower did; None: nowhere.
        """
        return unit(self.point(vectors))

    def drift(
        self, times: Tensor, drawn: Tensor, drawn_masked: Tensor, labels: Tensor, labels_masked: Tensor
    ) -> Drift | None:
        """What the logits were otherwise when each of L positions asked; None for a head that knows no time.

        Args:
            times: (L,) int64 epoch milliseconds.
            drawn: (k,) int64 item indices of the negatives.
            drawn_masked: (k,) bool, where their ID is hidden.
            labels: (L,) int64 the items that came next.
            labels_masked: (L,) bool, where their ID is hidden.
        """
        return None

    def as_of(self, scores: Tensor, times: Tensor, index: Tensor | None = None) -> Tensor:
        """(B, k) scores of the items `index` (k,), or of all, for B users who ask at `times` (B,) int64 epoch ms."""
        return scores

    def directions(self, vectors: Tensor) -> Tensor:
        """(..., d) what `items` gave -> unit vectors whose dot product says how alike two items are."""
        return vectors


def unit(vectors: Tensor) -> Tensor:
    """(..., d) -> the same directions with norm 1, in fp32; zero stays zero."""
    return F.normalize(vectors.float(), dim=-1, eps=1e-6)
