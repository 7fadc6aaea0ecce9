"""How much an item's ID and its content count, by how long the item has been there."""

import torch
from torch import Tensor, nn

DAYS = 30.0
"""At this age a gate is as far from that of a new item as its slope says."""


class AgeGate(nn.Module):
    """A factor from 0 to 2 for each part of an item's vector, from the logarithm of the item's age: at first 1.

    Metadata can count for more while an item is new, and its ID later (Netflix's foundation model, blog of 22 March
    2025: the mixing by entity age).

    Args:
        parts: How many factors.
    """

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(parts))
        self.slope = nn.Parameter(torch.zeros(parts))

    def forward(self, days: Tensor) -> Tensor:
        """(...,) float32 ages in days -> (..., parts)."""
        age = torch.log1p(days / DAYS).unsqueeze(-1)
        return 2 * torch.sigmoid(self.level + self.slope * age)
