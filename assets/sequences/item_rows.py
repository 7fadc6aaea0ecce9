"""Which row stands for an item, in the sequences and in models: a table that only grows, so no id changes its row."""

from contextlib import suppress

import polars as pl
from deltalake.exceptions import CommitFailedError

from models.columns import AVAILABLE_FROM, DAY, ITEM_ID, ROW
from storage.lake import COMMIT_ATTEMPTS, Lake
from storage.schema import ITEMS_TABLE
from storage.sequence_store import ITEM_ROWS_TABLE


def catalogue_with_rows(lake: Lake, version: int | None = None) -> pl.DataFrame:
    """`item_id`, and the `day` from which it can be shown, of every row of the table `items`; each has a row now.

    Models name items by their rows, and recommend those, too, that nobody has chosen yet.
    """
    shown_from = pl.max_horizontal(DAY, pl.col(AVAILABLE_FROM).dt.date())
    catalogue = lake.scan(ITEMS_TABLE, version).select(ITEM_ID, shown_from.alias(DAY)).collect()
    extend_item_rows(lake, catalogue.lazy())
    return catalogue


def extend_item_rows(lake: Lake, items: pl.LazyFrame) -> pl.DataFrame:
    """Gives a row to every item that has none; returns the whole table: `item_id`, `row` (1, 2, ...).

    New items are numbered by the day on which they first come, then by id, so one pass over many days numbers them as
    one pass a day would.

    Args:
        items: `item_id`, `day`: events, or rows of the catalogue.
    """
    ids = items.collect_schema()[ITEM_ID]
    for _ in range(COMMIT_ATTEMPTS):
        version = lake.version(ITEM_ROWS_TABLE) if lake.exists(ITEM_ROWS_TABLE) else None
        there = read_item_rows(lake, ids, version)
        fresh = (
            items.group_by(ITEM_ID)
            .agg(pl.col(DAY).min())
            .join(there.lazy(), on=ITEM_ID, how="anti")
            .sort(DAY, ITEM_ID)
            .collect(engine="streaming")
        )
        if fresh.is_empty() and version is not None:
            return there
        rows = pl.int_range(there.height + 1, there.height + 1 + pl.len(), dtype=pl.Int32)
        numbered = fresh.select(ITEM_ID, rows.alias(ROW))
        # Another run may have numbered items meanwhile; then these numbers are taken.
        with suppress(CommitFailedError):
            lake.append(ITEM_ROWS_TABLE, numbered, after=version)
            return pl.concat([there, numbered])
    raise RuntimeError(f"other runs kept adding to table '{ITEM_ROWS_TABLE}': run again when they are done")


def read_item_rows(lake: Lake, ids: pl.DataType, version: int | None = None) -> pl.DataFrame:
    """`item_id` of the type `ids`, `row`, in order of the rows; empty before the first."""
    if not lake.exists(ITEM_ROWS_TABLE):
        return pl.DataFrame(schema={ITEM_ID: ids, ROW: pl.Int32})
    return lake.scan(ITEM_ROWS_TABLE, version).select(ITEM_ID, ROW).sort(ROW).collect()
