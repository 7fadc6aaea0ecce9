"""Raw events to events: every row is either accepted with the contract's types or quarantined with one reason."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import polars as pl

from assets.events.rules import QualitySettings
from assets.quality.casts import TimestampUnit, as_epoch_ms, as_float32, as_id, as_text, given, given_number
from assets.quality.quarantine import Cleaned, Reason, quarantined
from assets.quality.raw import arrived, completed, first_reason, mark_duplicates
from assets.schema import EVENTS_TABLE, TIME, IdType, events_schema
from models.columns import (
    ACTION,
    ARRIVAL,
    DAY,
    ITEM_ID,
    MALFORMED,
    REQUEST_ID,
    SURFACE,
    TIMESTAMP,
    USER_ID,
    VALUE,
)

REQUIRED = (USER_ID, ITEM_ID, TIMESTAMP, ACTION)
COLUMNS = (*REQUIRED, VALUE, SURFACE, REQUEST_ID)
IDENTITY = (USER_ID, ITEM_ID, TIMESTAMP, ACTION)
"""Two rows with the same identity are one event that arrived twice."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def clean_events(
    raw: pl.LazyFrame,
    rules: QualitySettings,
    id_type: IdType,
    days: Sequence[date],
    known_items: pl.LazyFrame | None,
    now: datetime,
    unit: TimestampUnit = "ms",
) -> Cleaned:
    """Judges the raw events of `days`; `accepted` has `events_schema(id_type)`, sorted by (day, arrival).

    An event belongs to the day it arrived on, however late it is; an event from after that day, or from after `now`,
    is rejected. Of events with one identity (IDENTITY) within `days` the first to arrive is kept.

    Args:
        raw: Rows as `Source.read` gives them: contract columns of any type, optional ones may be missing.
        known_items: One column `item_id` of the profile's id type; None accepts events of any item.
        now: The moment of cleaning, with a time zone.
        unit: What a numeric or textual timestamp counts; a date-time without a zone is taken as UTC.

    Raises:
        ValueError: a row belongs to none of `days`, or a required column is missing altogether.
    """
    rows = arrived(raw, days, REQUIRED, EVENTS_TABLE)
    typed = _typed(completed(rows, COLUMNS), id_type, unit)
    reasons = first_reason(typed, _verdicts(rules, _known(known_items, rules), now))
    reasons = mark_duplicates(typed, reasons, IDENTITY)
    accepted = (
        typed.filter(reasons.is_null())
        .with_columns(
            pl.from_epoch(TIMESTAMP, "ms").dt.replace_time_zone("UTC").cast(TIME),
            pl.int_range(pl.len(), dtype=pl.Int64).over(DAY).alias(ARRIVAL),
        )
        .select(*events_schema(id_type))
    )
    rejected = quarantined(rows, reasons, EVENTS_TABLE)
    return Cleaned(accepted, rejected, trimmed=rejected.clear())


def _typed(rows: pl.DataFrame, id_type: IdType, unit: TimestampUnit) -> pl.DataFrame:
    """Contract columns, the timestamp still in epoch ms, and per row whether a value is missing or did not convert."""
    dtypes = rows.schema
    casts = {
        USER_ID: as_id(USER_ID, dtypes[USER_ID], id_type),
        ITEM_ID: as_id(ITEM_ID, dtypes[ITEM_ID], id_type),
        TIMESTAMP: as_epoch_ms(TIMESTAMP, dtypes[TIMESTAMP], unit),
        VALUE: as_float32(VALUE, dtypes[VALUE]),
    } | {column: as_text(column, dtypes[column]) for column in (ACTION, SURFACE, REQUEST_ID)}
    there = {column: given(column, dtypes[column]) for column in casts} | {VALUE: given_number(VALUE, dtypes[VALUE])}
    return rows.select(
        DAY,
        pl.col(MALFORMED).is_not_null().alias(Reason.MALFORMED),
        pl.any_horizontal(~there[column] for column in REQUIRED).alias(Reason.NULL_KEY),
        pl.any_horizontal(there[column] & cast.is_null() for column, cast in casts.items()).alias(Reason.WRONG_TYPE),
        *(pl.when(there[column]).then(cast).alias(column) for column, cast in casts.items()),
    )


def _verdicts(rules: QualitySettings, known: pl.Series | None, now: datetime) -> dict[str, pl.Expr]:
    day_end = pl.col(DAY).cast(pl.Datetime("ms")).dt.offset_by("1d").dt.timestamp("ms")
    latest = pl.min_horizontal(day_end - 1, pl.lit(_epoch_ms(now))) + rules.future_tolerance // timedelta(
        milliseconds=1
    )
    unknown = pl.lit(False) if known is None else ~pl.col(ITEM_ID).is_in(known.implode())
    return {
        Reason.MALFORMED: pl.col(Reason.MALFORMED),
        Reason.NULL_KEY: pl.col(Reason.NULL_KEY),
        Reason.WRONG_TYPE: pl.col(Reason.WRONG_TYPE),
        Reason.UNKNOWN_ACTION: ~pl.col(ACTION).is_in(rules.actions),
        Reason.TIMESTAMP_TOO_OLD: pl.col(TIMESTAMP) < _epoch_ms(rules.earliest),
        Reason.TIMESTAMP_IN_FUTURE: pl.col(TIMESTAMP) > latest,
        Reason.UNKNOWN_ITEM: unknown,
    }


def _known(items: pl.LazyFrame | None, rules: QualitySettings) -> pl.Series | None:
    if items is None or not rules.reject_unknown_items:
        return None
    return items.select(pl.col(ITEM_ID).drop_nulls().unique()).collect()[ITEM_ID]


def _epoch_ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)
