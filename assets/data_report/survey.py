"""A whole log at once: its span, and what the rules of data quality leave of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from assets.data_report.put_aside import ROWS, PutAside, some_of_each
from assets.events.clean import clean_events
from assets.events.row_validator import RowValidator
from assets.sources.damage import damage_explained
from assets.sources.source import Outside, Source
from assets.validation.day_summary import REJECTED_SHARE, WITHOUT_TIME_SHARE, by_day
from assets.validation.quarantine import Cleaned, Reason
from assets.validation.settings import QualitySettings
from models.columns import AT_FAULT, DAY, ITEM_ID, REASON, TIMESTAMP, UNDATED, USER_ID
from storage.schema import QUARANTINE_SCHEMA, IdType

ROWS_IN_MEMORY = 4_000_000

STRAY_SHARE = 0.001
"""So few rows at either end of a log do not stretch its days."""

WORTH = 0.67
"""Days are cut off at an end where what is left is at most this share of the span."""


HONEST = (Reason.NULL_KEY, Reason.DUPLICATE)
"""Rows that say nothing, or nothing new, whatever the profile says of them; the others it may have misread."""


@dataclass(frozen=True)
class Span:
    """The days of a log.

    Attributes:
        first: The first one that is proposed.
        last: The last one.
        outside: Rows before and after.
        undated: Rows that name no day.
        days: `day`, `rows` of all days there are, ascending.
    """

    first: date
    last: date
    outside: int
    undated: int
    days: pl.DataFrame


def span(source: Source, earliest: date, *, ordinal: bool = False) -> Span | None:
    """The days of the events in `source` from `earliest` until now; None where no row names any.

    A few stray rows far from all others (STRAY_SHARE) are left outside where that makes the span much shorter.

    Args:
        ordinal: Whether days stand for places in an order, of which none is astray: the last ones are what the users
            with the longest histories did last.
    """
    until = datetime.now(UTC).date() + timedelta(days=1)
    days = [earliest + timedelta(days=n) for n in range((until - earliest).days + 1)]
    landed = source.land("events", days)
    with damage_explained(file.path for file in landed):
        counted = [_counted(rows) for rows in source.read("events", landed, days)]
    counts = pl.concat(counted).group_by(DAY, UNDATED).agg(pl.col(ROWS).sum()).sort(DAY)
    dated = counts.filter(~pl.col(UNDATED)).select(DAY, ROWS)
    if dated.is_empty():
        return None
    first, last = (dated[DAY][0], dated[DAY][-1]) if ordinal else _without_strays(dated)
    outside = dated.filter(~pl.col(DAY).is_between(first, last))[ROWS].sum()
    return Span(first, last, int(outside), int(counts.filter(UNDATED)[ROWS].sum()), dated)


def _counted(rows: pl.LazyFrame) -> pl.DataFrame:
    undated = pl.col(UNDATED) if UNDATED in rows.collect_schema() else pl.lit(False).alias(UNDATED)
    counts = rows.group_by(DAY, undated).agg(pl.len().cast(pl.Int64).alias(ROWS))
    return counts.select(DAY, UNDATED, ROWS).collect(engine="streaming")


def _without_strays(days: pl.DataFrame) -> tuple[date, date]:
    """First and last day, at each end without STRAY_SHARE of the rows if the span is much shorter then."""
    total, first, last = days[ROWS].sum(), days[DAY][0], days[DAY][-1]
    before = days.select(pl.col(ROWS).cum_sum() / total)[ROWS]
    inner_first = days[DAY].filter(before > STRAY_SHARE)[0]
    inner_last = days[DAY].filter(before >= 1 - STRAY_SHARE)[0]
    if (last - inner_first).days <= WORTH * (last - first).days:
        first = inner_first
    if (inner_last - first).days <= WORTH * (last - first).days:
        last = inner_last
    return first, last


@dataclass(frozen=True)
class Survey:
    """What a log holds by the rules of data quality.

    Attributes:
        events: The good rows of its days, as the table `events` has them.
        put_aside: The others.
        outside: Rows of the files that lie on none of the days.
        largest_rejected_share: The largest share of rejected rows that a day, or the whole, is judged by.
        largest_misread_share: The same of those that a wrong profile may have put aside (`HONEST`).
        without_time_share: Share of all rows without a time.
    """

    events: pl.DataFrame
    put_aside: PutAside
    outside: int
    largest_rejected_share: float
    largest_misread_share: float
    without_time_share: float

    @property
    def rows(self) -> int:
        """All rows of its days."""
        return self.events.height + self.put_aside.rows

    @property
    def users(self) -> int:
        return self.events[USER_ID].n_unique()

    @property
    def items(self) -> int:
        return self.events[ITEM_ID].n_unique()

    @property
    def lengths(self) -> pl.Series:
        """How many events each user has."""
        return self.events.group_by(USER_ID).len()["len"]

    @property
    def repeated_share(self) -> float:
        """Share of events of a user with an item that they had before."""
        return 1 - self.events.select(USER_ID, ITEM_ID).unique().height / max(1, self.events.height)

    @property
    def tied_share(self) -> float:
        """Share of events at the same moment as another one of the user."""
        return float(self.events.select(pl.struct(USER_ID, TIMESTAMP).is_duplicated().mean()).item() or 0.0)


def survey(
    source: Source,
    rules: QualitySettings,
    id_type: IdType,
    days: Sequence[date],
    scratch: Path,
    known_items: pl.DataFrame | None = None,
) -> Survey:
    """Judges all events of `days` as the asset `events` would, and writes nothing but in the folder `scratch`."""
    landed = source.land("events", days)
    validator = RowValidator(
        rules, id_type, known_items, datetime.now(UTC), source.timestamp_unit("events"), source.columns("events")
    )
    outside = Outside(min(days), max(days) + timedelta(days=1))
    with damage_explained(file.path for file in landed):
        raw = source.read("events", landed, days, outside)
        parts = list(clean_events(raw, validator, days, rows_in_memory=ROWS_IN_MEMORY, scratch=scratch))
    events = pl.concat([pl.DataFrame(schema=validator.schema), *(part.accepted for part in parts)])
    nothing = pl.DataFrame(schema=QUARANTINE_SCHEMA)
    counts = pl.concat([_reasons(rejected) for rejected in (nothing, *(part.rejected for part in parts))])
    accepted = events.group_by(DAY).agg(pl.len().cast(pl.Int64).alias(ROWS))
    undated = sum(part.undated for part in parts)
    summary = by_day(accepted, counts, days, rules.min_rows_judged, undated)
    return Survey(
        events=events,
        put_aside=PutAside(
            counts.group_by(REASON, AT_FAULT).agg(pl.col(ROWS).sum()).sort(ROWS, REASON, AT_FAULT),
            some_of_each(pl.concat([nothing, *(some_of_each(part.rejected) for part in parts)])),
        ),
        outside=outside.rows,
        largest_rejected_share=_largest(summary),
        largest_misread_share=_largest_misread(accepted, counts, days, rules.min_rows_judged, undated),
        without_time_share=float(summary[WITHOUT_TIME_SHARE].max() or 0.0),  # type: ignore[arg-type]
    )


def largest_shares(cleaned: Cleaned, days: Sequence[date], min_rows_judged: int) -> tuple[float, float]:
    """The largest share of rejected rows that a day, or the whole, is judged by, and of those that may be misread."""
    accepted = cleaned.accepted.group_by(DAY).agg(pl.len().cast(pl.Int64).alias(ROWS))
    counts = _reasons(cleaned.rejected)
    judged = (accepted, counts, days, min_rows_judged, cleaned.undated)
    return _largest(by_day(*judged)), _largest_misread(*judged)


def _largest(summary: pl.DataFrame) -> float:
    return float(summary[REJECTED_SHARE].max() or 0.0)  # type: ignore[arg-type]


def _largest_misread(
    accepted: pl.DataFrame, counts: pl.DataFrame, days: Sequence[date], min_rows_judged: int, undated: int
) -> float:
    """Of the rows that were not put aside for what the files say themselves."""
    misread = counts.filter(~pl.col(REASON).is_in([reason.value for reason in HONEST]))
    on_first = int(misread.filter(pl.col(DAY) == min(days))[ROWS].sum())
    return _largest(by_day(accepted, misread, days, min_rows_judged, min(undated, on_first)))


def _reasons(rejected: pl.DataFrame) -> pl.DataFrame:
    return rejected.group_by(DAY, REASON, AT_FAULT).agg(pl.len().cast(pl.Int64).alias(ROWS))
