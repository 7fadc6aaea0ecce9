"""Held-out users as the head sees them: what a balance is fitted to."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.batch import request_batch
from models.heads.evidence import Evidence
from models.interactions import Interactions
from models.recommender import Recommender


@dataclass(frozen=True)
class Askers:
    """B users who ask what comes next.

    Attributes:
        states: (B, width) raw states.
        evidence: What they rest on.
        histories: What they had chosen.
        repeats: Whether they choose it again.
    """

    states: Tensor
    evidence: Evidence
    histories: Interactions
    repeats: bool

    @classmethod
    def of(cls, recommender: Recommender, histories: Interactions, times: np.ndarray, repeats: bool) -> "Askers":
        """Users with these histories who ask at `times` (B,) int64 ms."""
        batch = request_batch(histories, times, recommender.config.max_length).to(recommender.items.places.device)
        return cls(recommender.states(batch), Evidence.of(batch).last(batch.offsets), histories, repeats)

    def had(self, index: Tensor, items: int) -> Tensor:
        """(B, k) bool, what of the items `index` (k,) each had chosen and does not choose again.

        Args:
            items: How many items there are.
        """
        had = torch.zeros(len(self.states), len(index), dtype=torch.bool, device=index.device)
        if self.repeats:
            return had
        column = torch.full((items + 1,), -1, device=index.device)
        column[index] = torch.arange(len(index), device=index.device)
        users = np.repeat(np.arange(len(self.states)), self.histories.lengths)
        before = column[torch.from_numpy(np.asarray(self.histories.item_index, np.int64)).to(index.device)]
        had[torch.from_numpy(users).to(index.device)[before >= 0], before[before >= 0]] = True
        return had
