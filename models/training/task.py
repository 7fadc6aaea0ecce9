"""The training task: a model and what it learns from, as one module."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from models.families.family import FamilyModel
from models.objectives.objective import Objective
from models.training.divergence import LossWatch


class Task(nn.Module):
    """The weighted sum of named losses: a module whose forward is the loss, so that DDP wraps model and loss together.

    Attributes:
        watch: How low that sum has been; `spike` is as in `models.config.training.TrainingConfig`.

    Raises:
        ValueError: two objectives have a loss of the same name, or there is none.
    """

    def __init__(self, model: nn.Module, objectives: Sequence[Objective], spike: float = 0.0) -> None:
        super().__init__()
        names = [name for objective in objectives for name in objective.weights]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"a task sums losses of different names, and one at least; these are {names}")
        self.model = model
        self.objectives = nn.ModuleList(objectives)
        self.watch = LossWatch(spike)
        self.weights = {name: weight for objective in objectives for name, weight in objective.weights.items()}

    @property
    def guess(self) -> float | None:
        """The loss of who holds everything equally likely; None where an objective does not know it."""
        guesses = [cast(Objective, objective).guess for objective in self.objectives]
        return None if None in guesses else sum(guess for guess in guesses if guess is not None)

    def forward(self, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and each of its parts by name, not weighted and without gradient."""
        view = cast(FamilyModel, self.model).view(batch, generator)
        losses: dict[str, Tensor] = {}
        for objective in self.objectives:
            losses |= objective(view)
        total = torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()
        return total, {name: loss.detach() for name, loss in losses.items()}
