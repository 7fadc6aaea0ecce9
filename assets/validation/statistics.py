"""A day of events in one row: what later days are compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from assets.validation.quarantine import Reason
from models.columns import ACTION, ACTIONS, DAY, ITEM_ID, REASON, TIMESTAMP, USER_ID
from storage.lake import Lake
from storage.schema import Schema

EVENT_STATISTICS_TABLE = "event_statistics"

ROWS = "rows"
USERS = "users"
ITEMS = "items"
LONGEST_GAP = "longest_gap_minutes"
REJECTED = "rejected"
DUPLICATES = "duplicates"
UNKNOWN_ITEMS = "unknown_items"

EVENT_STATISTICS_SCHEMA: Schema = {
    DAY: pl.Date(),
    ROWS: pl.Int64(),
    USERS: pl.Int64(),
    ITEMS: pl.Int64(),
    LONGEST_GAP: pl.Int64(),
    REJECTED: pl.Int64(),
    DUPLICATES: pl.Int64(),
    UNKNOWN_ITEMS: pl.Int64(),
    ACTIONS: pl.List(pl.Struct({ACTION: pl.String(), ROWS: pl.Int64()})),
}
"""One row per day: accepted events, their distinct users and items, the longest stretch without an event, rejected
rows, those of them that repeat another, rows of unknown items whether rejected or not, and accepted rows by action."""

FIRST_DAY = "first_day"
UNKNOWN_ACCEPTED = "unknown_accepted"
MINUTE = "minute"
MINUTES = 1440

COPYING = pl.CompatLevel.oldest()
"""Arrow's plain strings, which are copied; newer ones would point into the buffers that they come from."""

WEEK = 7


@dataclass(frozen=True)
class Tally:
    """What the statistics of days are made of; the tallies of parts of the rows add up to that of all.

    Attributes:
        totals: (day, rows, users).
        items: (day, item_id), each once.
        actions: (day, action, rows).
        minutes: (day, minute) in which something happened, each once.
        unknown: (day, unknown_accepted).
    """

    totals: pl.DataFrame
    items: pl.DataFrame
    actions: pl.DataFrame
    minutes: pl.DataFrame
    unknown: pl.DataFrame

    @classmethod
    def of(cls, rows: pl.LazyFrame, known: pl.DataFrame | None = None) -> "Tally":
        """Args:
        rows: Accepted events. The rows of one user on one day stand together, and in no other part.
        known: `item_id`, `first_day`: accepted events of other items, or from before that day, count as unknown; None
            where such events were rejected.
        """
        queries = [_totals(rows), _items(rows), _actions(rows), _minutes(rows), _unknown(rows, known)]
        totals, items, actions, minutes, unknown = (query.collect(engine="streaming") for query in queries)
        return cls(totals, _apart(items), actions, minutes, unknown)

    @classmethod
    def joined(cls, parts: Sequence["Tally"]) -> "Tally":
        """The tally of all rows from those of parts of them, at least one."""
        return cls(
            pl.concat([part.totals for part in parts]).group_by(DAY).sum(),
            pl.concat([part.items for part in parts]).unique(),
            pl.concat([part.actions for part in parts]).group_by(DAY, ACTION).sum(),
            pl.concat([part.minutes for part in parts]).unique(),
            pl.concat([part.unknown for part in parts]).group_by(DAY).sum(),
        )

    def statistics(self, rejected: pl.DataFrame, days: Sequence[date]) -> pl.DataFrame:
        """The statistics of `days`, EVENT_STATISTICS_SCHEMA, one row per day in order, empty days too.

        Args:
            rejected: `day`, `reason`, `rows`: counts of rejected events.
        """
        items = self.items.group_by(DAY).agg(pl.len().cast(pl.Int64).alias(ITEMS))
        actions = self.actions.sort(DAY, ACTION).group_by(DAY).agg(pl.struct(ACTION, ROWS).alias(ACTIONS))
        gaps = _longest_gaps(self.minutes, days)
        whole = pl.DataFrame({DAY: sorted(days)}, schema={DAY: pl.Date})
        for part in (self.totals, items, actions, gaps, _rejected(rejected), self.unknown):
            whole = whole.join(part, on=DAY, how="left", maintain_order="left")
        counts = (ROWS, USERS, ITEMS, REJECTED, DUPLICATES, UNKNOWN_ITEMS, UNKNOWN_ACCEPTED)
        return (
            whole.with_columns(pl.col(counts).fill_null(0), pl.col(ACTIONS).fill_null([]))
            .with_columns(pl.col(UNKNOWN_ITEMS) + pl.col(UNKNOWN_ACCEPTED))
            .select(pl.col(name).cast(dtype) for name, dtype in EVENT_STATISTICS_SCHEMA.items())
        )


