"""Parquet and Arrow files by their names as they are: Polars itself takes a path for a pattern and hive partitions."""

from pathlib import Path
from typing import Any

import polars as pl


def scan_parquet(files: str | Path | list[Path], **options: Any) -> pl.LazyFrame:
    """`polars.scan_parquet` of the files of these very names, in the columns that they hold."""
    return pl.scan_parquet(files, glob=False, hive_partitioning=False, **options)


def read_parquet(file: str | Path) -> pl.DataFrame:
    """`polars.read_parquet` of the file of this very name, in the columns that it holds."""
    return pl.read_parquet(file, glob=False, hive_partitioning=False)


def scan_arrow(file: str | Path) -> pl.LazyFrame:
    """`polars.scan_ipc` of the file of this very name."""
    return pl.scan_ipc(file, glob=False, hive_partitioning=False)
