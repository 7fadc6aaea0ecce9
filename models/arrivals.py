"""When items came, and how often they were chosen while no version had an ID for them: counted night by night."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from models.interactions import Interactions

NIGHTS = 7
"""So many nights are counted, back from the end of the data: every day of a week once."""


@dataclass(frozen=True)
class Arrivals:
    """What versions made every `reach_ms` back from the end of the data met until the next one was made.

    Night 0 is the last one. An item is new to the version of a night if it had not been chosen by then.

    Attributes:
        there_from: (n + 1,) int64 epoch milliseconds from which each item could be chosen; the largest int64 where
            nobody says.
        first_chosen: (n + 1,) int64 epoch milliseconds at which each was; the largest int64 where it never was.
        end_ms: Epoch milliseconds at which the data end.
        reach_ms: Milliseconds from one version to the next.
        choices: (J,) int64 of each night.
        of_new: (J,) int64, those of items that were new and have content.
    """

    there_from: np.ndarray
    first_chosen: np.ndarray
    end_ms: int
    reach_ms: int
    choices: np.ndarray
    of_new: np.ndarray

    def end_of(self, night: int) -> int:
        """Epoch milliseconds at which the version of a night was replaced."""
        return self.end_ms - night * self.reach_ms

    def known(self, night: int) -> np.ndarray:
        """(n + 1,) bool, the items that the version of a night had an ID for."""
        known: np.ndarray = self.first_chosen < self.end_of(night + 1)
        return known

    def new(self, night: int) -> np.ndarray:
        """(n + 1,) bool, the items that it had none for, and that could be chosen before it was replaced."""
        there = np.minimum(self.there_from, self.first_chosen) < self.end_of(night)
        new: np.ndarray = there & ~self.known(night)
        return new


class ArrivalTally:
    """Counts `Arrivals`, a part of the users at a time.

    Of the first `cold_start` of the log nobody can say what was new: no night reaches back so far.

    Args:
        there_from, first_chosen: As in `Arrivals`.
        has_content: (n + 1,) bool, the items that a version without an ID for them can tell apart.
        start_ms, end_ms: When the data begin and end.
        cold_start: Time from one version to the next; zero: there is no night to count.
    """

    def __init__(
        self,
        there_from: np.ndarray,
        first_chosen: np.ndarray,
        has_content: np.ndarray,
        start_ms: int,
        end_ms: int,
        cold_start: timedelta,
    ) -> None:
        self._there_from, self._first_chosen, self._has_content = there_from, first_chosen, has_content
        self._end_ms, self._reach_ms = end_ms, cold_start // timedelta(milliseconds=1)
        nights = min(NIGHTS, max(0, (end_ms - start_ms) // self._reach_ms - 1)) if self._reach_ms else 0
        self._choices, self._of_new = np.zeros(nights, np.int64), np.zeros(nights, np.int64)

    def add(self, choices: Interactions) -> None:
        """Counts what some users chose."""
        nights = len(self._choices)
        if not nights:
            return
        night = (self._end_ms - 1 - choices.timestamps) // self._reach_ms
        some = night < nights
        night, items = night[some], choices.item_index[some]
        made = self._end_ms - (night + 1) * self._reach_ms
        new = (self._first_chosen[items] >= made) & self._has_content[items]
        self._choices += np.bincount(night, minlength=nights)
        self._of_new += np.bincount(night[new], minlength=nights)

    def arrivals(self) -> Arrivals:
        return Arrivals(self._there_from, self._first_chosen, self._end_ms, self._reach_ms, self._choices, self._of_new)
