"""The retrieval head: states and items as points whose dot product is the score."""

import torch.nn.functional as F
from torch import Tensor, nn


class RetrievalHead(nn.Module):
    """States and item vectors at unit norm, so that the score is their cosine (HSTU spec section 3).

    What the encoder reads of an item and what a state is compared with are told apart here: a head that projects either
    of them does so in `forward` or in `items`, and an artifact keeps the outcome of the latter.
    """

    def forward(self, states: Tensor) -> Tensor:
        """(..., width) raw states -> (..., width) queries in fp32; zero stays zero."""
        return unit(states)

    def items(self, vectors: Tensor) -> Tensor:
        """(..., width) vectors of the item tower -> (..., width) what queries are compared with, in fp32."""
        return unit(vectors)


def unit(vectors: Tensor) -> Tensor:
    """(..., d) -> the same directions with norm 1, in fp32; zero stays zero."""
    return F.normalize(vectors.float(), dim=-1, eps=1e-6)
