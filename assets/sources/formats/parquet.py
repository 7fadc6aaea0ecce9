"""Parquet files, read lazily with the types they have."""

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from polars.exceptions import PanicException, PolarsError

from assets.sources.formats.streamed import streamed
from assets.sources.source import SourceError, because
from models import files
from models.columns import MALFORMED, SOURCE_FILE, SOURCE_ROW

ADDED: dict[str, pl.DataType] = {SOURCE_ROW: pl.Int64(), MALFORMED: pl.String()}

FOLDED_ROWS = 256
"""Rows with lists that are unfolded at once, because each may become thousands."""


def parquet_columns(path: Path) -> list[str]:
    """Column names, from the footer alone.

    Raises:
        SourceError: the file has no valid footer, as when it was cut off.
    """
    try:
        return files.scan_parquet(path).collect_schema().names()
    except (PolarsError, PanicException, OSError) as error:
        raise SourceError(f"{path} is no complete Parquet file ({because(error)}): write it again") from error


def scan_parquet(path: str | Path) -> pl.LazyFrame:
    """The file's columns, `source_file`, `source_row` and a `malformed` that is always null."""
    return (
        files.scan_parquet(path)
        .with_row_index(SOURCE_ROW)
        .with_columns(
            pl.col(SOURCE_ROW).cast(pl.Int64),
            pl.lit(str(path)).alias(SOURCE_FILE),
            pl.lit(None, dtype=pl.String).alias(MALFORMED),
        )
    )


def unfolded_parquet(path: Path, columns: Collection[str]) -> pl.LazyFrame:
    """Those of `columns` that the file has, a row per element of the lists among them; else as `scan_parquet`.

    The lists of a row are equally long, and a row with empty ones gives none. Polars would unfold as many rows at once
    as it reads flat ones, and hold a thousand times as much.

    Raises:
        SourceError: while rows are collected: the lists of a row differ in length, or the file is damaged.
    """
    there = {name: dtype for name, dtype in files.scan_parquet(path).collect_schema().items() if name in columns}
    lists = [name for name, dtype in there.items() if isinstance(dtype, pl.List)]
    read = partial(_unfolded, path, list(there), lists)
    return streamed(read, pl.DataFrame(schema=there).explode(lists).schema | ADDED)


def _unfolded(path: Path, columns: list[str], lists: list[str]) -> Iterator[pl.DataFrame]:
    row = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches(FOLDED_ROWS, columns=columns):
            rows = pl.DataFrame(batch).with_row_index(SOURCE_ROW, offset=row)
            row += rows.height
            yield rows.explode(lists).select(
                *columns, pl.col(SOURCE_ROW).cast(pl.Int64), pl.lit(None, pl.String).alias(MALFORMED)
            )
    except (PolarsError, OSError, pa.ArrowException) as error:
        raise SourceError(f"{path} is damaged after row {row} ({because(error)}): fetch it again") from error
