"""How much there is of everything in a log: counted in one pass over the events and two over the interactions."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from assets.data_report.evidence import Log
from assets.data_report.put_aside import ROWS
from assets.splits.split import EPOCH, SplitRule
from models.columns import ACTION, DAY, REQUEST_GROUP, STARTED
from models.interactions import Interactions
from storage.user_interactions import ROWS_IN_MEMORY, read_positives

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)

NEVER = int(np.iinfo(np.int64).max)

USERS_LOOKED_AT = 10_000
"""Users whose requests are looked at; buckets are runs of a user's hash, so the first are as good as others."""


@dataclass(frozen=True)
class Activity:
    """The events, by day and by action.

    Attributes:
        days: `day`, `rows`, ascending.
        actions: `action`, `rows`, the most frequent first.
    """

    days: pl.DataFrame
    actions: pl.DataFrame

    @classmethod
    def of(cls, events: pl.LazyFrame) -> "Activity":
        rows = pl.len().cast(pl.Int64).alias(ROWS)
        counts = events.group_by(DAY, ACTION).agg(rows).collect(engine="streaming")
        total = pl.col(ROWS).sum()
        return cls(
            days=counts.group_by(DAY).agg(total).sort(DAY),
            actions=counts.group_by(ACTION).agg(total).sort(ROWS, ACTION, descending=[True, False]),
        )

    @property
    def events(self) -> int:
        return int(self.days[ROWS].sum())


@dataclass(frozen=True)
class Histories:
    """The interactions, and those of them that count as positive.

    Attributes:
        users: Who did anything.
        interactions: What the events came to.
        first, last: When; None where there is nothing.
        lengths: (P,) int64 positives of each user who has any.
        positives: All of these.
        repeated: Of these, with an item that the user had before.
        tied: Of these, at the moment of another one of the user.
        first_seen: (R + 1,) int64 epoch milliseconds of the first positive of each item, by its row; the largest number
            where there is none.
        requests: Requests of some users.
        long_requests: Of these, how many last longer than the profile's `request_gap`.
    """

    users: int
    interactions: int
    first: datetime | None
    last: datetime | None
    lengths: np.ndarray
    positives: int
    repeated: int
    tied: int
    first_seen: np.ndarray
    requests: int
    long_requests: int

    @classmethod
    def of(cls, log: Log, positives: int, gap: timedelta, rows_in_memory: int = ROWS_IN_MEMORY) -> "Histories":
        """Args:
        positives: Bit mask of the actions that count.
        gap: Longer requests are counted.
        """
        counts = dict.fromkeys(("users", "interactions", "positives", "repeated", "tied"), 0)
        lengths, first, last = [np.zeros(0, np.int64)], NEVER, -NEVER
        first_seen = np.full(len(log.item_ids()) + 1, NEVER)
        requests = np.zeros(2, np.int64)
        for part in log.parts((STARTED, REQUEST_GROUP), rows_in_memory):
            every = part.interactions
            if counts["users"] < USERS_LOOKED_AT:
                requests += _requests(every.take(np.arange(min(len(every), USERS_LOOKED_AT))), gap)
            some = every.where(every.carrying(positives))
            counts["users"] += len(every)
            counts["interactions"] += len(every.timestamps)
            counts["positives"] += len(some.timestamps)
            counts["repeated"] += int(some.repeated().sum())
            counts["tied"] += _tied(some)
            lengths.append(some.lengths[some.lengths > 0])
            # An interaction of several actions is timed by the last of them, and began with the first.
            first, last = int(every.column(STARTED).min(initial=first)), int(every.timestamps.max(initial=last))
            np.minimum.at(first_seen, some.item_index, some.timestamps)
        there = counts["interactions"] > 0
        return cls(
            **counts,
            first=_moment(first) if there else None,
            last=_moment(last) if there else None,
            lengths=np.concatenate(lengths),
            first_seen=first_seen,
            requests=int(requests[0]),
            long_requests=int(requests[1]),
        )

    @property
    def chosen_items(self) -> int:
        """Items that anybody chose."""
        return len(self.chosen)

    @property
    def chosen(self) -> np.ndarray:
        """Their rows, ascending."""
        return np.flatnonzero(self.first_seen < NEVER)

    def quantiles(self) -> dict[float, int]:
        """Lengths of the histories: so many users have this one or a shorter one."""
        if not len(self.lengths):
            return {}
        found = np.quantile(self.lengths, QUANTILES, method="higher")
        return dict(zip(QUANTILES, found.astype(int).tolist(), strict=True))


@dataclass(frozen=True)
class Window:
    """What happens in the evaluation window that was not there before.

    Attributes:
        users: Users with a positive in it.
        new_users: Of these, without one before.
        positives: Positives in it.
        of_new_items: Of these, with an item that nobody chose before.
    """

    users: int
    new_users: int
    positives: int
    of_new_items: int

    @classmethod
    def of(cls, log: Log, rule: SplitRule, first_seen: np.ndarray, rows_in_memory: int = ROWS_IN_MEMORY) -> "Window":
        counts = np.zeros(4, np.int64)
        for part in read_positives(log, rule.positives, rows_in_memory=rows_in_memory):
            some, times = part.interactions, part.interactions.timestamps
            within = (times >= rule.cutoff_ms) & (times < rule.end_ms)
            inside = some.where(within).lengths > 0
            had = some.where(times < rule.cutoff_ms).lengths > 0
            new_items = first_seen[some.item_index[within]] >= rule.cutoff_ms
            counts += (inside.sum(), (inside & ~had).sum(), within.sum(), new_items.sum())
        return cls(*(int(count) for count in counts))


def _tied(interactions: Interactions) -> int:
    """How many happened at the moment of another one of the same user."""
    times = interactions.timestamps
    same = np.zeros(len(times) + 1, bool)
    same[1:-1] = times[1:] == times[:-1]
    same[interactions.offsets] = False
    return int((same[1:] | same[:-1]).sum())


def _requests(interactions: Interactions, gap: timedelta) -> np.ndarray:
    """(2,) int64: the requests of these users, and how many of them last longer than `gap`."""
    request = ("user", REQUEST_GROUP)
    lasted = pl.col("timestamp").max() - pl.col(STARTED).min()
    rows = pl.DataFrame(
        {"user": np.repeat(np.arange(len(interactions)), interactions.lengths)}
        | {name: interactions.column(name) for name in (REQUEST_GROUP, STARTED, "timestamp")}
    )
    # Without a request, its moment stands for it.
    found = rows.filter(pl.col(REQUEST_GROUP) != pl.col("timestamp")).group_by(request).agg(lasted.alias("lasted"))
    long = found["lasted"] > gap // timedelta(milliseconds=1)
    return np.array([found.height, long.sum()], np.int64)


def _moment(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)
