"""What each position of a batch is to tell: the next item, or several of those that follow (Netflix, arXiv 2605.23312,
multi-token prediction)."""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from models.batch import JaggedBatch
from models.config.losses import FutureTargetsConfig
from models.heads.calendar import HOUR_MS


@dataclass(frozen=True)
class FutureTargets:
    """M questions, each of one position about one label.

    Attributes:
        positions: (M,) int64 who is asked; those about the next item come first, then those about the one after it.
        labels: (M,) int64 the position whose label it is about.
        weights: (M,) fp32 what each counts, 0.5 ** (age of the target / half-life).
    """

    positions: Tensor
    labels: Tensor
    weights: Tensor

    @classmethod
    def of(cls, batch: JaggedBatch, config: FutureTargetsConfig) -> "FutureTargets":
        """The next `config.count` labels of each position, as far as its row goes and they lie within the window.

        A target's age is the time from the newest interaction that the position has read.
        """
        every = torch.arange(len(batch.item_index), device=batch.offsets.device)
        ends = batch.offsets[torch.searchsorted(batch.offsets, every, right=True)]
        positions = every.repeat(config.count)
        labels = (every + torch.arange(config.count, device=every.device).unsqueeze(1)).flatten()
        there = labels < ends.repeat(config.count)
        positions, labels = positions[there], labels[there]
        hours = (batch.next_timestamps[labels] - batch.timestamps[positions]).float() / HOUR_MS
        weights = torch.ones_like(hours)
        if config.half_life_hours is not None:
            weights = (-log(2) * hours / config.half_life_hours).exp()
        if config.window_hours is not None:
            weights = weights * (hours <= config.window_hours)
        return cls(positions, labels, weights)
