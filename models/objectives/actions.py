"""Whether each action was taken: what a ranker learns (HSTU spec section 8)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from models.config.losses import ActionLossConfig
from models.objectives.objective import Objective
from models.ranking.ranker import Judged


class ActionLoss(Objective):
    """The binary cross-entropy of each action, by the action's name.

    Args:
        actions: The declared ones; bit k of a mask is action k.

    Raises:
        ValueError: a weight is of an action that is not declared.
    """

    def __init__(self, actions: Sequence[str], config: ActionLossConfig) -> None:
        super().__init__()
        unknown = set(config.weights) - set(actions)
        if unknown:
            raise ValueError(f"weights of {sorted(unknown)} are of no declared action {tuple(actions)}")
        self.weights = {action: config.weights.get(action, config.weight) for action in actions}

    def forward(self, view: Judged) -> dict[str, Tensor]:
        """The mean over candidates, in fp32.

        Raises:
            ValueError: the actions taken are not of this batch's candidates.
        """
        logits, taken = view.logits.float(), view.taken
        if len(taken) != len(logits):
            raise ValueError(f"{len(taken)} action masks are given for {len(logits)} candidates")
        bits = 1 << torch.arange(logits.shape[1], device=taken.device)
        labels = (taken[:, None] & bits) != 0
        losses = F.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none")
        means = losses.sum(0) / max(len(losses), 1)
        return dict(zip(self.weights, means.unbind(), strict=True))
