"""The items of a log without a catalogue: those that its events name, each from the day that names it first."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from assets.validation.casts import as_id
from models.columns import DAY, ITEM_ID, MALFORMED, SOURCE_FILE, SOURCE_ROW, UNDATED


def named_items(events: Sequence[pl.LazyFrame], first_day: date, *, ordinal: bool = False) -> pl.LazyFrame:
    """One raw row of the catalogue for each item, on the day of its first event, at the place of that event.

    Events that will be rejected, because they are damaged or have no day or item, name nothing. Memory is that of all
    pairs of an item and a day.

    Args:
        events: Raw rows in contract columns with their days.
        first_day: The day of the items that were named before it.
        ordinal: Whether days do not tell when something was: then that is the day of all items.
    """
    return (
        pl.concat(_named(rows, first_day, ordinal) for rows in events)
        .group_by(ITEM_ID, DAY)
        .agg(pl.col(SOURCE_FILE, SOURCE_ROW).sort_by(SOURCE_FILE, SOURCE_ROW).first())
        .sort(DAY, SOURCE_FILE, SOURCE_ROW)
        .unique(ITEM_ID, keep="first", maintain_order=True)
        .with_columns(pl.lit(None, pl.String).alias(MALFORMED))
    )


def _named(rows: pl.LazyFrame, first_day: date, ordinal: bool) -> pl.LazyFrame:
    schema, first = rows.collect_schema(), pl.lit(first_day)
    item, day = as_id(ITEM_ID, schema[ITEM_ID], "string"), first if ordinal else pl.max_horizontal(DAY, first)
    dated = ~pl.col(UNDATED) if UNDATED in schema else pl.lit(True)
    good = pl.col(MALFORMED).is_null() & dated & item.is_not_null()
    return rows.filter(good).select(item.alias(ITEM_ID), day.alias(DAY), SOURCE_FILE, pl.col(SOURCE_ROW).cast(pl.Int64))
