"""Negatives of two kinds: items of the batch as often as they occur, and any items alike (ARGUS spec section 3)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.config.losses import InteractionLossConfig
from models.samplers.count_min import CountMinSketch


@dataclass(frozen=True)
class MixedDraw:
    """What was drawn, the same for all T positions but for what is a positive of their own user.

    Attributes:
        items: (U,) int64 the different items among the draws, ascending.
        counts: (users of the batch, U) float32 how often each counts as a negative of each of these users.
        owner: (T,) int64 the row of `counts` of each position.
        expected: (U,) float32 how often each is expected among the draws: |N| times its probability.
        own: (T,) int64 the place among `items` of each position's own item, -1 where it was not drawn.
        draws: |N|.
    """

    items: Tensor
    counts: Tensor
    owner: Tensor
    expected: Tensor
    own: Tensor
    draws: int


class MixedNegatives(nn.Module):
    """Draws negatives, and learns online how likely the batch is to hold each item.

    Args:
        config: How many of which kind, and the size of the sketch.
    """

    def __init__(self, config: InteractionLossConfig) -> None:
        super().__init__()
        self.in_batch, self.uniform = config.in_batch, config.uniform
        self.sketch = CountMinSketch(config.sketch_rows, config.sketch_columns, config.sketch_half_life)

    @property
    def draws(self) -> int:
        """|N|, how many there are of either kind together."""
        return self.in_batch + self.uniform

    def draw(self, items: Tensor, users: Tensor, trained: Tensor, generator: torch.Generator) -> MixedDraw:
        """Draws for T positions.

        Args:
            items: (T,) int64 the item of each position; T is not 0.
            users: (T,) int64 number of the user of each: what is drawn from a user's own positions is no negative of
                theirs.
            trained: (n,) int64 all items.
            generator: Decides; all tensors are on its device.
        """
        if self.training:
            self.sketch.add(items)
        device = generator.device
        from_batch = torch.randint(len(items), (self.in_batch,), generator=generator, device=device)
        anywhere = trained[torch.randint(len(trained), (self.uniform,), generator=generator, device=device)]
        drawn = torch.cat([items[from_batch], anywhere])
        different, column = drawn.unique(return_inverse=True)
        present, owner = users.unique(return_inverse=True)
        everyone = torch.bincount(column, minlength=len(different)).float()
        theirs = owner[from_batch] * len(different) + column[: self.in_batch]
        theirs = torch.bincount(theirs, minlength=len(present) * len(different)).view(len(present), -1)
        place = torch.searchsorted(different, items).clamp(max=len(different) - 1)
        own = torch.where(different[place] == items, place, -1)
        expected = self.in_batch * self._share(different, own) + self.uniform / max(len(trained), 1)
        return MixedDraw(different, everyone - theirs, owner, expected, own, self.draws)

    def _share(self, different: Tensor, own: Tensor) -> Tensor:
        """(U,) how likely a draw from the batch is each item; before anything was learned, by this batch alone."""
        if self.sketch.total > 0:
            return self.sketch.share(different)
        return torch.bincount(own[own >= 0], minlength=len(different)) / len(own)
