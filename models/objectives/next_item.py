"""Next-item prediction by sampled softmax (HSTU spec section 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import JaggedBatch
from models.config import SampledSoftmaxConfig
from models.objectives.negatives import uniform
from models.recommender import Recommender

MASKED_LOGIT = -5e4


def sampled_softmax(states: Tensor, positives: Tensor, negatives: Tensor, hits: Tensor, temperature: float) -> Tensor:
    """Mean over positions of logsumexp(positive, negatives) - positive, in fp32.

    Args:
        states: (L, d) unit-norm predictions.
        positives: (L, d) vectors of the items that came next.
        negatives: (R, d) shared by all positions, or (L, R, d).
        hits: (L, R) bool, where a negative is that position's positive and must not count.
        temperature: Divisor of the cosines.
    """
    states = states.float()
    positive = (states * _unit(positives)).sum(-1, keepdim=True)
    pattern = "ld,rd->lr" if negatives.dim() == 2 else "ld,lrd->lr"
    negative = torch.einsum(pattern, states, _unit(negatives))
    logits = torch.cat([positive, negative], dim=1) / temperature
    masked = torch.cat([torch.zeros_like(hits[:, :1]), hits], dim=1)
    logits = logits.masked_fill(masked, MASKED_LOGIT)
    return (logits.logsumexp(-1) - logits[:, 0]).mean()


def _unit(vectors: Tensor) -> Tensor:
    return F.normalize(vectors.float(), dim=-1, eps=1e-6)


class NextItem(nn.Module):
    """The training task: a module whose forward is the loss, so that DDP wraps model and loss together."""

    def __init__(self, recommender: Recommender, config: SampledSoftmaxConfig) -> None:
        super().__init__()
        self.recommender = recommender
        self.config = config

    def forward(self, batch: JaggedBatch, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The mean loss over all positions; `labels` (L,) int64 are the rows that come next."""
        items = self.recommender.items
        states = self.recommender(batch, items.draw_mask(batch.rows, generator))
        shape = (self.config.negatives,) if self.config.shared else (len(labels), self.config.negatives)
        sampled = uniform(items.trained, shape, generator).to(labels.device)
        # One vector per distinct item: a draw repeats items many times, the tower need not.
        wanted, places = torch.cat([labels, sampled.flatten()]).unique(return_inverse=True)
        vectors = items(wanted, items.draw_mask(wanted, generator))
        positives = vectors[places[: len(labels)]]
        negatives = vectors[places[len(labels) :]].unflatten(0, shape)
        hits = sampled.expand(len(labels), -1) == labels[:, None]
        return sampled_softmax(states, positives, negatives, hits, self.config.temperature)
