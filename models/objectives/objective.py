"""What a model learns from: named losses, each with its weight in the task's sum."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class Objective(nn.Module, ABC):
    """Losses of one kind.

    Attributes:
        weights: Name of each loss to its weight in the sum that is learned from.
    """

    weights: Mapping[str, float]

    @property
    def guess(self) -> float | None:
        """The weighted sum of the losses of who holds everything equally likely; None where that is not known."""
        return None

    @abstractmethod
    def forward(self, view: Any) -> dict[str, Tensor]:
        """Name to loss, a scalar each, not weighted.

        Args:
            view: What the model makes of the batch, such as `models.recommender.Positions`.
        """
