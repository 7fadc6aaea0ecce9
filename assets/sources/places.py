"""The place of each event in the order of its user, for a log that holds neither times nor places: that of its row."""

from collections.abc import Iterator, Sequence
from functools import partial

import polars as pl

from assets.batches import batches
from assets.sources.formats.streamed import streamed
from models.columns import TIMESTAMP, USER_ID

ROWS_AT_ONCE = 262_144
BEFORE = "_before"


def placed(frames: Sequence[pl.LazyFrame]) -> list[pl.LazyFrame]:
    """`frames`, one after another, with the time of each row: how many rows of its user stand before it.

    Memory is that of all users.
    """
    return [_placed(frame, frames[:number]) for number, frame in enumerate(frames)]


def _placed(rows: pl.LazyFrame, earlier: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    schema = dict(rows.collect_schema()) | {TIMESTAMP: pl.Int64()}
    return streamed(partial(_numbered, rows, earlier), schema)


def _numbered(rows: pl.LazyFrame, earlier: Sequence[pl.LazyFrame]) -> Iterator[pl.DataFrame]:
    user = pl.col(USER_ID).cast(pl.String)
    counts = pl.DataFrame(schema={USER_ID: pl.String, BEFORE: pl.Int64})
    for frame in earlier:
        counts = _added(counts, frame.select(user).group_by(USER_ID).agg(pl.len().alias(BEFORE)).collect())
    for batch in batches(rows, ROWS_AT_ONCE):
        users = batch.select(user)
        before = users.join(counts, on=USER_ID, how="left", nulls_equal=True, maintain_order="left")[BEFORE]
        within = users.select(pl.int_range(pl.len()).over(USER_ID)).to_series()
        yield batch.with_columns((before.fill_null(0) + within).cast(pl.Int64).alias(TIMESTAMP))
        counts = _added(counts, users.group_by(USER_ID).agg(pl.len().alias(BEFORE)))


def _added(counts: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    both = pl.concat([counts, more.with_columns(pl.col(BEFORE).cast(pl.Int64))])
    return both.group_by(USER_ID).agg(pl.col(BEFORE).sum())
