"""Next-item prediction by sampled softmax (HSTU spec section 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import JaggedBatch, Labels
from models.config import SampledSoftmaxConfig
from models.objectives.negatives import distinct, in_batch, uniform
from models.objectives.sampled_softmax import sampled_softmax
from models.recommender import Recommender


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
        seen_without_id = batch.id_masked | chance(batch.item_index.shape, items.id_masking, generator)
        drawn = self._draw(batch, labels, generator)
        rows, places = distinct(drawn, items.trained + 1)
        cold = chance(rows.shape, self.config.cold_negatives, generator)
        negatives, positives = unit(items(rows, cold)), self._positives(labels)
        draws = places[drawn]
        if self.config.shared:
            draws = torch.bincount(draws, minlength=len(rows))
        # Last, because to count distinct items is to wait for a GPU: there is least to wait for before the encoder.
        states = self.recommender(batch, seen_without_id)
        own = places[labels.item_index]
        return sampled_softmax(states, positives, negatives, draws, own, self.config.temperature)

    def _draw(self, batch: JaggedBatch, labels: Labels, generator: torch.Generator) -> Tensor:
        """Rows of the negatives: (R,) shared by all positions, or (G, R) for so many runs of them."""
        trained = self.recommender.items.trained
        runs = -(-len(labels.item_index) // self.config.positions_per_draw)
        shape = (self.config.negatives,) if self.config.shared else (runs, self.config.negatives)
        if self.config.source == "in_batch":
            return in_batch(torch.cat([batch.item_index, labels.item_index]), trained, shape, generator)
        return uniform(trained, shape, generator)

    def _positives(self, labels: Labels) -> Tensor:
        """(L, width) unit vectors of the labels; the tower computes each of the different ones once."""
        items = self.recommender.items
        seen = 2 * labels.item_index + labels.id_masked
        different, places = distinct(seen, 2 * (items.trained + 1))
        return F.embedding(places[seen], unit(items(different // 2, different % 2 == 1)))


def unit(vectors: Tensor) -> Tensor:
    """(..., d) -> the same directions with norm 1, in fp32; zero stays zero."""
    return F.normalize(vectors.float(), dim=-1, eps=1e-6)


def chance(shape: torch.Size, rate: float, generator: torch.Generator) -> Tensor:
    """Bool of `shape`, each true with probability `rate`."""
    return torch.rand(shape, generator=generator, device=generator.device) < rate
