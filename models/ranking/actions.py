"""What was done with an item, as a vector (HSTU spec section 8)."""

import torch
from torch import Tensor, nn


class ActionEncoder(nn.Module):
    """One embedding per declared action, side by side, zero where the action was not taken.

    Candidates, whose actions are what is asked, all carry one learned vector instead.

    Args:
        actions: Number of declared actions; bit k of a mask is action k.
        dim: Width of one action's embedding.
    """

    bits: Tensor

    def __init__(self, actions: int, dim: int) -> None:
        super().__init__()
        self.width = actions * dim
        self.taken = nn.Parameter(torch.empty(actions, dim).normal_(std=0.1))
        self.unknown = nn.Parameter(torch.empty(self.width).normal_(std=0.1))
        self.register_buffer("bits", 1 << torch.arange(actions), persistent=False)

    def forward(self, masks: Tensor, candidate: Tensor) -> Tensor:
        """(L,) int64 masks, and (L,) bool where a token is a candidate -> (L, actions * dim)."""
        taken = (masks[:, None] & self.bits) != 0
        vectors = (taken.unsqueeze(-1) * self.taken).flatten(1)
        return torch.where(candidate.unsqueeze(-1), self.unknown, vectors)
