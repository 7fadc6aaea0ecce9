"""Popularity by the day, so that a request from the past is answered with that of its time."""

import numpy as np
import torch
from torch import Tensor, nn

from models.fitted.config import PopularityConfig
from models.interactions import Interactions

DAY_MS = 86_400_000


class PopularityModel(nn.Module):
    """How often each item was chosen on each day (UTC) that saw any interaction.

    A request counts the days before its own, each halved once per half-life of its age.

    Args:
        items: n, the greatest index of an item.
        days: (D,) int64 numbers of those days since the epoch, ascending.
        offsets: (D + 1,) int64: day d has the entries from offsets[d] to offsets[d + 1].
        chosen: (N,) int32 items of the entries.
        counts: (N,) int32 how often each was chosen that day.

    Raises:
        ValueError: these contradict each other.
    """

    days: Tensor
    offsets: Tensor
    chosen: Tensor
    counts: Tensor

    def __init__(
        self, config: PopularityConfig, items: int, days: Tensor, offsets: Tensor, chosen: Tensor, counts: Tensor
    ) -> None:
        super().__init__()
        if len(offsets) != len(days) + 1 or int(offsets[-1]) != len(chosen) or len(chosen) != len(counts):
            raise ValueError("the counts of days do not fit the days: fit the version again")
        if len(chosen) and int(chosen.max()) > items:
            raise ValueError(f"an item of the counts lies beyond the {items} of the vocabulary: fit the version again")
        self.config, self.items = config, items
        self.register_buffer("days", days)
        self.register_buffer("offsets", offsets)
        self.register_buffer("chosen", chosen)
        self.register_buffer("counts", counts)

    @classmethod
    def fit(cls, config: PopularityConfig, training: Interactions, items: int) -> "PopularityModel":
        """The model of the interactions `training`; those with unknown items count for nothing."""
        known = training.known()
        # One number for day and item, so that they are counted by one sort and nothing is ever days by items.
        pairs, counts = np.unique(known.timestamps // DAY_MS * (items + 1) + known.item_index, return_counts=True)
        day_of, chosen = np.divmod(pairs, items + 1)
        days, starts = np.unique(day_of, return_index=True)
        offsets = np.append(starts, len(pairs))
        return cls(
            config,
            items,
            torch.from_numpy(days.astype(np.int64)),
            torch.from_numpy(offsets.astype(np.int64)),
            torch.from_numpy(chosen.astype(np.int32)),
            torch.from_numpy(counts.astype(np.int32)),
        )

    def forward(self, request_times: np.ndarray) -> Tensor:
        """(B, n + 1) float32 popularity at the moments `request_times` (B,) int64 ms, as of the newest day counted."""
        asked, users = np.unique(request_times // DAY_MS, return_inverse=True)
        rows = np.empty((len(asked), self.items + 1), np.float32)
        popularity, done = np.zeros(self.items + 1), 0
        for row, upto in enumerate(np.searchsorted(self.days.numpy(), asked)):
            popularity = self._later(popularity, done, int(upto))
            rows[row], done = popularity, int(upto)
        return torch.from_numpy(rows[users])

    def _later(self, popularity: np.ndarray, done: int, upto: int) -> np.ndarray:
        """(n + 1,) popularity on the day before which `upto` days count, from that of `done` days."""
        if upto == done:
            return popularity
        days, offsets = self.days.numpy(), self.offsets.numpy()
        # Ages are relative to the newest day that counts: a common factor ranks the same and never underflows.
        newest, part = days[upto - 1], slice(int(offsets[done]), int(offsets[upto]))
        ages = np.repeat(newest - days[done:upto], np.diff(offsets[done : upto + 1]))
        weights = self.counts.numpy()[part] * 0.5 ** (ages / self.config.half_life_days)
        before = popularity * 0.5 ** ((newest - days[done - 1]) / self.config.half_life_days) if done else 0.0
        later: np.ndarray = before + np.bincount(self.chosen.numpy()[part], weights, self.items + 1)
        return later
