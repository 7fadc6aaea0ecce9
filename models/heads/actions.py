"""The action head: what a user would do with a candidate (HSTU spec section 8)."""

from torch import Tensor, nn

from models.heads.calendar import CalendarNorm
from models.mlp import mlp, normed_mlp


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
