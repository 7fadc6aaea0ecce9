"""The learned weights of the relative attention bias."""

import torch
from torch import nn

from models.attention.bias import TIME_BUCKETS, AttentionBias
from models.encoder.stack import Layout


class RelativeBias(nn.Module):
    """One layer's weights by distance in position and in time (HSTU spec section 2.4)."""

    def __init__(self, divisor: int) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.empty(2 * divisor - 1).normal_(std=0.02))
        self.time = nn.Parameter(torch.empty(TIME_BUCKETS + 1).normal_(std=0.02))

    def forward(self, layout: Layout) -> AttentionBias:
        return AttentionBias(self.position, self.time, layout.query_times, layout.key_times)
