"""How good an item is and how lenient a user, told apart by counting: where the feedback's logits start from.

A network that reads an item's ID learns slowly how well it is received, and mixes it up with who saw it. The fit of
`models.item_quality` does not, so the head need only tell what is beyond it.

P classes are told so: each but the first of its factor, against all others.
"""

import numpy as np
import torch
from torch import Tensor, nn

from models.argus.batch import ArgusBatch
from models.argus.config import ArgusConfig, QualityConfig
from models.item_quality import ItemQuality

HALF = 0.5
"""Occurrences of either kind that are added to what a user did and to what was expected of them."""


class Quality(nn.Module):
    """Offsets of the logits: scale * item's quality + scale * user's leniency, with learned scales for each class.

    The quality is fitted before training. While training, a user is told by what all users of other folds made of the
    item, so that no label is known by the offset of its own interaction. Leniency is what the user did of what they
    were shown before, as far as a state is made of it, against what the items' quality let expect.

    Args:
        config: The model's, with factors.
        quality: How it is fitted.
        items: n.
    """

    of_item: Tensor
    of_fold: Tensor
    factor: Tensor
    klass: Tensor
    column: Tensor

    def __init__(self, config: ArgusConfig, quality: QualityConfig, items: int) -> None:
        super().__init__()
        self.interleaved = config.form == "interleaved"
        classes = [config.classes(factor) for factor in config.factors]
        told = [(place, klass) for place, count in enumerate(classes) for klass in range(1, count)]
        first = np.cumsum([0, *classes])
        self.classes, self.folds = int(first[-1]), quality.folds
        for name, values in (
            ("factor", [place for place, _ in told]),
            ("klass", [klass for _, klass in told]),
            ("column", [first[place] + klass for place, klass in told]),
        ):
            self.register_buffer(name, torch.tensor(np.array(values, np.int64)), persistent=False)
        self.register_buffer("of_item", torch.zeros(items + 1, len(told)))
        self.register_buffer("of_fold", torch.zeros(quality.folds, items + 1, len(told)), persistent=False)
        self.item_scale = nn.Parameter(torch.ones(len(told)))
        self.user_scale = nn.Parameter(torch.ones(len(told)))

    def learn(self, users: np.ndarray, items: np.ndarray, labels: np.ndarray) -> None:
        """Fits the items' quality to all that is learned from.

        Args:
            users: (N,) int64 number of the user of each interaction, as batches have it.
            items: (N,) int64 indices.
            labels: (N, factors) int64, -1 where it is not known.
        """
        for place, (factor, klass) in enumerate(zip(self.factor.tolist(), self.klass.tolist(), strict=True)):
            known = labels[:, factor] >= 0
            whose, which, taken = users[known], items[known], labels[known, factor] == klass
            self.of_item[:, place] = self._fitted(whose, which, taken)
            for fold in range(self.folds):
                others = whose % self.folds != fold
                self.of_fold[fold, :, place] = self._fitted(whose[others], which[others], taken[others])

    def forward(self, batch: ArgusBatch) -> Tensor:
        """(T, classes) what is added to the logits of what the batch asks about; 0 for the first of each factor."""
        return self.offsets(batch.item_index[batch.asked], batch)

    def of(self, items: Tensor, users: Tensor) -> tuple[Tensor, Tensor]:
        """(T, P) logits of items for users (T,), and those of the mean item."""
        if not self.training:
            return self.of_item[items], self.of_item[:1]
        fold = users % self.folds
        return self.of_fold[fold, items], self.of_fold[fold, 0]

    def offsets(self, items: Tensor, batch: ArgusBatch) -> Tensor:
        """(m, classes) of `items` (m,), one for each that the batch asks about, or any number where it asks one."""
        quality, level = self.of(items, batch.users[batch.rows])
        told = self.item_scale * (quality - level) + self.user_scale * self.leniency(batch)
        return told.new_zeros(len(told), self.classes).index_copy(1, self.column, told)

    def leniency(self, batch: ArgusBatch) -> Tensor:
        """(T, P) the log odds of what the user did, less those of what was expected; 0 where nothing is known."""
        owner = torch.repeat_interleave(torch.arange(len(batch.users), device=batch.users.device), batch.offsets.diff())
        quality, _ = self.of(batch.item_index[batch.read], batch.users[owner])
        label = batch.outcomes[:, self.factor]
        expected = torch.where(label >= 0, quality.double().sigmoid(), 0.0)
        did = (label == self.klass).double()
        known = (label >= 0).double()
        sums = torch.stack([did, known - did, expected, known - expected]).cumsum(1)
        sums = torch.cat([sums.new_zeros(4, 1, sums.shape[2]), sums], dim=1)
        first = batch.offsets[batch.rows]
        # An interleaved token is asked about itself, and what is before it is known.
        until = torch.where(batch.states < 0, first, batch.states + (0 if self.interleaved else 1))
        yes, no, hoped, feared = (sums[:, until] - sums[:, first] + HALF).log()
        return (yes - no - hoped + feared).float()

    def _fitted(self, users: np.ndarray, items: np.ndarray, taken: np.ndarray) -> Tensor:
        """(n + 1,) logits."""
        count = len(self.of_item) - 1
        if not len(users):
            return torch.zeros(count + 1)
        return torch.from_numpy(ItemQuality(users, items, taken[:, None], count).logits(np.arange(count + 1))[:, 0])