def day_statistics(
    rows: pl.LazyFrame, rejected: pl.DataFrame, days: Sequence[date], known: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The statistics of `days` from all their rows at once; see `Tally` for the arguments.

    Takes a few streaming passes over a few columns; memory holds the distinct items of a day, but no rows.
    """
    return Tally.of(rows, known).statistics(rejected, days)


def remember(lake: Lake, statistics: pl.DataFrame, days: Sequence[date]) -> int:
    """Replaces the statistics of `days`; returns the table's new version."""
    return lake.replace_days(EVENT_STATISTICS_TABLE, statistics, days)


def earlier_days(lake: Lake, days: Sequence[date]) -> pl.DataFrame:
    """The statistics of the days that a run of `days` is compared with, without those of the run itself."""
    if not lake.exists(EVENT_STATISTICS_TABLE):
        return pl.DataFrame(schema=EVENT_STATISTICS_SCHEMA)
    within = pl.col(DAY).is_between(min(days) - timedelta(days=WEEK), max(days), closed="left")
    found = lake.scan(EVENT_STATISTICS_TABLE).filter(within, ~pl.col(DAY).is_in(list(days)))
    return found.select(*EVENT_STATISTICS_SCHEMA).collect()


def _totals(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows and users of a day; users are counted where one follows another."""
    first = pl.any_horizontal(pl.col(column).ne_missing(pl.col(column).shift(1)) for column in (USER_ID, DAY))
    counted = rows.select(DAY, first.alias(USERS)).group_by(DAY)
    return counted.agg(pl.len().cast(pl.Int64).alias(ROWS), pl.col(USERS).sum().cast(pl.Int64))


def _items(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(DAY, ITEM_ID).unique()


def _apart(items: pl.DataFrame) -> pl.DataFrame:
    """`items` without a hold on the texts of all the rows that they were found in."""
    if items.schema[ITEM_ID] != pl.String:
        return items
    return items.with_columns(pl.Series(ITEM_ID, pl.from_arrow(items[ITEM_ID].to_arrow(compat_level=COPYING))))


def _actions(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.group_by(DAY, ACTION).agg(pl.len().cast(pl.Int64).alias(ROWS))


def _minutes(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The minutes of each day that hold an event; late events are of another day."""
    midnight = pl.col(DAY).cast(pl.Datetime("ms")).dt.epoch("ms")
    minute = ((pl.col(TIMESTAMP).dt.epoch("ms") - midnight) // 60_000).clip(-1, MINUTES).cast(pl.Int16)
    return rows.select(DAY, minute.alias(MINUTE)).unique().filter(pl.col(MINUTE).is_between(0, MINUTES - 1))


def _longest_gaps(seen: pl.DataFrame, days: Sequence[date]) -> pl.DataFrame:
    """Minutes of each day's longest stretch without an event of that day."""
    edges = pl.DataFrame(
        {DAY: days, MINUTE: [[-1, MINUTES]] * len(days)}, schema={DAY: pl.Date, MINUTE: pl.List(pl.Int16)}
    )
    gap = pl.col(MINUTE).diff().over(DAY) - 1
    whole = pl.concat([seen.select(DAY, MINUTE), edges.explode(MINUTE)]).sort(DAY, MINUTE)
    return whole.with_columns(gap.alias(LONGEST_GAP)).group_by(DAY).agg(pl.col(LONGEST_GAP).max())


def _rejected(counts: pl.DataFrame) -> pl.DataFrame:
    def of(reason: Reason) -> pl.Expr:
        return pl.col(ROWS).filter(pl.col(REASON) == reason.value).sum()

    return counts.group_by(DAY).agg(
        pl.col(ROWS).sum().alias(REJECTED),
        of(Reason.DUPLICATE).alias(DUPLICATES),
        of(Reason.UNKNOWN_ITEM).alias(UNKNOWN_ITEMS),
    )


def _unknown(rows: pl.LazyFrame, known: pl.DataFrame | None) -> pl.LazyFrame:
    if known is None:
        return pl.LazyFrame(schema={DAY: pl.Date, UNKNOWN_ACCEPTED: pl.Int64})
    named = rows.select(DAY, ITEM_ID).join(known.lazy(), on=ITEM_ID, how="left")
    unknown = (pl.col(FIRST_DAY) > pl.col(DAY)).fill_null(True)
    return named.group_by(DAY).agg(unknown.sum().cast(pl.Int64).alias(UNKNOWN_ACCEPTED))
