"""A small shop that shows items: every user sees some each day, clicks on the even ones, and plays every fourth."""

from collections.abc import Sequence

import polars as pl

from models.columns import DAY, ITEM_ID
from storage.lake import Lake
from storage.schema import ITEMS_TABLE, items_schema
from tests.assets.sequences.test_build import FIRST, events, put, update

USERS = [f"u{n:02}" for n in range(24)]
ITEMS = 12
DAY_SECONDS, HOUR = 86_400, 3_600


def shown(day: int, users: Sequence[str] = USERS, each: int = 8) -> pl.DataFrame:
    """One item an hour for each user."""
    rows = []
    for n, user in enumerate(users):
        for k in range(each):
            item, at = (5 * n + 7 * k + 3 * day) % ITEMS, DAY_SECONDS * day + HOUR * (k + 1) + n
            done = ["impression", *(["click"] if item % 2 == 0 else []), *(["play"] if item % 4 == 0 else [])]
            rows += [
                (user, f"i{item:02}", at + place, action, None, "home", f"r{day}-{k}", place)
                for place, action in enumerate(done)
            ]
    return events(rows, day)


def write_shop(lake: Lake, days: int = 3) -> None:
    """The events of so many days, their sequences, and the catalogue with one item that nobody ever saw."""
    for day in range(days):
        put(lake, shown(day), day)
    update(lake)
    write_catalogue(lake)


def write_catalogue(lake: Lake) -> None:
    """All items of the shop, and one that nobody ever saw."""
    schema = items_schema("string")
    catalogue = pl.DataFrame({ITEM_ID: [f"i{item:02}" for item in range(ITEMS + 1)]}).with_columns(
        pl.lit(FIRST).alias(DAY)
    )
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in catalogue.columns]
    lake.overwrite(ITEMS_TABLE, catalogue.with_columns(missing).select(pl.col(n).cast(t) for n, t in schema.items()))
