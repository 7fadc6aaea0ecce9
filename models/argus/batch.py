"""What an ARGUS model reads: tokens that it may encode, and the interactions that it is asked about."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class ArgusBatch:
    """B rows of L interactions that are read, and T that are asked about, all of them among M interactions.

    An interaction that is asked about has a state, made of what had ended before it began. Of itself it gives the heads
    its context and its item, never its feedback.

    Attributes:
        item_index: (M,) int64 indices in the vocabulary; 0 for an item that it lacks.
        context: (M, features) int64 codes (`models.argus.features`).
        shown: (M, features) int64 codes of what is known of the item that is shown.
        read: (L,) int64 which of the M are read, row by row.
        started: (M,) int64 epoch milliseconds when each began.
        feedback: (L, features) int64 codes of what came of those that are read.
        outcomes: (L, factors) int64 the class of each factor of those that are read, -1 where it is not known.
        timestamps: (L,) int64 epoch milliseconds.
        offsets: (B + 1,) int64 where the rows of those that are read begin.
        users: (B,) int64 number of each row's user.
        asked: (T,) int64 which of the M are asked about.
        rows: (T,) int64 the row of each.
        states: (T,) int64 which of the L tells the state before each, -1 where nothing is known yet. In the interleaved
            form it is the asked interaction itself, whose own tokens tell the states.
        before: (T,) int64 how many interactions that state has read; 0 where there is none.
        newest: (T,) int64 epoch milliseconds when the newest of them had ended; where there is none, when it began.
        labels: (T, factors) int64 the class of each factor, -1 where it is not known.
    """

    item_index: Tensor
    context: Tensor
    shown: Tensor
    started: Tensor
    read: Tensor
    feedback: Tensor
    outcomes: Tensor
    timestamps: Tensor
    offsets: Tensor
    users: Tensor
    asked: Tensor
    rows: Tensor
    states: Tensor
    before: Tensor
    newest: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Interactions that are asked about."""
        return len(self.asked)

    def to(self, device: torch.device | str) -> "ArgusBatch":
        return ArgusBatch(*(getattr(self, field.name).to(device) for field in fields(self)))
