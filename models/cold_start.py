"""How many items a model will meet that were too new to have an ID when it was trained."""

from datetime import timedelta

import numpy as np

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
