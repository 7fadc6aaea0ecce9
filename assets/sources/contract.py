"""Rows of somebody's own files under the contract's column names, each with the day it belongs to."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from assets.quality.casts import as_epoch_ms
from assets.sources.files_settings import ItemFiles, TableFiles
from models.columns import CATEGORIES, DAY, IMAGE, MALFORMED, SOURCE_FILE, SOURCE_ROW

EARLIEST = datetime(1995, 1, 1, tzinfo=UTC)
"""A time before this one is no time of a log but a number in the wrong unit."""


def in_contract(rows: pl.LazyFrame, files: TableFiles, path: Path) -> pl.LazyFrame:
    """`rows` of the file `path` with contract columns only; constants stand in for, or overrule, the file's columns."""
    there = rows.collect_schema()
    named = {name: pl.col(files.column(name)) for name in files.contract if files.column(name) in there}
    named |= {name: pl.lit(value) for name, value in files.constants.items()}
    frame = rows.select(
        *(column.alias(name) for name, column in named.items()),
        SOURCE_ROW,
        MALFORMED,
        pl.lit(str(path)).alias(SOURCE_FILE),
    )
    return _item_columns(frame, files, path.parent) if isinstance(files, ItemFiles) else frame


def with_day(rows: pl.LazyFrame, files: TableFiles, first_requested: date, first_day: date) -> pl.LazyFrame:
    """`rows` with the UTC day of their time.

    Args:
        rows: In contract columns.
        files: Names the time column and its unit.
        first_requested: Day of the rows whose time is missing, unreadable or implausible.
        first_day: Day of the items that were available before it; events before it keep their own day.
    """
    dtype = rows.collect_schema().get(files.time)
    if dtype is None:
        return rows.with_columns(pl.lit(first_requested).alias(DAY))
    moment = pl.from_epoch(as_epoch_ms(files.time, dtype, files.timestamp_unit), "ms")
    if isinstance(files, ItemFiles):
        earliest = pl.lit(first_day).cast(pl.Datetime("ms"))
        moment = pl.when(moment < earliest).then(earliest).otherwise(moment)
    latest = datetime.now(UTC) + timedelta(days=1)
    plausible = moment.is_between(EARLIEST.replace(tzinfo=None), latest.replace(tzinfo=None))
    return rows.with_columns(pl.when(plausible).then(moment.dt.date()).fill_null(first_requested).alias(DAY))


def _item_columns(rows: pl.LazyFrame, files: ItemFiles, folder: Path) -> pl.LazyFrame:
    schema = rows.collect_schema()
    changes = []
    if schema.get(CATEGORIES) == pl.String:
        changes.append(_category_list(pl.col(CATEGORIES), files.category_delimiter))
    if schema.get(IMAGE) == pl.String:
        path = pl.col(IMAGE)
        relative = ~(path.str.starts_with("/") | path.str.contains("://", literal=True))
        changes.append(pl.when(relative).then(pl.lit(f"{folder}/") + path).otherwise(path).alias(IMAGE))
    return rows.with_columns(changes)


def _category_list(text: pl.Expr, delimiter: str) -> pl.Expr:
    """A JSON list or delimited text as a list; blanks around a category and empty ones are left out."""
    inner = text.str.strip_chars().str.replace(r"^\[(.*)\]$", "${1}")
    listed = inner.str.extract_all(r'"(?:[^"\\]|\\.)*"').list.eval(pl.element().str.strip_chars('"'))
    split = text.str.split(delimiter).list.eval(pl.element().str.strip_chars())
    chosen = pl.when(text.str.contains(r'^\s*\[\s*(".*")?\s*\]\s*$')).then(listed).otherwise(split)
    return chosen.list.eval(pl.element().filter(pl.element() != "")).alias(CATEGORIES)
