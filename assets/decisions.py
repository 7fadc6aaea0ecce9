"""Raw rows with people's decisions applied: cells that were corrected, users who were forgotten."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from assets.batches import map_rows
from assets.privacy.suppressions import nobody, read_suppressions
from assets.validation.corrections import read_corrections
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, IdType


def apply_decisions(
    raw: Sequence[pl.LazyFrame], lake: Lake, origin: str, days: Sequence[date], id_type: IdType
) -> Sequence[pl.LazyFrame]:
    """`raw` of `days`, as `Source.read` gives it, with corrected cells and without rows of forgotten users."""
    corrections = read_corrections(lake, origin, days)
    forgotten = read_suppressions(lake, id_type) if origin == EVENTS_TABLE else nobody(id_type)
    if corrections.cells.is_empty() and forgotten.empty:
        return raw

    def decided(rows: pl.DataFrame) -> pl.DataFrame:
        return forgotten.without(corrections.applied(forgotten.without(rows)))

    return [map_rows(_with_columns(frame, corrections.columns), decided) for frame in raw]


def _with_columns(frame: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    there = frame.collect_schema()
    return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in names if name not in there)
