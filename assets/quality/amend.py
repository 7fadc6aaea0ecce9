"""Raw rows as they are judged: with what a person corrected, and without who was forgotten."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from assets.lake import Lake
from assets.quality.corrections import read_corrections
from assets.quality.suppressions import nobody, read_suppressions
from assets.schema import EVENTS_TABLE, IdType


def amended(raw: pl.LazyFrame, lake: Lake, origin: str, days: Sequence[date], id_type: IdType) -> pl.LazyFrame:
    """`raw` of `days` as `Source.read` gives it, in its order, batch by batch as before."""
    corrections = read_corrections(lake, origin, days)
    forgotten = read_suppressions(lake, id_type) if origin == EVENTS_TABLE else nobody(id_type)
    if corrections.cells.is_empty() and forgotten.empty:
        return raw
    there = raw.collect_schema()
    raw = raw.with_columns(pl.lit(None, pl.String).alias(name) for name in corrections.columns if name not in there)
    return raw.map_batches(
        lambda rows: forgotten.without(corrections.applied(forgotten.without(rows))),
        predicate_pushdown=False,
        projection_pushdown=False,
        slice_pushdown=False,
        validate_output_schema=False,
        streamable=True,
    )
