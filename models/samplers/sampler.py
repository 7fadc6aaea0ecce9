"""Samplers: where negatives come from, and what the draw must be corrected by.

A sampler is a class here and its name in `models.config.SampledSoftmaxConfig.source`.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from models.samplers.distinct import distinct


@dataclass(frozen=True)
class Draw:
    """What was drawn.

    Attributes:
        items: int64 item indices 1..n of the shape asked for.
        log_expected: () or (n + 1,) float32, by item index: the logarithm of how often an item is expected among one
            position's draws. Subtracted from a negative's logit it makes the sum over the draws an unbiased estimate
            of the sum over all items that can be drawn (logQ; Bengio and Senecal 2008).
    """

    items: Tensor
    log_expected: Tensor

    def correction(self, items: Tensor) -> Tensor:
        """(U,) what the logits of `items` (U,) are lowered by."""
        return self.log_expected.expand(len(items)) if self.log_expected.dim() == 0 else self.log_expected[items]


class Sampler(ABC):
    """Draws item indices 1..`items` with replacement."""

    @abstractmethod
    def draw(self, batch: Tensor, items: int, shape: tuple[int, ...], generator: torch.Generator) -> Draw:
        """Draws of `shape`, whose last dimension counts the draws of one position.

        Args:
            batch: int64 of any shape, the items 1..`items` of the worker's batch; on the device of `generator`.
            items: Greatest index there can be.
            shape: What to draw.
            generator: Decides.
        """


class Uniform(Sampler):
    """All items of training, each as likely as any other."""

    def draw(self, batch: Tensor, items: int, shape: tuple[int, ...], generator: torch.Generator) -> Draw:
        drawn = torch.randint(1, items + 1, shape, generator=generator, device=generator.device)
        return Draw(drawn, _evenly(shape[-1], items, generator.device))


class InBatch(Sampler):
    """The items of the batch, each as likely as any other, however often it occurs."""

    def draw(self, batch: Tensor, items: int, shape: tuple[int, ...], generator: torch.Generator) -> Draw:
        present, _ = distinct(batch, items + 1)
        drawn = present[torch.randint(len(present), shape, generator=generator, device=generator.device)]
        return Draw(drawn, _evenly(shape[-1], len(present), generator.device))


SAMPLERS: dict[str, type[Sampler]] = {"uniform": Uniform, "in_batch": InBatch}


def _evenly(draws: int, items: int, device: torch.device) -> Tensor:
    return torch.tensor(math.log(draws / max(items, 1)), device=device)
