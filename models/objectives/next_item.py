"""Next-item prediction by sampled softmax (HSTU spec section 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.config import SampledSoftmaxConfig
from models.objectives.objective import Objective
from models.objectives.sampled_softmax import sampled_softmax
from models.recommender import Positions, chance
from models.samplers.distinct import distinct
from models.samplers.sampler import SAMPLERS, Draw

NEXT_ITEM = "next_item"


class NextItem(Objective):
    """The item that comes next, told from sampled others."""

    def __init__(self, config: SampledSoftmaxConfig) -> None:
        super().__init__()
        self.config = config
        self.weights = {NEXT_ITEM: 1.0}
        self.sampler = SAMPLERS[config.source]()

    def forward(self, view: Positions) -> dict[str, Tensor]:
        """The mean loss over all positions.

        IDs are hidden at the rates that serving will meet (Netflix, arXiv 2605.23312, collaborative masking): in a
        history at random and where the item was new; of a label only where it was new; of a negative as often as an
        item of the catalogue is new. Were negatives hidden more rarely than that, the model would put every new item
        first; more often, none.
        """
        model, labels = view.model, view.labels
        draw = self._draw(view)
        rows, places = distinct(draw.items, model.items.trained + 1)
        cold = chance(rows.shape, self.config.cold_negatives, view.generator)
        negatives, positives = model.head.items(model.items(rows, cold)), _positives(view)
        draws = places[draw.items]
        if self.config.shared:
            draws = torch.bincount(draws, minlength=len(rows))
        # Last, because to count distinct items is to wait for a GPU: there is least to wait for before the encoder.
        queries = view.queries
        own = places[labels.item_index]
        correction = draw.correction(rows) if self.config.correction == "logq" else None
        temperature = self.config.temperature
        loss = sampled_softmax(queries, positives, negatives, draws, own, temperature, correction=correction)
        return {NEXT_ITEM: loss}

    def _draw(self, view: Positions) -> Draw:
        """The negatives: (R,) shared by all positions, or (G, R) for so many runs of them."""
        rows = view.labels.item_index
        runs = -(-len(rows) // self.config.positions_per_draw)
        shape = (self.config.negatives,) if self.config.shared else (runs, self.config.negatives)
        return self.sampler.draw(
            torch.cat([view.batch.item_index, rows]), view.model.items.trained, shape, view.generator
        )


def _positives(view: Positions) -> Tensor:
    """(L, width) vectors of the labels; tower and head compute each of the different ones once."""
    items, labels = view.model.items, view.labels
    seen = 2 * labels.item_index + labels.id_masked
    different, places = distinct(seen, 2 * (items.trained + 1))
    return F.embedding(places[seen], view.model.head.items(items(different // 2, different % 2 == 1)))
