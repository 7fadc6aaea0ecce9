"""Dropout that does not wait for random numbers."""

import torch
from torch import Tensor, nn

LEVELS = 1 << 16


def dropped(x: Tensor, p: float) -> Tensor:
    """`x`, a share `p` of it at 0 and the rest scaled up; on a CPU, `p` is not 1.

    Sixteen bits are drawn for an element, so the rate is rounded to 1/65536, and the scale follows the rounded rate.
    """
    rounded = round(p * LEVELS)
    bits = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    drawn = bits.view(torch.int16)[: x.numel()].view(x.shape)
    kept = (drawn >= rounded - LEVELS // 2).to(x.dtype)
    return x * kept.mul_(LEVELS / (LEVELS - rounded))


class Dropout(nn.Dropout):
    """`nn.Dropout` that draws sixteen bits an element on a CPU, where a float for each costs more than a layer does."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p in (0, 1) or x.device.type != "cpu":
            return super().forward(x)
        return dropped(x, self.p)
