"""The MLPs around the ranker's encoder (HSTU spec section 8)."""

import torch
from torch import Tensor, nn

EPS = 1e-5


class SwishNorm(nn.Module):
    """x * sigmoid(LN(x))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.norm(x))


def mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Linear, SwishNorm, Linear."""
    return nn.Sequential(_linear(inputs, hidden), SwishNorm(hidden), _linear(hidden, outputs))


def normed_mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Linear, SwishNorm, Linear, LayerNorm."""
    return nn.Sequential(*mlp(inputs, hidden, outputs), nn.LayerNorm(outputs, eps=EPS))


def _linear(inputs: int, outputs: int) -> nn.Linear:
    linear = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
