"""Raw rows as they are judged: with what a person corrected, and without who was forgotten."""

from collections.abc import Callable, Sequence
from datetime import date

import polars as pl

from assets.quality.corrections import read_corrections
from assets.quality.suppressions import nobody, read_suppressions
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, IdType


def amended(
    raw: Sequence[pl.LazyFrame], lake: Lake, origin: str, days: Sequence[date], id_type: IdType
) -> Sequence[pl.LazyFrame]:
    """`raw` of `days` as `Source.read` gives it, in its order, batch by batch as before."""
    corrections = read_corrections(lake, origin, days)
    forgotten = read_suppressions(lake, id_type) if origin == EVENTS_TABLE else nobody(id_type)
    if corrections.cells.is_empty() and forgotten.empty:
        return raw

    def mended(rows: pl.DataFrame) -> pl.DataFrame:
        return forgotten.without(corrections.applied(forgotten.without(rows)))

    return [changed(_with_columns(frame, corrections.columns), mended) for frame in raw]


def _with_columns(frame: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    there = frame.collect_schema()
    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in names if name not in there)


def changed(frame: pl.LazyFrame, change: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.LazyFrame:
    """`frame` with `change`, which keeps the columns and judges each row by itself, done to every batch of it."""
    return frame.map_batches(
        change,
        predicate_pushdown=False,
        projection_pushdown=False,
        slice_pushdown=False,
        validate_output_schema=False,
        streamable=True,
    )
