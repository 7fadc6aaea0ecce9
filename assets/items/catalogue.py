"""The catalogue as of a day: each item as it was last described, available since it first appeared."""

from datetime import date

import polars as pl

from models.availability import CATALOGUE_DAYS_TABLE, gone, with_availability
from models.columns import DAY, ITEM_ID
from storage.lake import Lake
from storage.schema import ITEMS_TABLE, LATER_COLUMNS, items_schema


def catalogue(lake: Lake, until: date | None = None) -> pl.LazyFrame:
    """The latest row of every item over the days before `until` (all days where it is None), one row per item.

    Columns are those of `storage.schema.items_schema`; `day` is the day of that latest row, `available_from` the
    earliest moment of all rows (`models.availability`).

    Raises:
        TableMissing: no items were written yet.
    """
    rows = described(lake.scan(ITEMS_TABLE))
    if until is not None:
        rows = rows.filter(pl.col(DAY) < until)
    return with_availability(rows)


def catalogue_at(lake: Lake, cutoff: date) -> pl.LazyFrame:
    """The catalogue that training and evaluation may know, one row per item (`known_at`).

    Raises:
        TableMissing: no items were written yet.
    """
    return known_at(described(lake.scan(ITEMS_TABLE)), cutoff)


def described(items: pl.LazyFrame) -> pl.LazyFrame:
    """`items` with all columns of the contract, also where an earlier version wrote their table."""
    there, wanted = items.collect_schema(), items_schema("string")
    absent = [name for name in LATER_COLUMNS[ITEMS_TABLE] if name not in there]
    return items.with_columns(pl.lit(None, wanted[name]).alias(name) for name in absent).select(
        *(name for name in wanted if name in {*there, *absent})
    )


def gone_at(lake: Lake, cutoff: date) -> pl.LazyFrame:
    """`item_id`, `gone_from`: what was known before the day `cutoff` to be gone (`models.availability.gone`).

    Raises:
        TableMissing: no items were written yet.
    """
    past = pl.col(DAY) < cutoff
    days = lake.scan(CATALOGUE_DAYS_TABLE).filter(past) if lake.exists(CATALOGUE_DAYS_TABLE) else None
    return gone(lake.scan(ITEMS_TABLE).filter(past), days)


def known_at(items: pl.LazyFrame, cutoff: date) -> pl.LazyFrame:
    """Every item as it was described before the day `cutoff`; of an item that is newer, its first row.

    An item can be recommended on the day it comes, but nobody knew before how it would be described later. So a row of
    `cutoff` or a later day changes nothing of an item that was known before, nor when it became available.

    Args:
        items: `item_id`, `day`, `available_from` and more; several rows per item.
        cutoff: First day that training does not see.
    """
    known = (pl.col(DAY) < cutoff) | (pl.col(DAY) == pl.col(DAY).min().over(ITEM_ID))
    return with_availability(items.filter(known))
