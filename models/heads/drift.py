"""How the logits of items were otherwise at other times than the one that the index is of."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Drift:
    """What is added to the logits of L positions: `weight` times the value at the moment at which each asks.

    Attributes:
        weight: () learned.
        rows: (S, k) of each moment, for k items.
        moment: (L,) int64 the row of each position.
        own: (L,) for the item that came next at each position.
    """

    weight: Tensor
    rows: Tensor
    moment: Tensor
    own: Tensor
