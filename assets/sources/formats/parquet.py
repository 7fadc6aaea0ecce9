"""Parquet files, read lazily with the types they have; Arrow reads those with types that Polars does not know."""

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from polars.exceptions import PolarsError

from assets.sources.formats.arrow_types import converted, readable, stops_polars
from assets.sources.formats.streamed import streamed
from assets.sources.source import SourceError, because
from models.columns import MALFORMED, SOURCE_FILE, SOURCE_ROW
from storage import literal_paths

ADDED: dict[str, pl.DataType] = {SOURCE_ROW: pl.Int64(), MALFORMED: pl.String()}

ROWS_AT_ONCE = 65_536
"""Of a file that Arrow reads."""

FOLDED_ROWS = 256
"""Rows with lists that are unfolded at once, because each may become thousands."""


def parquet_columns(path: Path) -> list[str]:
    """Column names, from the footer alone.

    Raises:
        SourceError: the file has no valid footer, as when it was cut off.
    """
    return _schema(path).names


def scan_parquet(path: str | Path, columns: Collection[str] | None = None) -> pl.LazyFrame:
    """The file's columns, `source_file`, `source_row` and a `malformed` that is always null.

    Args:
        columns: Those that are wanted, be they there or not; None: all.

    Raises:
        SourceError: the file has no valid footer.
    """
    types = {field.name: field.type for field in _schema(Path(path))}
    wanted = {name: readable(types[name]) for name in types if columns is None or name in columns}
    if any(dtype != readable(dtype) and (name in wanted or stops_polars(dtype)) for name, dtype in types.items()):
        schema = pl.DataFrame(pa.schema(list(wanted.items())).empty_table()).schema
        rows = streamed(partial(_translated, Path(path), wanted), schema | ADDED)
    else:
        numbered = literal_paths.scan_parquet(path).select(*wanted).with_row_index(SOURCE_ROW)
        rows = numbered.with_columns(pl.col(SOURCE_ROW).cast(pl.Int64), pl.lit(None, pl.String).alias(MALFORMED))
    return rows.with_columns(pl.lit(str(path)).alias(SOURCE_FILE))


def _schema(path: Path) -> pa.Schema:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError(f"{path} is no complete Parquet file ({because(error)}): write it again") from error
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise SourceError(f"{path} has the column {twice[0]!r} twice: rename one of them")
    return schema


def _translated(path: Path, types: dict[str, pa.DataType]) -> Iterator[pl.DataFrame]:
    """All rows, in columns of `types`."""
    row = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches(ROWS_AT_ONCE, columns=list(types)):
            values = pl.DataFrame(pa.table({name: converted(batch[name], dtype) for name, dtype in types.items()}))
            numbers = pl.int_range(row, row + batch.num_rows, dtype=pl.Int64, eager=True).alias(SOURCE_ROW)
            row += batch.num_rows
            yield values.with_columns(numbers, pl.lit(None, pl.String).alias(MALFORMED))
    except (PolarsError, OSError, pa.ArrowException, ValueError) as error:
        raise SourceError(f"{path} is damaged after row {row} ({because(error)}): write it again") from error


def unfolded_parquet(path: Path, columns: Collection[str]) -> pl.LazyFrame:
    """Those of `columns` that the file has, a row per element of the lists among them; else as `scan_parquet`.

    The lists of a row are equally long, and a row with empty ones gives none. Polars would unfold as many rows at once
    as it reads flat ones, and hold a thousand times as much.

    Raises:
        SourceError: while rows are collected: the lists of a row differ in length, or the file is damaged.
    """
    there = {
        name: dtype for name, dtype in literal_paths.scan_parquet(path).collect_schema().items() if name in columns
    }
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
    except (PolarsError, OSError, pa.ArrowException, ValueError) as error:
        raise SourceError(f"{path} is damaged after row {row} ({because(error)}): fetch it again") from error
