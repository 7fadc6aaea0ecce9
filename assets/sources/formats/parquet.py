"""Parquet files, read lazily with the types they have."""

from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from assets.sources.source import SourceError, because
from models.columns import MALFORMED, SOURCE_FILE, SOURCE_ROW


def parquet_columns(path: Path) -> list[str]:
    """Column names, from the footer alone.

    Raises:
        SourceError: the file has no valid footer, as when it was cut off.
    """
    try:
        return list(pl.read_parquet_schema(path))
    except (PolarsError, OSError) as error:
        raise SourceError(f"{path} is no complete Parquet file ({because(error)}): write it again") from error


def scan_parquet(path: str | Path) -> pl.LazyFrame:
    """The file's columns, `source_file`, `source_row` and a `malformed` that is always null."""
    return (
        pl.scan_parquet(path, glob=False)
        .with_row_index(SOURCE_ROW)
        .with_columns(
            pl.col(SOURCE_ROW).cast(pl.Int64),
            pl.lit(str(path)).alias(SOURCE_FILE),
            pl.lit(None, dtype=pl.String).alias(MALFORMED),
        )
    )
