"""How popular each item was at some moments of the training data."""

from dataclasses import dataclass

import numpy as np

from models.interactions import Interactions

DAY_MS = 86_400_000

MOST_MOMENTS = 512
MOST_COUNTS = 1 << 23
"""Bounds the memory: 32 MiB of counts, whatever the number of items."""

FEWEST_MOMENTS = 8

UNIT = 1 << 20
"""What an interaction of this moment counts as while it is counted: whole numbers add up alike in any order."""


@dataclass(frozen=True)
class PopularityOverTime:
    """Interactions of each item before each of S moments, older ones counting less.

    Attributes:
        moments: (S,) int64 epoch milliseconds, ascending; the last is the end of the training data.
        counts: (S, n + 1) float32, 0 for index 0; of strictly earlier interactions only, so that nothing tells of the
            future.
    """

    moments: np.ndarray
    counts: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.moments) or len(self.moments) != len(self.counts) or (np.diff(self.moments) <= 0).any():
            raise ValueError(
                f"popularity at {len(self.moments)} moments is of shape {self.counts.shape}: give ascending moments "
                "and a row for each"
            )

    def ages(self) -> np.ndarray:
        """(n + 1,) float32 days from the first moment at which an item had been chosen to the end; 0: it never was."""
        chosen = self.counts > 0
        since = self.moments[-1] - self.moments[chosen.argmax(axis=0)]
        ages: np.ndarray = np.where(chosen.any(axis=0), since / DAY_MS, 0.0).astype(np.float32)
        return ages

    @classmethod
    def of(cls, interactions: Interactions, items: int, end_ms: int, half_life_days: float) -> "PopularityOverTime":
        """That of all `interactions`, whose items are in 1..items and which all lie before `end_ms`."""
        days = DayCounts()
        days.add(interactions)
        counter = PopularityCounter(days.moments(items, end_ms), items, half_life_days)
        counter.add(interactions)
        return counter.over_time()


class DayCounts:
    """How many interactions each day (UTC) has, added up over any number of parts."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def add(self, interactions: Interactions) -> None:
        days, counts = np.unique(interactions.timestamps // DAY_MS, return_counts=True)
        for day, count in zip(days.tolist(), counts.tolist(), strict=True):
            self._counts[day] = self._counts.get(day, 0) + count

    def moments(self, items: int, end_ms: int) -> np.ndarray:
        """(S,) int64 the moments to look at: beginnings of days with about as many interactions between them, the end.

        Args:
            items: n; of many items popularity is kept at fewer moments.
            end_ms: Epoch milliseconds at which the data end.
        """
        days = np.array(sorted(self._counts), np.int64)
        within = np.cumsum([self._counts[day] for day in days.tolist()])
        most = max(FEWEST_MOMENTS, min(MOST_MOMENTS, MOST_COUNTS // (items + 1)))
        some = days[np.unique(np.searchsorted(within, np.linspace(0, within[-1], most)))] if len(days) else days
        starts = some * DAY_MS
        return np.append(starts[starts < end_ms], end_ms)


class PopularityCounter:
    """Counts interactions in parts, in any order of time.

    Args:
        moments: (S,) as in `PopularityOverTime`.
        items: n.
        half_life_days: Age at which an interaction counts half.
    """

    def __init__(self, moments: np.ndarray, items: int, half_life_days: float) -> None:
        self._moments, self._half_life_ms = moments, half_life_days * DAY_MS
        self._since_the_one_before = np.zeros((len(moments), items + 1), np.int64)

    def add(self, interactions: Interactions) -> None:
        """Counts the `interactions` of some users, whose items are in 1..n and which lie before the last moment."""
        at = np.searchsorted(self._moments, interactions.timestamps, side="right")
        weights = 0.5 ** ((self._moments[at] - interactions.timestamps) / self._half_life_ms)
        width = self._since_the_one_before.shape[1]
        cells = at * width + interactions.item_index
        np.add.at(self._since_the_one_before.reshape(-1), cells, np.rint(weights * UNIT).astype(np.int64))

    def over_time(self) -> PopularityOverTime:
        """What was counted."""
        counts = (self._since_the_one_before / UNIT).astype(np.float32)
        for moment in range(1, len(counts)):
            age = (self._moments[moment] - self._moments[moment - 1]) / self._half_life_ms
            counts[moment] += counts[moment - 1] * 0.5**age
        return PopularityOverTime(self._moments, counts)
