"""Dropout that does not wait for random numbers."""

import torch
from torch import Tensor, nn

LEVELS = 1 << 16


class Dropout(nn.Dropout):
    """`nn.Dropout` that draws sixteen bits an element on a CPU, where a float for each costs more than a layer does.

    The rate is therefore rounded to 1/65536, and what is kept is scaled by the rounded rate.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p in (0, 1) or x.device.type != "cpu":
            return super().forward(x)
        dropped = round(self.p * LEVELS)
        bits = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        drawn = bits.view(torch.int16)[: x.numel()].view(x.shape)
        kept = (drawn >= dropped - LEVELS // 2).to(x.dtype)
        return x * kept.mul_(LEVELS / (LEVELS - dropped))
