"""How much a state can know of what comes next: what a head weighs it by."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.batch import JaggedBatch
from models.heads.calendar import HOUR_MS
from models.jagged import last_tokens


@dataclass(frozen=True)
class Evidence:
    """What L states rest on.

    Attributes:
        silence: (L,) fp32 log of 1 + the hours from the newest interaction that a state has read to what it tells.
        history: (L,) fp32 log of the number of interactions that it has read; 0 where there is none.
    """

    silence: Tensor
    history: Tensor

    @classmethod
    def of(cls, batch: JaggedBatch) -> "Evidence":
        """That of the state after every interaction of a batch of L."""
        hours = (batch.next_timestamps - batch.timestamps).clamp(min=0).float() / HOUR_MS
        places = torch.arange(len(batch.item_index), device=batch.offsets.device)
        # A search in place of `repeat_interleave`, which would wait for a GPU.
        starts = batch.offsets[torch.searchsorted(batch.offsets, places, right=True) - 1]
        return cls(hours.log1p(), (places - starts + 1).float().log())

    def last(self, offsets: Tensor) -> "Evidence":
        """That of the last state of each of B rows; 0 where a row is empty."""
        return Evidence(last_tokens(self.silence, offsets), last_tokens(self.history, offsets))
