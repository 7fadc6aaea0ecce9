"""What a training set tells of each item, and the vocabulary that is made of it, on the line and in a notebook."""

import numpy as np
import polars as pl

from models.interactions import Interactions
from models.vocabulary import Vocabulary

POPULARITY_HALF_LIFE_DAYS = 7.0
NEVER = np.iinfo(np.int64).max


class ItemCounts:
    """Counts of the items 1..n, added up over any number of parts of a training set.

    Args:
        items: n.
        end_ms: Epoch milliseconds at which the training set ends.
        half_life_days: Age at that moment at which an interaction counts half in an item's popularity.

    Attributes:
        popularity: (n + 1,) float64.
        first_seen: (n + 1,) int64 epoch milliseconds of each item's first interaction; `NEVER` where it has none.
    """

    def __init__(self, items: int, end_ms: int, half_life_days: float = POPULARITY_HALF_LIFE_DAYS) -> None:
        self.end_ms, self._half_life_days = end_ms, half_life_days
        self.popularity, self.first_seen = np.zeros(items + 1), np.full(items + 1, NEVER)

    def add(self, interactions: Interactions) -> None:
        """Counts the `interactions` of some users, whose items are all in 1..n."""
        age_days = ((self.end_ms - interactions.timestamps) // 1000) / 86_400
        weights = 0.5 ** (age_days / self._half_life_days)
        self.popularity += np.bincount(interactions.item_index, weights, len(self.popularity))
        np.minimum.at(self.first_seen, interactions.item_index, interactions.timestamps)

    def vocabulary(self, item_ids: pl.Series, catalogue: pl.Series) -> Vocabulary:
        """Items that were seen are trained, in the order of their ids; others are known if the catalogue lists them.

        Args:
            item_ids: (n,) the ids of the items.
            catalogue: Ids, all of them among `item_ids`.
        """
        seen = np.flatnonzero(self.first_seen < NEVER)
        order = item_ids.gather(pl.Series(seen - 1)).arg_sort().to_numpy()
        listed = item_ids.is_in(catalogue.cast(item_ids.dtype).unique().implode()).to_numpy()
        unlisted = np.setdiff1d(np.flatnonzero(~listed) + 1, seen)
        return Vocabulary(item_ids, seen[order], self.popularity.astype(np.float32), unlisted)
