"""The retrieval head with popularity: what everybody chooses is known, what a user chooses is learned on top of it."""

import torch
from torch import Tensor, nn

from models.heads.retrieval import RetrievalHead, unit

SCALE = 4.0
"""Of the cosines, before training: so little that the untrained model recommends what is popular."""

UNSEEN = 0.1
"""What an item without an interaction counts as, in interactions of an average item."""


class PopularityHead(RetrievalHead):
    """The logit of an item is its log popularity, at a learned weight, and the cosine of state and item, at a learned
    scale; both are one dot product, so that retrieval needs no other index.

    A cosine alone cannot tell how much more popular one item is than another: all items lie on one sphere. On short
    histories that is most of what can be known.

    Args:
        popularity: (n + 1,) float32 interactions of each item in training, older ones counting less; 0 at index 0.
    """

    log_popularity: Tensor

    def __init__(self, popularity: Tensor) -> None:
        super().__init__()
        seen = popularity[popularity > 0]
        mean = seen.mean() if len(seen) else popularity.new_ones(())
        self.log_scale = nn.Parameter(torch.tensor(SCALE).log())
        self.weight = nn.Parameter(torch.ones(()))
        self.register_buffer("log_popularity", (popularity / mean + UNSEEN).log().float(), persistent=False)

    def temperature(self, configured: float) -> float:
        """1: the scores are logits, whose scale is learned."""
        return 1.0

    def forward(self, states: Tensor) -> Tensor:
        """(..., width) raw states -> (..., width + 1) queries in fp32."""
        return torch.cat([self.log_scale.exp() * unit(states), self.weight.expand(*states.shape[:-1], 1)], dim=-1)

    def items(self, vectors: Tensor, index: Tensor, masked: Tensor | None = None) -> Tensor:
        """(..., width) vectors of the items `index` (...,) -> (..., width + 1) what queries are compared with.

        Where `masked` is true the item is new: nobody knows how popular it will be.
        """
        popularity = self.log_popularity[index]
        if masked is not None:
            popularity = popularity.masked_fill(masked, float(torch.tensor(UNSEEN).log()))
        return torch.cat([unit(vectors), popularity.unsqueeze(-1)], dim=-1)

    def directions(self, vectors: Tensor) -> Tensor:
        return vectors[..., :-1]
