"""What a log says of itself before it is split: read some users at a time, kept as long as the items at most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from assets.splits.split import SplitRule
from models.interactions import Interactions
from storage.user_interactions import ROWS_IN_MEMORY, InteractionLog, read_positives

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Window:
    """What one evaluation window would leave to training and to the time split.

    Attributes:
        days: Its length.
        users: Users with something to train on.
        asked: Users whom the time split would ask something.
        before: Positives before the cutoff.
        after: Positives from the cutoff on.
        first_ms: Epoch milliseconds of the first positive before the cutoff; the cutoff where there is none.
        with_two: Users with at least two positives before the cutoff.
        returns: Positives before the cutoff of an item that the user had chosen before, and then others.
    """

    days: int
    users: int
    asked: int
    before: int
    after: int
    first_ms: int
    with_two: int
    returns: int


def survey_windows(
    log: InteractionLog, rules: Sequence[SplitRule], rows_in_memory: int = ROWS_IN_MEMORY
) -> list[Window]:
    """What each of the `rules`, which differ in cutoff and window alone, would come to; reads the log once."""
    counts = np.zeros((len(rules), 6), np.int64)
    first_ms = np.array([rule.cutoff_ms for rule in rules])
    for positives in _positives(log, rules[0], rows_in_memory):
        asked_for, returns, times = rules[0].asks_for(positives), positives.returns(), positives.timestamps
        owner = np.repeat(np.arange(len(positives)), positives.lengths)
        for place, rule in enumerate(rules):
            past = times < rule.cutoff_ms
            lengths = np.bincount(owner[past], minlength=len(positives))
            later = asked_for & ~past & (times < rule.end_ms)
            asked = np.bincount(owner[later], minlength=len(positives)) > 0
            before = int(past.sum())
            counts[place] += (
                (lengths > 0).sum(),
                (asked & (lengths > 0)).sum(),
                before,
                len(times) - before,
                (lengths > 1).sum(),
                (returns & past).sum(),
            )
            first_ms[place] = times[past].min(initial=first_ms[place])
    return [
        Window(
            days=rule.window.days,
            users=int(row[0]),
            asked=int(row[1]),
            before=int(row[2]),
            after=int(row[3]),
            first_ms=int(began),
            with_two=int(row[4]),
            returns=int(row[5]),
        )
        for rule, row, began in zip(rules, counts, first_ms, strict=True)
    ]


def rank_gains(
    log: InteractionLog,
    rule: SplitRule,
    since: datetime,
    half_lives_days: Sequence[float],
    rows_in_memory: int = ROWS_IN_MEMORY,
) -> list[float]:
    """How well popularity, with each half-life, ranks what users chose from `since` to the cutoff of `rule`.

    The mean of 1 / log2(1 + rank) over these choices, by what was popular before `since`: 1 where all were the most
    popular item, 0 where there is none.
    """
    since_ms = int(since.timestamp() * 1000)
    items = len(log.item_ids()) + 1
    popularity, chosen = np.zeros((len(half_lives_days), items)), np.zeros(items)
    for positives in _positives(log, rule, rows_in_memory):
        times = positives.timestamps
        past = times < since_ms
        ages = (since_ms - times[past]) / DAY_MS
        for place, half_life in enumerate(half_lives_days):
            weights = 0.5 ** (ages / half_life)
            popularity[place] += np.bincount(positives.item_index[past], weights, items)
        asked = rule.asks_for(positives) & ~past & (times < rule.cutoff_ms)
        chosen += np.bincount(positives.item_index[asked], minlength=items)
    return [_gain(scores[1:], chosen[1:]) for scores in popularity]


def _gain(scores: np.ndarray, chosen: np.ndarray) -> float:
    """The mean gain of `chosen`, how often each item was, by its rank; items of one score share the last place."""
    if not chosen.sum():
        return 0.0
    ranks = len(scores) - np.searchsorted(np.sort(scores), scores, side="left")
    return float((chosen / np.log2(1 + ranks)).sum() / chosen.sum())


def _positives(log: InteractionLog, rule: SplitRule, rows_in_memory: int) -> Iterator[Interactions]:
    for part in read_positives(log, rule.positives, rows_in_memory=rows_in_memory):
        yield part.interactions
