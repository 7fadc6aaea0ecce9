"""Which token may look at which (HSTU spec section 2.7; Meta's ops/pytorch/pt_hstu_attention.py)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.jagged import longest


@dataclass(frozen=True)
class AttentionMask:
    """Causal attention, and what the ranking model adds to it.

    A row of n tokens is `context` tokens, then the history, then `targets[b]` candidates.

    Attributes:
        targets: (B,) int64, candidates at each row's end: they see context, history and themselves, not each other,
            and all stand at the same distance from the history. None: no row has any.
        context: Tokens at each row's start that see all context and all history.
        window: How many positions back a token sees; 0 is without limit.
        full_tail: With a window: this many last positions of the history, and the candidates, see without limit.
    """

    targets: Tensor | None = None
    context: int = 0
    window: int = 0
    full_tail: int = 0

    def __post_init__(self) -> None:
        if min(self.context, self.window, self.full_tail) < 0:
            raise ValueError(f"context {self.context}, window {self.window} and full_tail {self.full_tail} are counts")
        if self.full_tail and not self.window:
            raise ValueError("full_tail lifts the window for the last positions: it needs a window")


CAUSAL = AttentionMask()


def history_end(lengths: Tensor, mask: AttentionMask) -> Tensor:
    """(B,) M: the relative position that all candidates of a row share, one past the history's last.

    Raises:
        ValueError: a row is shorter than its context and candidates.
    """
    targets = torch.zeros_like(lengths) if mask.targets is None else mask.targets
    history = lengths - targets
    short = (lengths > 0) & ((history < mask.context) | (targets < 0))
    if short.any():
        row = int(short.nonzero()[0])
        raise ValueError(
            f"row {row} has {int(lengths[row])} tokens, which do not hold {mask.context} of context and "
            f"{int(targets[row])} candidates"
        )
    return history - max(mask.context - 1, 0)


def relative_positions(offsets: Tensor, mask: AttentionMask) -> Tensor:
    """(B, n) r: 0 for context, then the place in the history; candidates all stand at M. Padding included."""
    places = torch.arange(longest(offsets), device=offsets.device)
    if mask.context:
        places = (places - mask.context + 1).clamp(min=0)
    return torch.minimum(places[None, :], history_end(offsets.diff(), mask)[:, None])


def visible(place_i: Tensor, r_i: Tensor, place_j: Tensor, r_j: Tensor, end: Tensor, mask: AttentionMask) -> Tensor:
    """Where token i may look at token j: bool, for places in the row, relative positions and M that broadcast."""
    seen = r_i > r_j
    if mask.window:
        near = r_i - r_j <= mask.window
        seen = seen & ((near | (r_i >= end - mask.full_tail)) if mask.full_tail else near)
    seen = seen | (place_i == place_j)
    return seen | ((r_i == 0) & (r_j < end)) if mask.context else seen


def dense_mask(offsets: Tensor, mask: AttentionMask) -> Tensor:
    """(B, n, n) bool: true where token i of a row may look at token j."""
    lengths = offsets.diff()
    r, end = relative_positions(offsets, mask), history_end(lengths, mask)[:, None, None]
    place = torch.arange(r.shape[1], device=r.device)
    filled = place[None, :] < lengths[:, None]
    seen = visible(place[:, None], r[:, :, None], place[None, :], r[:, None, :], end, mask)
    return seen & filled[:, :, None] & filled[:, None, :]
