"""The action head: what a user would do with a candidate (HSTU spec section 8)."""

import torch
from torch import Tensor, nn

from models.heads.calendar import CalendarNorm
from models.mlp import mlp, normed_mlp

FIRST_ANSWERS = 0.1
"""How far the logits of untrained weights spread, of what Xavier's would: they say nothing of anybody yet."""


class ActionHead(nn.Module):
    """A logit per action, of the state at a candidate, the candidate itself and the calendar of the request.

    Args:
        width: Width of states and item vectors.
        hidden: Hidden width of the MLPs.
        actions: Number of actions.
    """

    def __init__(self, width: int, hidden: int, actions: int) -> None:
        super().__init__()
        self.user = CalendarNorm(width)
        self.candidate = normed_mlp(width, hidden, width)
        self.logits = mlp(width, hidden, actions)

    def forward(self, states: Tensor, vectors: Tensor, times: Tensor) -> Tensor:
        """(T, width) raw states, (T, width) vectors of the candidates, (T,) int64 ms of the request -> (T, actions)."""
        logits: Tensor = self.logits(self.user(states, times) * self.candidate(vectors))
        return logits

    @torch.no_grad()
    def begin_at(self, rates: Tensor) -> None:
        """Has untrained weights answer about the logit of `rates` (actions,), each within 0..1, for any candidate.

        Trained ones, whose biases are no longer zero, stay as they are: training may start from another version.
        """
        last = self.logits[-1]
        assert isinstance(last, nn.Linear)
        if last.bias.any():
            return
        last.weight.mul_(FIRST_ANSWERS)
        last.bias.copy_(rates.logit())
