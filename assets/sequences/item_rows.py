"""Which row stands for an item in the sequences: a table that only ever grows, so an id never changes its row."""

from contextlib import suppress

import polars as pl
from deltalake.exceptions import CommitFailedError

from models.columns import DAY, ITEM_ID, ROW
from storage.lake import COMMIT_ATTEMPTS, Lake
from storage.schema import ID_DTYPES, IdType
from storage.sequence_store import ITEM_ROWS_TABLE


def extend_item_rows(lake: Lake, events: pl.LazyFrame, id_type: IdType) -> pl.DataFrame:
    """Gives a row to every item of `events` that has none; returns the whole table: `item_id`, `row` (1, 2, ...).

    New items are numbered by the day of their first event, then by id, so one pass over many days numbers them as one
    pass a day would.
    """
    for _ in range(COMMIT_ATTEMPTS):
        version = lake.version(ITEM_ROWS_TABLE) if lake.exists(ITEM_ROWS_TABLE) else None
        there = read_item_rows(lake, id_type, version)
        fresh = (
            events.group_by(ITEM_ID)
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


def read_item_rows(lake: Lake, id_type: IdType, version: int | None = None) -> pl.DataFrame:
    """`item_id`, `row`, in order of the rows; empty before the first."""
    if not lake.exists(ITEM_ROWS_TABLE):
        return pl.DataFrame(schema={ITEM_ID: ID_DTYPES[id_type], ROW: pl.Int32})
    return lake.scan(ITEM_ROWS_TABLE, version).select(ITEM_ID, ROW).sort(ROW).collect()
