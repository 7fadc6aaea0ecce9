"""From when on an item can be shown: from its first appearance on, however many rows of the catalogue follow."""

import polars as pl

from models.columns import AVAILABLE_FROM, DAY, ITEM_ID


def with_availability(items: pl.LazyFrame) -> pl.LazyFrame:
    """The newest row of every item, with the earliest moment that any of its rows names as `available_from`.

    Later rows of an item describe it anew; they do not make it come anew. A row without a moment tells of its own day.
    The order of the rows does not matter.

    Args:
        items: Rows of the table `items`: `item_id`, `day`, `available_from` (UTC) and more, one row per item and day.
    """
    newest = items.sort(DAY).unique(ITEM_ID, keep="last", maintain_order=True).drop(AVAILABLE_FROM)
    whole = newest.join(_first(items), on=ITEM_ID, how="left", maintain_order="left")
    return whole.select(items.collect_schema().names())


def _first(items: pl.LazyFrame) -> pl.LazyFrame:
    """`item_id`, `available_from`, one row per item."""
    moment = pl.col(AVAILABLE_FROM)
    dtype = items.collect_schema()[AVAILABLE_FROM]
    midnight = pl.col(DAY).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").cast(dtype)
    return items.group_by(ITEM_ID).agg(moment.fill_null(midnight).min())
