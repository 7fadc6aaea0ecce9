"""The hour and the weekday of a request, joined to what the encoder says of the user (HSTU spec section 8)."""

import torch
from torch import Tensor, nn

from models.mlp import EPS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# The published model's value: its weights were trained with these phases.
PI = 3.14


class CalendarNorm(nn.Module):
    """LN(Linear([state, cos and sin of hour of day and of day of week])); days are UTC."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.combine = nn.Linear(width + 4, width)
        self.norm = nn.LayerNorm(width, eps=EPS)

    def forward(self, states: Tensor, times: Tensor) -> Tensor:
        """(T, width) states and (T,) int64 ms -> (T, width)."""
        normed: Tensor = self.norm(self.combine(torch.cat([states, phases(times).to(states.dtype)], dim=-1)))
        return normed


def phases(times: Tensor) -> Tensor:
    """(T, 4) fp32: cos and sin of the hour of the day, then of the day of the week."""
    turns = torch.stack([times // HOUR_MS % 24 / 24, times // DAY_MS % 7 / 7], dim=-1)
    angles = turns * 2 * PI
    return torch.stack([angles.cos(), angles.sin()], dim=-1).flatten(-2).float()
