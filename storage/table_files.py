"""The data files of a table one by one: their rows, and what their paths say."""

from pathlib import Path

import polars as pl

from storage.lake import Lake, restored
from storage.literal_paths import scan_parquet

PATH = "path"
"""Column of `Lake.files`: the path of a file below the table's folder."""


def read_file(lake: Lake, table: str, path: str, like: pl.DataFrame) -> pl.LazyFrame:
    """One file of a table in the columns of `like`: what it got later as nulls, its partition's values as text."""
    rows = restored(scan_parquet(f"{lake.uri(table)}/{path}", storage_options=lake.options))
    values = [pl.lit(value).alias(name) for name, value in partition_of(path).items()]
    there = [*rows.collect_schema(), *partition_of(path)]
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in like.schema.items() if name not in there]
    return rows.with_columns(*values, *absent).select(like.columns)


def partition_of(path: str) -> dict[str, str]:
    """The values of the partition columns of a file."""
    return dict(part.split("=", 1) for part in path.split("/")[:-1])


def part_of(path: str) -> int:
    """The place of a file among those of its partition."""
    number = Path(path).name.split("-")[1]
    return int(number) if number.isdecimal() else 0
