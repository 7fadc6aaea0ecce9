"""What the ranker learns: whether each action was taken (HSTU spec section 8)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ranking.batch import RankingBatch
from models.ranking.config import RankingLossConfig
from models.ranking.ranker import Ranker


class ActionLoss(nn.Module):
    """The training task: a module whose forward is the loss, so that DDP wraps model and loss together.

    Raises:
        ValueError: a weight is of an action that the ranker does not declare.
    """

    weights: Tensor

    def __init__(self, ranker: Ranker, config: RankingLossConfig) -> None:
        super().__init__()
        self.ranker = ranker
        unknown = set(config.weights) - set(ranker.config.actions)
        if unknown:
            raise ValueError(f"weights of {sorted(unknown)} are of no declared action {ranker.config.actions}")
        weights = [config.weights.get(action, config.weight) for action in ranker.config.actions]
        self.register_buffer("weights", torch.tensor(weights), persistent=False)

    def forward(self, batch: RankingBatch, taken: Tensor, counts: Tensor | None = None) -> Tensor:
        """The weighted sum over actions of the mean binary cross-entropy over candidates, in fp32.

        Args:
            taken: (T,) int64 mask of the actions taken with each candidate.
            counts: (T,) weight of each candidate in the mean; None: all 1.

        Raises:
            ValueError: `taken` is not of this batch's candidates.
        """
        logits = self.ranker(batch).float()
        if len(taken) != len(logits):
            raise ValueError(f"{len(taken)} action masks are given for {len(logits)} candidates")
        labels = (taken[:, None] & self.ranker.actions.bits) != 0
        losses = F.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none")
        counts = torch.ones(len(taken), device=losses.device) if counts is None else counts
        means = (losses * counts[:, None]).sum(0) / counts.sum().clamp(min=1)
        return (means * self.weights).sum()
