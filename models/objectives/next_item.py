"""Next-item prediction by sampled softmax (HSTU spec section 3)."""

from math import log

import torch
import torch.nn.functional as F
from torch import Tensor

from models.config.losses import SampledSoftmaxConfig
from models.objectives.future_targets import FutureTargets
from models.objectives.gbce import beta, gbce
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

    @property
    def guess(self) -> float | None:
        """One of the positive and its negatives, where no correction makes some of these likelier."""
        if self.config.kind == "gbce" or self.config.correction == "logq":
            return None
        return log(1 + self.config.negatives)

    def forward(self, view: Positions) -> dict[str, Tensor]:
        """The mean loss over all positions, or over all that they are to tell (`FutureTargets`), weighted.

        IDs are hidden at the rates that serving will meet (Netflix, arXiv 2605.23312, collaborative masking), where
        content stands in for them: in a history at random; of a label where it was new, and at random where that is too
        seldom; of a negative as often as an item of the catalogue is new. Were negatives hidden more rarely than that,
        the model would put every new item first; more often, none.
        """
        model, items = view.model, view.model.items
        labels = items.places[view.labels.item_index]
        hidden = self._hidden(view)
        asked = None if self.config.targets.next_alone else FutureTargets.of(view.batch, self.config.targets)
        draw = self._draw(view, labels, len(labels) if asked is None else len(asked.positions))
        different, columns = distinct(draw.places, items.trained + 1)
        drawn = items.trained_items[different]
        cold = chance(different.shape, self.config.cold_negatives, view.generator) & items.has_content[drawn]
        negatives = model.head.items(items(drawn, cold), drawn, cold)
        positives = _positives(view, labels, hidden)
        draws = columns[draw.places]
        if draws.dim() == 1:
            draws = torch.bincount(draws, minlength=len(different))
        # Last, because to count distinct items is to wait for a GPU: there is least to wait for before the encoder.
        queries = view.queries
        own = columns[labels]
        times, items_asked, masked = view.batch.next_timestamps, view.labels.item_index, hidden
        # What a user has chosen before is never recommended to them, so nobody asks for it.
        weights = None if view.labels.repeated is None else (~view.labels.repeated).float()
        if asked is not None:
            positions, at = asked.positions, asked.labels
            weights = asked.weights if weights is None else asked.weights * weights[at]
            queries, times = queries[positions], times[positions]
            positives, own, items_asked, masked = positives[at], own[at], items_asked[at], masked[at]
        told = (queries, positives, negatives, draws, own, model.head.temperature(self.config.temperature))
        drift = model.head.drift(times, drawn, cold, items_asked, masked)
        if self.config.kind == "gbce":
            power = beta(self.config.negatives, items.trained, self.config.calibration)
            return {NEXT_ITEM: gbce(*told, power, weights, drift)}
        correction = draw.correction(different) if self.config.correction == "logq" else None
        return {NEXT_ITEM: sampled_softmax(*told, weights, correction, drift)}

    def _hidden(self, view: Positions) -> Tensor:
        """(L,) bool, labels whose ID is hidden: those that were new, and some more at random."""
        if not self.config.label_masking:
            return view.label_masked
        more = chance(view.label_masked.shape, self.config.label_masking, view.generator)
        return view.label_masked | more & view.model.items.has_content[view.labels.item_index]

    def _draw(self, view: Positions, labels: Tensor, asked: int) -> Draw:
        """The negatives: (R,) shared by all that is asked, or (G, R) for so many runs of it."""
        items = view.model.items
        runs = -(-asked // self.config.positions_per_draw)
        shape = (self.config.negatives,) if self.config.shared else (runs, self.config.negatives)
        batch = torch.cat([items.places[view.batch.item_index], labels])
        return self.sampler.draw(batch, items.trained, shape, view.generator)


def _positives(view: Positions, labels: Tensor, hidden: Tensor) -> Tensor:
    """(L, d) vectors of the labels (L,), told by place; tower and head compute each of the different ones once."""
    items = view.model.items
    seen = 2 * labels + hidden
    different, columns = distinct(seen, 2 * (items.trained + 1))
    named, masked = items.trained_items[different // 2], different % 2 == 1
    return F.embedding(columns[seen], view.model.head.items(items(named, masked), named, masked))
