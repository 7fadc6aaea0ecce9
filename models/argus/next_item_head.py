"""The head that finds the next item: a point among the items, and how popular each was when it is asked for."""

from dataclasses import dataclass
from math import log

import numpy as np
import torch
from torch import Tensor, nn

from models.argus.config import ArgusConfig
from models.heads.evidence import Evidence
from models.heads.popularity import PopularityHead
from models.heads.retrieval import unit
from models.mlp import mlp
from models.popularity import PopularityOverTime

COLDEST, HOTTEST = 0.01, 100.0
"""Bounds of the learned temperature."""

FIRST_TEMPERATURE = 0.07

ABSENT = -1e30
"""Of what cannot be chosen. Not minus infinity: where nothing can, that would have no gradient but NaN."""


@dataclass(frozen=True)
class Past:
    """What is added to the logits of L positions, each of which asks at some moment.

    Attributes:
        rows: (S, k) of each moment, for k items; ABSENT where an item could not be chosen.
        moment: (L,) int64 the row of each position.
        own: (L,) for what was chosen.
    """

    rows: Tensor
    moment: Tensor
    own: Tensor


class NextItemHead(nn.Module):
    """The state and the context as a point among the items, and how sharply distance decides.

    As published that is a cosine over a learned temperature. With popularity it is the head of the other families, and
    the past is seen as it was: at each of its moments some items were new, which have no ID and no popularity yet, and
    others were not there.

    Args:
        config: Of the model.
        inputs: Width of what is known.
        items: n, the greatest index of an item.

    Attributes:
        first: (n + 1,) int64 the first moment at which somebody had done something with each item; as many as there are
            moments where that was at none of them, and 0 once training is over.
    """

    first: Tensor

    def __init__(self, config: ArgusConfig, inputs: int, items: int) -> None:
        super().__init__()
        self.query = mlp(inputs, config.hidden, config.output_width)
        self.item = nn.Linear(config.width, config.output_width)
        self.log_temperature: nn.Parameter | None = None
        self.popularity: PopularityHead | None = None
        if config.popularity:
            self.popularity = PopularityHead(_unknown(items))
            # Short at first, so that what is popular decides until more is known.
            nn.init.normal_(self.item.weight, std=0.02)
            nn.init.zeros_(self.item.bias)
        else:
            self.log_temperature = nn.Parameter(torch.tensor(log(FIRST_TEMPERATURE)))
        self.register_buffer("first", torch.zeros(items + 1, dtype=torch.int64), persistent=False)

    def learn(self, popularity: PopularityOverTime) -> None:
        """What was popular in the training data, for a head that reads it."""
        assert self.popularity is not None
        self.popularity.know(popularity)
        counted = torch.from_numpy(popularity.counts > 0)
        first = torch.where(counted.any(0), counted.int().argmax(0), len(counted))
        self.first = first.to(self.first.device)

    @property
    def temperature(self) -> Tensor:
        """() in 0.01..100; 1 where the head learns a scale of its own."""
        if self.log_temperature is None:
            return torch.ones((), device=self.item.weight.device)
        # The parameter itself is kept within: beyond the bounds it would have no gradient.
        with torch.no_grad():
            self.log_temperature.clamp_(log(COLDEST), log(HOTTEST))
        return self.log_temperature.float().exp()

    def queries(self, states: Tensor, evidence: Evidence) -> Tensor:
        """(T, inputs) and what they rest on -> (T, d) in fp32; of norm 1 without popularity."""
        found = self.query(states)
        return unit(found) if self.popularity is None else self.popularity(found, evidence)

    def targets(self, vectors: Tensor, index: Tensor, new: Tensor | None = None) -> Tensor:
        """(..., width) vectors of the item tower -> (..., d) what queries are compared with, in fp32.

        Args:
            vectors: Of the items `index` (...,).
            index: (...,) int64 item indices.
            new: (...,) bool, where the item is too new to have an ID; None: nowhere.
        """
        found = self.item(vectors)
        return unit(found) if self.popularity is None else self.popularity.items(found, index, new)

    def as_of(self, logits: Tensor, times: Tensor, index: Tensor) -> Tensor:
        """(B, k) logits of the items `index` (k,) for B users who ask at `times` (B,) int64 ms."""
        return logits if self.popularity is None else self.popularity.as_of(logits, times, index)

    def past(self, times: Tensor, items: Tensor, new: Tensor, labels: Tensor, labels_new: Tensor) -> "Past | None":
        """How the logits were otherwise when each of L positions asked; None for a head that knows no time.

        Args:
            times: (L,) int64 epoch milliseconds.
            items: (k,) int64 what can be chosen.
            new: (k,) bool, which stand for themselves at the moment at which they were new, and the others for
                themselves at all later ones.
            labels, labels_new: (L,) the same of what was chosen.
        """
        if self.popularity is None:
            return None
        drift = self.popularity.drift(times, items, new, labels, labels_new)
        moments, first = torch.arange(len(drift.rows), device=items.device).unsqueeze(1), self.first[items]
        begins = moments == 0
        there = torch.where(new, ~begins & (moments == first - 1), (moments >= first) | (begins & (first <= 1)))
        return Past((drift.weight * drift.rows).masked_fill(~there, ABSENT), drift.moment, drift.weight * drift.own)

    @property
    def arrivals(self) -> Tensor:
        """(n + 1,) bool, the items that were new at some moment."""
        return self.first > 1

    def was_new(self, items: Tensor, times: Tensor) -> Tensor:
        """(T,) bool, which of `items` (T,) nobody had counted yet at `times` (T,) int64 ms, in training.

        Before the first moment nobody had counted anything: none is new there.
        """
        if self.popularity is None:
            return torch.zeros_like(items, dtype=torch.bool)
        moment = self.popularity.moment(times)
        return (moment > 0) & (moment < self.first[items])


def _unknown(items: int) -> PopularityOverTime:
    """That of a shop in which nothing has happened."""
    return PopularityOverTime(np.zeros(1, np.int64), np.zeros((1, items + 1), np.float32))
