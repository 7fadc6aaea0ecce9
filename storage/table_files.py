"""The data files of a table one by one: their rows, and what their paths say."""

from pathlib import Path

import polars as pl

from storage.lake import Lake, restored
from storage.literal_paths import scan_parquet

PATH = "path"
"""Column of `Lake.files`: the path of a file below the table's folder."""


def read_file(lake: Lake, table: str, path: str, like: pl.DataFrame) -> pl.LazyFrame:
    """One file of a table, in the columns of `like`; those of the partition, which it does not hold, as text."""
    rows = scan_parquet(f"{lake.uri(table)}/{path}", storage_options=lake.options)
    values = [pl.lit(value).alias(name) for name, value in partition_of(path).items()]
    return restored(rows).with_columns(values).select(like.columns)


def partition_of(path: str) -> dict[str, str]:
    """The values of the partition columns of a file."""
    return dict(part.split("=", 1) for part in path.split("/")[:-1])


def part_of(path: str) -> int:
    """The place of a file among those of its partition."""
    number = Path(path).name.split("-")[1]
    return int(number) if number.isdecimal() else 0
