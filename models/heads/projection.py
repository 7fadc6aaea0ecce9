"""The projected head: queries and items in fewer dimensions than the encoder has, so that decoding is cheap."""

import torch.nn.functional as F
from torch import Tensor, nn


class Projection(nn.Module):
    """What takes states and item vectors down to where they are compared (Netflix, arXiv 2605.23312, decoding head).

    Neither map has a bias, so that zero stays zero; both begin as random projections, which keep lengths.

    Args:
        width: Of states and of item vectors.
        to: Width of what they become.

    Attributes:
        items: (..., width) vectors of the item tower -> (..., to).
    """

    def __init__(self, width: int, to: int) -> None:
        super().__init__()
        self.states, self.items = (nn.Linear(width, to, bias=False) for _ in range(2))
        for linear in (self.states, self.items):
            nn.init.normal_(linear.weight, std=to**-0.5)

    def queries(self, states: Tensor) -> Tensor:
        """(..., width) raw states -> (..., to)."""
        queries: Tensor = self.states(F.silu(states))
        return queries
