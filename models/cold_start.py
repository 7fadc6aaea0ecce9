"""How many items a model will meet that were too new to have an ID when it was trained, and how often."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from models.interactions import Interactions

COLD_START = timedelta(hours=24)
"""Time between a model's cutoff and what it serves, where nobody says otherwise: a model is made every night."""


def cold_share(first_seen: np.ndarray, known: int, end_ms: int, cold_start: timedelta) -> float:
    """Share of the known items that had no interaction `cold_start` before the end of the data.

    That is what a version of that moment would have met when it was served: how many items come after the end is not
    known. Where the data do not reach back so far all items would count as new; then those count that have had no
    interaction at all.

    Args:
        first_seen: (s,) int64 epoch milliseconds of the first interaction of each item that has one.
        known: Items known before the end, `s` of them and those without an interaction.
        end_ms: Epoch milliseconds at which the data end.
        cold_start: Time between a model's cutoff and what it serves.
    """
    old = int((first_seen < end_ms - cold_start // timedelta(milliseconds=1)).sum()) or len(first_seen)
    return 1 - old / known if known else 0.0


def too_new(interactions: Interactions, first_seen: np.ndarray, start_ms: int, cold_start: timedelta) -> np.ndarray:
    """(L,) bool, interactions with an item for which a version of that time would not have had an ID.

    It was first seen less than `cold_start` before. What was there when the log began is no new item, whatever its
    first interaction in the log: of the first `cold_start` of the log nobody can say what was new.

    Args:
        first_seen: (n + 1,) int64 epoch milliseconds of each item's first interaction.
        start_ms: When the log begins.
        cold_start: Time between a model's cutoff and what it serves.
    """
    reach = cold_start // timedelta(milliseconds=1)
    first = first_seen[interactions.item_index]
    young: np.ndarray = (interactions.timestamps - first < reach) & (first >= start_ms + reach)
    return young


@dataclass(frozen=True)
class ColdRates:
    """How often a version of `cold_start` before the end of the data met, until the end, an item that it had no ID for.

    Attributes:
        events: Share of the interactions in the histories of those who came.
        positives: Share of what was chosen.
    """

    events: float
    positives: float


class ColdTally:
    """Counts `ColdRates`, a part of the users at a time.

    Args:
        first_seen: (n + 1,) int64 epoch milliseconds of each item's first interaction.
        start_ms, end_ms: When the data begin and end.
        cold_start: Time between a model's cutoff and what it serves.
    """

    def __init__(self, first_seen: np.ndarray, start_ms: int, end_ms: int, cold_start: timedelta) -> None:
        self._first_seen, self._cutoff = first_seen, end_ms - cold_start // timedelta(milliseconds=1)
        # Before the log began nothing was known: no version could have been made.
        self._measurable = self._cutoff > start_ms
        self._events, self._unknown_events, self._positives, self._unknown_positives = 0, 0, 0, 0

    def add(self, interactions: Interactions) -> None:
        """Counts the interactions of some users, who are all that is known of them."""
        late = interactions.timestamps >= self._cutoff
        unknown = self._first_seen[interactions.item_index] >= self._cutoff
        came = np.repeat(interactions.where(late).lengths > 0, interactions.lengths)
        self._events += int(came.sum())
        self._unknown_events += int((came & unknown).sum())
        self._positives += int(late.sum())
        self._unknown_positives += int((late & unknown).sum())

    def rates(self) -> ColdRates:
        """What was counted; zeros where nobody came, or the data do not reach back to a cutoff."""
        if not self._measurable or not self._positives:
            return ColdRates(0.0, 0.0)
        return ColdRates(self._unknown_events / self._events, self._unknown_positives / self._positives)
