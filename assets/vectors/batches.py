"""Which batches of vectors there are: what the tables' partitions say, without reading a row."""

import shutil
from collections.abc import Sequence

import polars as pl

from models.columns import BATCH, SPACE, VERSION
from storage.lake import Lake
from storage.schema import ITEM_VECTORS_TABLE, REMOVE, USER_VECTORS_TABLE, VECTORS_KEPT_BY

NONE = pl.DataFrame(schema={name: pl.String for name in VECTORS_KEPT_BY})


def batches_in(lake: Lake, table: str) -> pl.DataFrame:
    """`space`, `version`, `batch` of those in one table, oldest first; none where an earlier program wrote it."""
    if not lake.exists(table) or not _is_kept_by_batch(lake, table):
        return NONE
    found = lake.files(table).select(pl.col(f"partition.{name}").alias(name) for name in VECTORS_KEPT_BY)
    return found.unique().sort(BATCH, SPACE)


def remove_former(lake: Lake, table: str) -> None:
    """Takes away a table of an earlier version of this program, which held one batch, and that in no space.

    Raises:
        ValueError: it is in an object store.
    """
    if not lake.exists(table) or _is_kept_by_batch(lake, table):
        return
    if not lake.is_local:
        raise ValueError(f"table {table!r} holds vectors without a space: {REMOVE.format(lake.uri(table))}")
    shutil.rmtree(lake.uri(table))


def _is_kept_by_batch(lake: Lake, table: str) -> bool:
    return tuple(lake.delta(table).metadata().partition_columns) == VECTORS_KEPT_BY


def complete_batches(lake: Lake) -> pl.DataFrame:
    """Those of which users and items are there: items come last."""
    return batches_in(lake, ITEM_VECTORS_TABLE)


def newest_batch(lake: Lake, version: str) -> str | None:
    """The newest complete batch of a version."""
    found = complete_batches(lake).filter(pl.col(VERSION) == version)[BATCH]
    return None if found.is_empty() else str(found.max())


def batches_to_drop(lake: Lake, table: str, keep: int) -> Sequence[str]:
    """All but the newest `keep` complete ones; what a killed run left is none of these."""
    kept = complete_batches(lake)[BATCH].unique().sort().tail(keep) if keep else pl.Series(dtype=pl.String)
    there = batches_in(lake, table)[BATCH].unique().sort()
    return there.filter(~there.is_in(kept.to_list())).to_list()


TABLES = (USER_VECTORS_TABLE, ITEM_VECTORS_TABLE)
"""In the order in which they are written."""
