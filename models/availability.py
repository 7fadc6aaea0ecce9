"""From when until when an item can be shown: from its first appearance until the catalogue leaves it out.

However many rows of the catalogue follow, an item is available from its first appearance on. That it is missing from
the rows of a day says nothing, unless that day's catalogue is whole: some catalogues tell every day what there is,
others what changed. Which days are whole is judged where the catalogue lands (`assets.items.listing`).
"""

import polars as pl

from models.columns import AVAILABLE_FROM, DAY, ITEM_ID

CATALOGUE_DAYS_TABLE = "catalogue_days"

GONE_FROM = "gone_from"
WHOLE = "whole"
PUT_ASIDE = "put_aside"


def with_availability(items: pl.LazyFrame) -> pl.LazyFrame:
    """The newest row of every item, with the earliest moment that any of its rows names as `available_from`.

    Later rows of an item describe it again; they do not make it new. A row without a moment counts from its own day.
    The order of the rows does not matter.

    Args:
        items: Rows of the table `items`: `item_id`, `day`, `available_from` (UTC) and more, one row per item and day.
    """
    newest = items.sort(DAY).unique(ITEM_ID, keep="last", maintain_order=True).drop(AVAILABLE_FROM)
    whole = newest.join(_first(items), on=ITEM_ID, how="left", maintain_order="left")
    return whole.select(items.collect_schema().names())


def gone(items: pl.LazyFrame, days: pl.LazyFrame | None) -> pl.LazyFrame:
    """`item_id`, `gone_from` (UTC): items that a whole day lacks and none after it names; the first such midnight.

    Args:
        items: `item_id`, `day`: rows of the table `items`.
        days: Rows of the table `catalogue_days`: `day`, `whole`, and `put_aside`, the ids whose row of that day was
            rejected, for they were there, too. None: no day is known to be whole, and nothing is gone.
    """
    if days is None:
        ids = items.collect_schema()[ITEM_ID]
        return pl.LazyFrame(schema={ITEM_ID: ids, GONE_FROM: pl.Datetime("ms", "UTC")})
    there = [items.select(ITEM_ID, DAY), days.select(pl.col(PUT_ASIDE).alias(ITEM_ID), DAY).explode(ITEM_ID)]
    last = pl.concat(there).drop_nulls().group_by(ITEM_ID).agg(pl.col(DAY).max()).sort(DAY)
    whole = days.filter(WHOLE).select(DAY, pl.col(DAY).alias(GONE_FROM)).sort(DAY)
    left = last.join_asof(whole, on=DAY, strategy="forward", allow_exact_matches=False).filter(
        pl.col(GONE_FROM).is_not_null()
    )
    return left.select(ITEM_ID, pl.col(GONE_FROM).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"))


def _first(items: pl.LazyFrame) -> pl.LazyFrame:
    """`item_id`, `available_from`, one row per item."""
    moment = pl.col(AVAILABLE_FROM)
    dtype = items.collect_schema()[AVAILABLE_FROM]
    midnight = pl.col(DAY).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").cast(dtype)
    return items.group_by(ITEM_ID).agg(moment.fill_null(midnight).min())
