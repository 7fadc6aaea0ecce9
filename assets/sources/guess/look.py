"""A first look at one file: its format, how its fields are separated, and its first rows as text."""

import csv
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from assets.sources.formats.delimited import WHITESPACE, Dialect, scan_delimited
from assets.sources.formats.json_lines import scan_json_lines
from assets.sources.formats.json_objects import loaded
from assets.sources.formats.kinds import DELIMITERS, Format, delimiter_of, format_by_content, format_of
from assets.sources.formats.parquet import scan_parquet
from assets.sources.formats.text import UNDECODABLE, UTF_16_MARKS, line_blocks
from assets.sources.guess.values import NEARLY_ALL, NUMBER
from assets.sources.source import SourceError
from models.columns import MALFORMED, SOURCE_FILE, SOURCE_ROW

ROWS = 200_000
"""So many rows are looked at."""

LINES = 1_000
BLOCK_BYTES = 2**18
NULL_WORDS = ("\\N", "NA", "N/A", "n/a", "-", "NULL", "null", "None", "NaN", "nan")

SEVERAL_CHARACTERS = "::"

NUMBER_OR_TIME = rf"{NUMBER}|^[0-9]+[-/.:][0-9]"
LEAST_NUMBERS = 5

MANY_TOKENS = 3
"""A line of so many blanks in a file without a delimiter holds a whole history."""


@dataclass(frozen=True)
class Look:
    """What was found.

    Attributes:
        path: The file.
        form: What a profile has to say of how it is written, as keys of `TableFilesSettings`.
        why: The reason of each of these.
        raw: The first rows, in columns as they are read.
    """

    path: Path
    form: dict[str, Any]
    why: dict[str, str]
    raw: pl.DataFrame

    @cached_property
    def texts(self) -> pl.DataFrame:
        """The columns as text, empty values and words for them null; lists are JSON, objects and lists of such or of
        lists left out."""
        return self.raw.select(_text(column) for column in self.raw if not _holds_objects(column.dtype))

    @property
    def names(self) -> list[str]:
        return self.texts.columns

    def values(self, name: str) -> pl.Series:
        """Numbers and date-times as they are; of all others the texts."""
        dtype = self.raw.schema[name]
        return self.raw[name] if dtype.is_numeric() or dtype.is_temporal() else self.texts[name]

    @property
    def nameless(self) -> bool:
        """Whether the columns have no names of their own."""
        return "header" in self.form


def look_at(path: Path) -> Look:
    """Raises SourceError where the file is empty, unreadable, or no table of one row an event or item."""
    encoding = _encoding(path)
    kind = format_by_content(path, encoding)
    form: dict[str, Any] = {} if encoding == "utf-8" else {"encoding": encoding}
    why = dict.fromkeys(form, "the file is no UTF-8")
    if format_of(path, encoding) != kind:
        form["format"], why["format"] = kind, "by how the file begins"
    match kind:
        case "parquet":
            rows = scan_parquet(path).drop(SOURCE_FILE)
        case "csv":
            dialect, said, reasons = _dialect(path, encoding)
            form, why = form | said, why | reasons
            rows = scan_delimited(path, dialect)
        case _:
            rows = scan_json_lines(path, _keys(path, encoding), encoding)
    raw = rows.filter(pl.col(MALFORMED).is_null()).head(ROWS).drop(SOURCE_ROW, MALFORMED).collect()
    if raw.is_empty():
        raise SourceError(f"{path} has no rows that can be read: nothing can be said of it")
    if words := _null_words(raw, kind):
        form["nulls"], why["nulls"] = words, "words that stand where a value is missing"
    return Look(path, form, why, raw)


def first_lines(path: Path, encoding: str) -> list[str]:
    """The first lines that are not blank."""
    lines: list[str] = []
    for block in line_blocks(path, encoding, BLOCK_BYTES):
        lines += [line for line in block if line.strip()]
        if len(lines) >= LINES:
            break
    return lines[:LINES]


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith(UTF_16_MARKS):
        return "utf-16"
    if start == b"PAR1":
        return "utf-8"
    broken = any(UNDECODABLE in line for line in first_lines(path, "utf-8"))
    return "cp1252" if broken else "utf-8"


