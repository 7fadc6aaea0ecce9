"""Feedback prediction of ARGUS: the class of each factor of what came of an interaction (ARGUS spec section 3)."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from models.argus.config import FactorConfig
from models.argus.features import NO_LABEL
from models.argus.model import Asked
from models.objectives.objective import Objective


class Feedback(Objective):
    """The cross-entropy of each factor, by its name: they are independent given the state.

    Args:
        factors: One at least.
        weights: Those that are not 1.
    """

    def __init__(self, factors: Sequence[FactorConfig], weights: Mapping[str, float]) -> None:
        super().__init__()
        self.weights = {factor.name: weights.get(factor.name, 1.0) for factor in factors}

    def forward(self, view: Asked) -> dict[str, Tensor]:
        """The mean over those interactions whose class is known, in fp32; 0 where it is of none."""
        parts = view.model.by_factor(view.logits.float())
        labels = view.batch.labels
        losses = [
            F.cross_entropy(part, labels[:, place], ignore_index=NO_LABEL, reduction="sum")
            / (labels[:, place] != NO_LABEL).sum().clamp(min=1)
            for place, part in enumerate(parts)
        ]
        return dict(zip(self.weights, torch.stack(losses).unbind(), strict=True))
