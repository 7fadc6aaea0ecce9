"""How popular new items are: so that the model expects them to be chosen as often as new items were.

A few hundred held-out users chose some twenty new items, too few to fit a number to. What everybody chose in the last
nights says more (`models.arrivals`). How often that is differs from night to night, and the doubt is settled in favour
of what is new: only what is shown becomes known (optimism in the face of uncertainty, as of an upper confidence bound).
"""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from models.arrivals import Arrivals
from models.calibration.askers import Askers
from models.heads.balance import Balance
from models.heads.popularity import PopularityHead
from models.recommender import Recommender

CANDIDATES = 4_096
"""Of more items with an ID, and of more without, so many are drawn."""

LOWEST, HIGHEST = -8.0, 8.0
"""Between these lies the log popularity of new items, in interactions of an average item."""

LEAST_WEIGHT = 0.05
"""With a lower weight popularity does not say how often an item is chosen."""

TOO_FEW = 20
"""Of fewer choices of new items nothing is concluded."""

HALVINGS = 40


@torch.no_grad()
def popularity_of_new(
    recommender: Recommender, balance: Balance, askers: Askers, arrivals: Arrivals, optimism: float
) -> Tensor | None:
    """() log popularity of new items; None where the log does not tell, or popularity hardly counts.

    Args:
        askers: Users who ask at the end of the data, after silences like those after which requests come. They stand
            for those of each of the nights, and choose among what there was then, as popular as it was then.
        optimism: The model expects as many choices of new items a night as there were on average, and so many standard
            deviations more, of how they differ from night to night from what it would expect.
    """
    head, weight = recommender.head, balance.popularity
    if not isinstance(head, PopularityHead) or arrivals.of_new.sum() < TOO_FEW or weight < LEAST_WEIGHT:
        return None
    nights = [_Night(recommender, head, balance, askers, arrivals, night) for night in range(len(arrivals.of_new))]
    odds = torch.stack([night.odds() for night in nights])
    choices, of_new = (torch.from_numpy(counts.copy()).to(odds) for counts in (arrivals.choices, arrivals.of_new))

    def expected(more: Tensor) -> Tensor:
        return choices * (odds + more).sigmoid().mean(1)

    def expecting(total: Tensor) -> Tensor:
        low, high = weight * LOWEST, weight * HIGHEST
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            enough = expected(middle).sum() >= total
            low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
        return (low + high) / 2

    average = of_new.sum()
    # Counts differ by chance alone, too, the more so the fewer nights there are.
    spread = (of_new - expected(expecting(average))).square().mean().clamp(min=of_new.mean()).sqrt()
    return expecting(average + optimism * spread * len(nights)) / weight


@dataclass(frozen=True)
class _Night:
    """The users, asked among what there was in a night."""

    recommender: Recommender
    head: PopularityHead
    balance: Balance
    askers: Askers
    arrivals: Arrivals
    night: int

    def odds(self) -> Tensor:
        """(B,) log odds that a choice falls on a new item, were new items as popular as an average one."""
        items = self.recommender.items
        known, new = (
            torch.from_numpy(some(self.night)).to(items.places.device)
            for some in (self.arrivals.known, self.arrivals.new)
        )
        of_new = self._total(new & items.has_content, hidden=True)
        of_known = self._total(known & (items.places > 0), hidden=False)
        # A user who has had all that was known tells nothing of what is new.
        return (of_new - of_known).nan_to_num(nan=-torch.inf)

    def _total(self, some: Tensor, hidden: bool) -> Tensor:
        """(B,) logarithm of the summed odds of the items `some` (n + 1,) bool.

        Args:
            hidden: Whether they are seen by their content alone, without their popularity.
        """
        index = some.nonzero().squeeze(1)
        order = torch.randperm(len(index), generator=torch.Generator().manual_seed(0))
        drawn = index[order[:CANDIDATES].to(index.device)]
        vectors = self.recommender.items(drawn, torch.full_like(drawn, hidden, dtype=torch.bool))
        times = torch.full((len(self.askers.states),), self.arrivals.end_of(self.night) - 1, device=drawn.device)
        cosines, popularity = self.head.parts(self.askers.states, vectors, drawn, times)
        logits = self.balance.personal(self.askers.evidence).unsqueeze(1) * cosines
        if not hidden:
            logits = logits + self.balance.popularity * popularity
        had = self.askers.had(drawn, len(some) - 1)
        return logits.masked_fill(had, -torch.inf).logsumexp(1) + log(max(1, len(index)) / max(1, len(drawn)))
