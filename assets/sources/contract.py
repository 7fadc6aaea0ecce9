"""Rows of a user's own files under the contract's column names, each with the day it belongs to."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import polars.selectors as cs

from assets.sources.files_settings import ItemFilesSettings, TableFilesSettings
from assets.sources.formats.json_lists import listed
from assets.sources.formats.json_types import REFUSED, Column, Kind
from assets.sources.formats.numbers import bare, with_point
from assets.sources.source import SourceError
from assets.validation.casts import given_number
from assets.validation.times import NUMERIC, as_epoch_ms
from models.columns import (
    ACTION,
    CATEGORIES,
    DAY,
    DESCRIPTION,
    IMAGE,
    ITEM_ID,
    MALFORMED,
    MISTYPED,
    NUMBERS,
    REQUEST_ID,
    SOURCE_FILE,
    SOURCE_ROW,
    SURFACE,
    TAGS,
    TITLE,
    UNDATED,
    USER_ID,
    VALUE,
)

JSON_LIST = r'(?s)^\s*\[\s*([\["].*["\]])?\s*\]\s*$'
"""Text that holds a JSON list of strings or of such lists."""

KINDS: dict[str, Kind] = {
    USER_ID: "id",
    ITEM_ID: "id",
    ACTION: "text",
    VALUE: "number",
    SURFACE: "text",
    REQUEST_ID: "text",
    TITLE: "text",
    DESCRIPTION: "texts",
    CATEGORIES: "texts",
    IMAGE: "text",
}
"""Of columns that take no value of any type of JSON, although all come as text."""

DECLARED_KINDS: dict[str, Kind] = {"category": "text", "number": "number"}

EARLIEST = datetime(1995, 1, 1, tzinfo=UTC)
"""A time before this one is no time of a log but a number in the wrong unit."""


def typed_columns(files: TableFilesSettings) -> list[Column]:
    """The columns that are read from the values of a file and do not take those of any type."""
    declared = DECLARED_KINDS | ({"category": "texts"} if isinstance(files, ItemFilesSettings) else {})
    kinds = KINDS | {name: declared[column.type] for name, column in files.declared.items()}
    names = [name for name in files.names if name in kinds and name not in files.constants]
    return [Column(name, files.column(name), kinds[name]) for name in names]


def in_contract(rows: pl.LazyFrame, files: TableFilesSettings, path: Path) -> pl.LazyFrame:
    """`rows` of the file `path` under the platform's names; constants stand in for, or overrule, the file's columns."""
    there = rows.with_columns((cs.categorical() | cs.enum()).cast(pl.String))
    columns = there.collect_schema()
    named = {name: pl.col(files.column(name)) for name in files.names if files.column(name) in columns}
    if files.timestamp_columns:
        parts = [pl.col(column).cast(pl.String).str.strip_chars() for column in files.timestamp_columns]
        named[files.time] = pl.concat_str(parts, separator=" ")
    named |= {name: pl.lit(value) for name, value in files.constants.items()}
    frame = there.select(
        *(column.alias(name) for name, column in named.items()),
        SOURCE_ROW,
        MALFORMED,
        *(pl.col(name).alias(MISTYPED) for name in [REFUSED] if name in columns),
        pl.lit(str(path)).alias(SOURCE_FILE),
    )
    if isinstance(files, ItemFilesSettings):
        schema = frame.collect_schema()
        texts = [name for name in files.numbers if schema.get(name) == pl.String]
        frame = frame.with_columns(bare(pl.col(name), files.decimal).alias(name) for name in texts)
    if files.decimal == ",":
        frame = _with_points(frame, files)
    return _item_columns(frame, files, path.parent) if isinstance(files, ItemFilesSettings) else frame


def _with_points(rows: pl.LazyFrame, files: TableFilesSettings) -> pl.LazyFrame:
    """`rows` whose numbers in text have a point for the decimal comma; columns where one is no number are named."""
    schema = rows.collect_schema()
    numbers = [VALUE, *(name for name, column in files.declared.items() if column.type == "number")]
    if files.timestamp_format is None and files.timestamp_unit in NUMERIC:
        numbers.append(files.time)
    texts = [name for name in numbers if schema.get(name) == pl.String and name not in files.constants]
    refused = [
        pl.when(given_number(name, pl.String()) & with_point(pl.col(name)).is_null()).then(pl.lit(name))
        for name in texts
    ]
    before = [pl.col(MISTYPED)] if MISTYPED in schema else []
    named = pl.concat_str(*before, *refused, separator=", ", ignore_nulls=True)
    return rows.with_columns(
        *(pl.coalesce(with_point(pl.col(name)), name).alias(name) for name in texts),
        *([pl.when(named != "").then(named).alias(MISTYPED)] if texts else []),
    )


def with_day(rows: pl.LazyFrame, files: TableFilesSettings, first_requested: date, first_day: date) -> pl.LazyFrame:
    """`rows` with the day that they tell of: the UTC day of their time, or, where they list the catalogue, of the run.

    What a catalogue lists is there on the first day of the run that reads it, whenever it came: else the items of one
    day would seem to be missing on the next. An older row of the same item, or one that follows, keeps its own day.

    Args:
        rows: In contract columns.
        files: Names the time column and its unit.
        first_requested: First day of the run, and day of the rows whose time is missing, unreadable or implausible; of
            items only where the catalogue was not published once for all.
        first_day: Day of the items that were available before it; events before it keep their own day.
    """
    dtype = rows.collect_schema().get(files.time)
    undated = first_day if isinstance(files, ItemFilesSettings) and files.once else first_requested
    if dtype is None:
        return rows.with_columns(pl.lit(undated).alias(DAY), pl.lit(True).alias(UNDATED))
    moment = pl.from_epoch(as_epoch_ms(files.time, dtype, files.unit(first_day)), "ms")
    if not isinstance(files, ItemFilesSettings):
        return dated(rows, moment, undated)
    earliest = pl.lit(first_day).cast(pl.Datetime("ms"))
    moment = pl.when(moment < earliest).then(earliest).otherwise(moment)
    items = dated(rows, moment, undated)
    return items if files.only_changes else items.with_columns(_listed_on(first_requested).alias(DAY))


def _listed_on(first: date) -> pl.Expr:
    """The day of each row, `first` for the one that describes its item then: the newest so far, else the first."""
    day = pl.col(DAY)
    newest = pl.when(day <= first).then(day).max().over(ITEM_ID)
    then = pl.coalesce(newest, day.min().over(ITEM_ID))
    return pl.when(pl.col(ITEM_ID).is_null() | (day == then)).then(pl.lit(first)).otherwise(day)


def dated(rows: pl.LazyFrame, moment: pl.Expr, undated: date) -> pl.LazyFrame:
    """`rows` with the UTC day of `moment`, `undated` where there is none or an implausible one, and which those are."""
    latest = datetime.now(UTC) + timedelta(days=1)
    plausible = moment.is_between(EARLIEST.replace(tzinfo=None), latest.replace(tzinfo=None))
    own = pl.when(plausible).then(moment.dt.date())
    return rows.with_columns(own.fill_null(undated).alias(DAY), own.is_null().alias(UNDATED))


def _item_columns(rows: pl.LazyFrame, files: ItemFilesSettings, folder: Path) -> pl.LazyFrame:
    schema = rows.collect_schema()
    changes = []
    if schema.get(CATEGORIES) == pl.String:
        changes.append(_category_list(pl.col(CATEGORIES), files.category_delimiter).alias(CATEGORIES))
    if schema.get(IMAGE) == pl.String:
        path = pl.col(IMAGE)
        relative = ~(path.str.starts_with("/") | path.str.contains("://", literal=True))
        placed = pl.when(relative).then(pl.lit(f"{folder}/") + path).otherwise(path)
        changes.append(pl.when(path.str.strip_chars() != "").then(placed).alias(IMAGE))
    described = schema.get(DESCRIPTION)
    if isinstance(described, pl.List) and not described.inner.is_nested():
        changes.append(pl.col(DESCRIPTION).cast(pl.List(pl.String)).list.join("\n"))
    elif described == pl.String:
        changes.append(_joined(pl.col(DESCRIPTION)).alias(DESCRIPTION))
    if tags := [tag_list(name, schema[name], files.category_delimiter) for name in files.tags if name in schema]:
        changes.append(pl.concat_list(tags).alias(TAGS))
    if numbers := [name for name in files.numbers if name in schema]:
        changes.append(pl.struct(numbers).alias(NUMBERS))
    made = {TAGS if tags else None, NUMBERS if numbers else None}
    return rows.with_columns(changes).drop({*files.tags, *files.numbers} - made, strict=False)


def tag_list(column: str, dtype: pl.DataType, delimiter: str) -> pl.Expr:
    """The tags that the values of a column come to: each name with what it is of, such as `director=Agnès Varda`."""
    if dtype.is_nested() and (isinstance(dtype, pl.Struct) or dtype.inner.is_nested()):  # type: ignore[attr-defined]
        raise SourceError(f"{column!r} among tags holds lists of lists, or objects: name one of texts or lists of such")
    if isinstance(dtype, pl.List | pl.Array):
        names = pl.col(column).cast(pl.List(pl.String), strict=False).list.eval(pl.element().str.strip_chars())
    else:
        names = _category_list(pl.col(column).cast(pl.String), delimiter)
    return tagged(names, column)


def tagged(names: pl.Expr, column: str) -> pl.Expr:
    """Lists of names as tags of a column, each once; empty names and missing lists give none."""
    there = names.fill_null([]).list.eval(pl.element().filter((pl.element() != "").fill_null(False)))
    return there.list.unique(maintain_order=True).list.eval(pl.lit(f"{column}=") + pl.element())


def _category_list(text: pl.Expr, delimiter: str) -> pl.Expr:
    """A JSON list or delimited text as a list; blanks around a category and empty ones are left out."""
    split = text.str.split(delimiter)
    stripped = pl.coalesce(listed(text), split).list.eval(pl.element().str.strip_chars())
    return stripped.list.eval(pl.element().filter(pl.element() != ""))


def _joined(text: pl.Expr) -> pl.Expr:
    """The paragraphs of a JSON list as one text."""
    return pl.when(text.str.contains(JSON_LIST)).then(pl.coalesce(listed(text).list.join("\n"), text)).otherwise(text)
