"""The catalogue as of a day: each item as it was last described."""

from datetime import date

import polars as pl

from assets.lake import Lake
from assets.schema import ITEMS_TABLE
from models.columns import DAY, ITEM_ID


def catalogue(lake: Lake, until: date | None = None) -> pl.LazyFrame:
    """The latest row of every item over the days before `until` (all days where it is None), one row per item.

    Columns are those of `assets.schema.items_schema`; `day` is the day of that latest row.

    Raises:
        TableMissing: no items were written yet.
    """
    rows = lake.scan(ITEMS_TABLE)
    if until is not None:
        rows = rows.filter(pl.col(DAY) < until)
    return rows.sort(DAY).unique(ITEM_ID, keep="last", maintain_order=True)
