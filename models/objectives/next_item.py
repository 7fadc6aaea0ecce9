"""Next-item prediction by sampled softmax (HSTU spec section 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import JaggedBatch, Labels
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

    def forward(self, batch: JaggedBatch, labels: Labels, generator: torch.Generator) -> Tensor:
        """The mean loss over all positions.

        IDs are hidden at the rates that serving will meet (Netflix, arXiv 2605.23312, collaborative masking): in a
        history at random and where the item was new; of a label only where it was new; of a negative as often as an
        item of the catalogue is new. Were negatives hidden more rarely than that, the model would put every new item
        first; more often, none.
        """
        items = self.recommender.items
        seen_without_id = batch.hidden | chance(batch.rows.shape, items.id_masking, generator)
        states = self.recommender(batch, seen_without_id)
        positives = items(labels.rows, labels.hidden)
        shape = (self.config.negatives,) if self.config.shared else (len(labels.rows), self.config.negatives)
        sampled = uniform(items.trained, shape, generator)
        # One vector per distinct item: a draw repeats items many times, the tower need not.
        distinct, places = sampled.unique(return_inverse=True)
        negatives = items(distinct, chance(distinct.shape, self.config.cold_negatives, generator))[places]
        hits = sampled.expand(len(labels.rows), -1) == labels.rows[:, None]
        return sampled_softmax(states, positives, negatives, hits, self.config.temperature)


def chance(shape: torch.Size, rate: float, generator: torch.Generator) -> Tensor:
    """Bool of `shape`, each true with probability `rate`."""
    return torch.rand(shape, generator=generator, device=generator.device) < rate