def _dialect(path: Path, encoding: str) -> tuple[Dialect, dict[str, Any], dict[str, str]]:
    lines = first_lines(path, encoding)
    if not lines:
        raise SourceError(f"{path} is empty: nothing can be said of it")
    delimiter = _delimiter(lines)
    width = _width(lines, delimiter)
    if width == 1:
        _require_fields(path, lines)
    dialect = Dialect(delimiter, encoding, quoted=len(delimiter) == 1)
    form, why = dict[str, Any](), dict[str, str]()
    names = [name.strip() for name in _fields(lines[0], delimiter)]
    if not _is_header(names, [_fields(line, delimiter) for line in lines[1:]]):
        names = [f"column_{number}" for number in range(1, width + 1)]
        dialect = replace(dialect, names=tuple(names))
        form["header"], why["header"] = names, "the first line seems to be data; name the columns as you like"
    damaged = _damaged(path, dialect)
    if dialect.quoted and damaged > _damaged(path, replace(dialect, quoted=False)):
        dialect = replace(dialect, quoted=False)
        form["quoted"], why["quoted"] = False, "quotes stand within fields"
    if delimiter_of(path, replace(dialect, delimiter=","), names) != delimiter:
        form["delimiter"], why["delimiter"] = delimiter, f"with it lines have {width} fields"
    return dialect, form, why


def _delimiter(lines: list[str]) -> str:
    """That with which most lines have the same number of fields.

    Blanks stand in texts, too, so they count only where nothing else separates anything, and all lines have as many.
    """
    best = max((*DELIMITERS, SEVERAL_CHARACTERS), key=lambda one: _regularity(lines, one))
    if _regularity(lines, best)[0] > 0.5:
        return best
    same = {len(_fields(line, WHITESPACE)) for line in lines}
    return WHITESPACE if len(same) == 1 and same != {1} and not any('"' in line for line in lines) else best


def _require_fields(path: Path, lines: list[str]) -> None:
    """Raises SourceError where lines of one field hold several things all the same."""
    if sum(len(line.split()) > MANY_TOKENS for line in lines) > len(lines) / 2:
        raise SourceError(
            f"{path} seems to hold a history a line, separated by blanks: write one event a line, with its user, its "
            "item and its place or time, under a header"
        )


def _regularity(lines: list[str], delimiter: str) -> tuple[float, int]:
    """The share of lines with the most frequent number of fields, none where that is one; and that number."""
    width = _width(lines, delimiter)
    share = sum(len(_fields(line, delimiter)) == width for line in lines) / len(lines)
    return (round(share, 1), width) if width > 1 else (0.0, 1)


def _width(lines: list[str], delimiter: str) -> int:
    return Counter(len(_fields(line, delimiter)) for line in lines).most_common(1)[0][0]


def _fields(line: str, delimiter: str) -> list[str]:
    if len(delimiter) > 1:
        return line.split(None if delimiter == WHITESPACE else delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


def _is_header(names: list[str], rows: list[list[str]]) -> bool:
    """Whether they are distinct, and none is a number or begins with a digit as times do; or words, one of them above
    numbers."""
    if any(re.match(NUMBER_OR_TIME, name) for name in names):
        return False
    distinct = len(set(names)) == len(names) and not any(name[:1].isdigit() or name.startswith("-") for name in names)
    return distinct or any(_above_numbers(name, place, rows) for place, name in enumerate(names))


def _above_numbers(name: str, place: int, rows: list[list[str]]) -> bool:
    there = [row[place] for row in rows if place < len(row) and row[place] not in ("", *NULL_WORDS)]
    numbers = sum(bool(re.match(NUMBER, value)) for value in there)
    return name.isidentifier() and name not in NULL_WORDS and numbers >= max(LEAST_NUMBERS, NEARLY_ALL * len(there))


def _damaged(path: Path, dialect: Dialect) -> int:
    rows = scan_delimited(path, dialect).select(pl.col(MALFORMED)).head(ROWS).collect()
    return rows.height - rows[MALFORMED].null_count()


def _keys(path: Path, encoding: str) -> list[str]:
    """The keys of the first objects; of an object within, its own behind a dot."""
    keys: dict[str, None] = {}
    for line in first_lines(path, encoding):
        for key, value in loaded(line).items():
            inner = (
                [f"{key}.{name}" for name, part in value.items() if not isinstance(part, dict)]
                if isinstance(value, dict)
                else [key]
            )
            keys |= dict.fromkeys(inner)
    return list(keys)


def _null_words(raw: pl.DataFrame, kind: Format) -> list[str]:
    if kind != "csv":
        return []
    there = [word for word in NULL_WORDS[1:] if raw.select(pl.any_horizontal((pl.col(pl.String) == word).any())).item()]
    return [NULL_WORDS[0], *there] if there else []


def _holds_objects(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Struct | pl.Object) or (
        isinstance(dtype, pl.List | pl.Array) and dtype.inner.is_nested()
    )


def _text(column: pl.Series) -> pl.Expr:
    value = pl.col(column.name)
    if isinstance(column.dtype, pl.List | pl.Array):
        return pl.format("[{}]", value.cast(pl.List(pl.String)).list.join(", ")).alias(column.name)
    if isinstance(column.dtype, pl.Binary | pl.Duration):
        return pl.lit(None, pl.String).alias(column.name)
    text = value.cast(pl.String).str.strip_chars()
    return pl.when(~text.is_in(["", *NULL_WORDS])).then(text).alias(column.name)
