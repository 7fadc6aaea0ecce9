"""What a ranker is trained and evaluated on: what was shown, and what the user did with it.

Items that were shown to a user one soon after the other are the candidates of one example. Its history is all that had
happened before the first of them was shown; what came of the candidates stands only in the labels.
"""

from collections.abc import Sequence

import numpy as np
import torch

from models.columns import ACTIONS, PROPENSITY, STARTED, SURFACE
from models.examples import Epoch
from models.interactions import Interactions
from models.past import count_before
from models.ranking.batch import LabelledBatch, RankingBatch, ranking_batch
from models.ranking.config import RankerConfig

MINUTE_MS = 60_000


class RankingExamples:
    """Examples of up to `config.candidates` candidates.

    Args:
        interactions: Of all users, with the columns `actions` and `started`. Bit k of a mask is the k-th action of
            `config`, and the bit after the last one of them says that the item was shown.
        config: The ranker's.
        since, until: Epoch milliseconds; only what was shown at `since` or later and before `until` is a candidate.

    Attributes:
        users: (E,) int64 position of each example's user.
        shown_at: (E,) int64 epoch milliseconds when its first candidate was shown.

    Raises:
        ValueError: nothing was shown, so nothing can be learned.
    """

    def __init__(
        self, interactions: Interactions, config: RankerConfig, since: int | None = None, until: int | None = None
    ) -> None:
        self._interactions, self._config = interactions.only((ACTIONS, STARTED, SURFACE, PROPENSITY)).known(), config
        self._shown = 1 << len(config.actions)
        masks, started = self._interactions.column(ACTIONS), self._interactions.column(STARTED)
        offered = (masks & self._shown) != 0
        if since is not None:
            offered &= started >= since
        if until is not None:
            offered &= started < until
        self._candidates = np.flatnonzero(offered)
        if not len(self._candidates):
            raise ValueError("none of the interactions says that an item was shown: there is nothing to judge")
        owners = np.repeat(np.arange(len(self._interactions)), self._interactions.lengths)[self._candidates]
        times = started[self._candidates]
        self._starts = _chunks(owners, times, config)
        self.users = owners[self._starts[:-1]]
        self.shown_at = np.minimum.reduceat(times, self._starts[:-1])
        self._before = count_before(self._interactions, self.users, self.shown_at)

    def __len__(self) -> int:
        return len(self.users)

    @property
    def owners(self) -> np.ndarray:
        """(T,) int64 position of the user of each candidate, in the order of the batches' candidates."""
        return np.repeat(self.users, np.diff(self._starts))

    @property
    def items(self) -> np.ndarray:
        """(T,) the item index of each candidate."""
        candidates: np.ndarray = self._interactions.item_index[self._candidates]
        return candidates

    @property
    def history_lengths(self) -> np.ndarray:
        """(T,) int64 how many interactions the user of each candidate had before the example."""
        return np.repeat(self._before, np.diff(self._starts))

    def column(self, name: str) -> np.ndarray:
        """(T,) the column `name` of each candidate.

        Raises:
            ValueError: the interactions have none.
        """
        return self._interactions.column(name)[self._candidates]

    def taken(self) -> np.ndarray:
        """(T, actions) bool: what was done with each candidate."""
        masks = self._interactions.column(ACTIONS)[self._candidates]
        return np.stack([(masks & (1 << bit)) != 0 for bit in range(len(self._config.actions))], axis=1)

    def base_rates(self) -> torch.Tensor:
        """(actions,) float32: of the candidates, the share with which each action was taken; never quite 0 or 1."""
        taken = self.taken()
        return torch.from_numpy((taken.sum(axis=0) + 0.5) / (len(taken) + 1)).float()

    def epoch(self, epoch: int) -> Epoch:
        """The same examples in every epoch."""
        lengths = np.minimum(self._before, self._config.max_length) + np.diff(self._starts)
        return Epoch(lengths, lengths, self.batch)

    @property
    def longest_history(self) -> int:
        """Interactions at most that the model reads of a history."""
        return self._config.max_length

    @property
    def numbers(self) -> np.ndarray:
        """(T,) int64 the example of each candidate."""
        return np.repeat(np.arange(len(self)), np.diff(self._starts))

    def batch(self, examples: np.ndarray) -> LabelledBatch:
        """The batch of `examples` (B,), in that order."""
        parts = [self._candidates[self._starts[one] : self._starts[one + 1]] for one in examples.tolist()]
        items = [self._interactions.item_index[part] for part in parts]
        taken = self._interactions.column(ACTIONS)[np.concatenate(parts)] & (self._shown - 1)
        return LabelledBatch(self.requests(examples, items), torch.from_numpy(taken.astype(np.int64)))

    def requests(self, examples: np.ndarray, items: Sequence[np.ndarray]) -> RankingBatch:
        """What asks about B lists of items (indices) from the histories of `examples` (B,), in that order."""
        users = self.users[examples]
        skipped = self._interactions.lengths[users] - self._before[examples]
        histories = self._interactions.take(users, last=self._config.max_length, skipped=skipped)
        histories = histories.with_columns({ACTIONS: histories.column(ACTIONS) & (self._shown - 1)})
        return ranking_batch(histories, items, self.shown_at[examples], self._config.max_length)


def _chunks(owners: np.ndarray, times: np.ndarray, config: RankerConfig) -> np.ndarray:
    """(E + 1,) where each example's candidates begin: at another user, after a pause, or when there are enough."""
    pause = np.diff(times) > config.request_minutes * MINUTE_MS
    begins = np.concatenate([[True], pause | (np.diff(owners) != 0)])
    place = np.arange(len(times)) - np.flatnonzero(begins)[np.cumsum(begins) - 1]
    return np.append(np.flatnonzero(place % config.candidates == 0), len(times))
