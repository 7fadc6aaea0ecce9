"""Samplers: where negatives come from, and what the draw must be corrected by.

Negatives are trained items, which go by their places 1..T in the ID table (`models.items`).

A sampler is a class here and its name in `models.config.losses.SampledSoftmaxConfig.source`.
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
        places: int64 1..T of the shape asked for.
        log_expected: () or (T + 1,) float32, by place: the logarithm of how often an item is expected among one
            position's draws. Subtracted from a negative's logit it makes the sum over the draws an unbiased estimate
            of the sum over all items that can be drawn (logQ; Bengio and Senecal 2008).
    """

    places: Tensor
    log_expected: Tensor

    def correction(self, places: Tensor) -> Tensor:
        """(U,) what the logits of the items at `places` (U,) are lowered by."""
        return self.log_expected.expand(len(places)) if self.log_expected.dim() == 0 else self.log_expected[places]


class Sampler(ABC):
    """Draws trained items with replacement."""

    @abstractmethod
    def draw(self, batch: Tensor, trained: int, shape: tuple[int, ...], generator: torch.Generator) -> Draw:
        """Draws of `shape`, whose last dimension counts the draws of one position.

        Args:
            batch: int64 of any shape, the places of the items in the worker's batch; on the device of `generator`.
            trained: T, the greatest place.
            shape: What to draw.
            generator: Decides.
        """


class Uniform(Sampler):
    """All items of training, each as likely as any other."""

    def draw(self, batch: Tensor, trained: int, shape: tuple[int, ...], generator: torch.Generator) -> Draw:
        drawn = torch.randint(1, trained + 1, shape, generator=generator, device=generator.device)
        return Draw(drawn, _evenly(shape[-1], trained, generator.device))


class InBatch(Sampler):
    """The items of the batch, each as likely as any other, however often it occurs."""

    def draw(self, batch: Tensor, trained: int, shape: tuple[int, ...], generator: torch.Generator) -> Draw:
        present, _ = distinct(batch, trained + 1)
        drawn = present[torch.randint(len(present), shape, generator=generator, device=generator.device)]
        return Draw(drawn, _evenly(shape[-1], len(present), generator.device))


class All(Sampler):
    """All items of training once, whatever shape is asked for: one draw for everybody, and the softmax is no sample."""

    def draw(self, batch: Tensor, trained: int, shape: tuple[int, ...], generator: torch.Generator) -> Draw:
        every = torch.arange(1, trained + 1, device=generator.device)
        return Draw(every, torch.zeros((), device=generator.device))


SAMPLERS: dict[str, type[Sampler]] = {"uniform": Uniform, "in_batch": InBatch, "all": All}


def _evenly(draws: int, items: int, device: torch.device) -> Tensor:
    return torch.tensor(math.log(draws / max(items, 1)), device=device)
