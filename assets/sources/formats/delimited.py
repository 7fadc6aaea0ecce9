"""CSV and its like: values as text, one row per record, damaged records kept as their text.

A record is judged before it is parsed: it must have as many fields as the header, closed quotes and valid characters.
So one bad line costs neither its neighbours nor the file.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from assets.sources.formats.records import LONGEST_RECORD, whole_records
from assets.sources.formats.streamed import streamed
from assets.sources.formats.text import BLOCK_BYTES, LINE, UNDECODABLE, first_line, line_blocks
from assets.sources.source import SourceError, because
from models.columns import MALFORMED, SOURCE_ROW

BLANK = "\x00"
"""Stands for a quoted field while fields are counted; it is no character of text."""

GOOD = "good"

WHITESPACE = "whitespace"
"""The delimiter of fields with any blanks and tabs between them, which may stand around a line as well."""


@dataclass(frozen=True)
class Dialect:
    """How a file of delimited text is written.

    Attributes:
        delimiter: What separates fields: a character, or, only where `quoted` is false, several, or WHITESPACE.
        encoding: Encoding of the text.
        names: The columns of a file without a header line; None takes them from the first line.
        quoted: Whether a field may stand in double quotes. Where it may not, a quote is a character like others.
        nulls: Words that say that a field is empty.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    names: tuple[str, ...] | None = None
    quoted: bool = True
    nulls: tuple[str, ...] = ()


def delimited_columns(path: Path, dialect: Dialect) -> list[str]:
    """The names of the columns.

    Raises:
        SourceError: the file is unreadable, or its header is missing, no record, or has a name twice.
    """
    if dialect.names is not None:
        first_line(path, dialect.encoding)
        return list(dialect.names)
    names, _ = _header(path, dialect, line_blocks(path, dialect.encoding, io.DEFAULT_BUFFER_SIZE))
    return names


def scan_delimited(path: Path, dialect: Dialect, block_bytes: int = BLOCK_BYTES) -> pl.LazyFrame:
    """The file's columns as strings (an empty field is null), plus `source_row` and `malformed`.

    Raises:
        SourceError: as `delimited_columns`; while rows are collected: the file is damaged further on.
    """
    schema = dict.fromkeys(delimited_columns(path, dialect), pl.String()) | {
        SOURCE_ROW: pl.Int64(),
        MALFORMED: pl.String(),
    }
    return streamed(partial(delimited_blocks, path, dialect, block_bytes), schema)


def delimited_blocks(path: Path, dialect: Dialect, block_bytes: int = BLOCK_BYTES) -> Iterator[pl.DataFrame]:
    """The rows of `scan_delimited`, one block of text after another.

    Raises:
        SourceError: as `scan_delimited`.
    """
    lines, row = line_blocks(path, dialect.encoding, block_bytes), 0
    if dialect.names is None:
        names, rest = _header(path, dialect, lines)
        lines = chain([rest], lines)
    else:
        names = list(dialect.names)
    for records in whole_records(lines, partial(_shaped, dialect, len(names))) if dialect.quoted else lines:
        plain = not records.str.contains('"', literal=True).any()
        # Without quotes there is nothing to quote, which is judged and parsed in a third of the time.
        block = replace(dialect, quoted=False) if plain else dialect
        judged = _judged(records, block, len(names)).with_row_index(SOURCE_ROW, offset=row)
        row += judged.height
        yield _rows(path, judged, block, names)


def _header(path: Path, dialect: Dialect, blocks: Iterator[pl.Series]) -> tuple[list[str], pl.Series]:
    """The names in the first record that is not blank, and what lines were read after it.

    Raises:
        SourceError: it is no record, or a name stands twice in it.
    """
    lines, problem = pl.Series(LINE, dtype=pl.String), "nothing closes its quotes"
    for block in blocks:
        lines = pl.concat([lines, block])
        filled = (lines.str.strip_chars() != "").arg_true()
        lines = lines.slice(filled[0] if len(filled) else len(lines))
        if lines.is_empty():
            continue
        try:
            names, count = _first_record(lines, dialect)
        except csv.Error as error:
            problem = because(error)
            if lines.str.len_bytes().sum() > LONGEST_RECORD:
                break
        else:
            names = [name or f"(column {number})" for number, name in enumerate(names, start=1)]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise SourceError(f"{path} has the column {twice[0]!r} twice in its header: rename one of them")
            return names, lines.slice(count)
    if lines.is_empty():
        raise SourceError(f"{path} is empty, without a header: write it again, or remove it and leave its day out")
    raise SourceError(f"{path} has a header that cannot be read ({problem}): check its delimiter and quotes")


def _first_record(lines: pl.Series, dialect: Dialect) -> tuple[list[str], int]:
    """The fields of the first record without the blanks around them, and how many lines it takes."""
    if not dialect.quoted:
        separator = None if dialect.delimiter == WHITESPACE else dialect.delimiter
        return [name.strip() for name in lines[0].split(separator)], 1
    reader = csv.reader(
        (f"{line}\n" for line in lines), delimiter=dialect.delimiter, skipinitialspace=True, strict=True
    )
    return [name.strip() for name in next(reader)], reader.line_num


def _judged(records: pl.Series, dialect: Dialect, width: int) -> pl.DataFrame:
    """`line` and whether it is `good`, less the blank ones."""
    line = pl.col(LINE)
    filled = records.to_frame(LINE).filter(line.str.strip_chars() != "")
    valid = ~line.str.contains(f"{UNDECODABLE}|{BLANK}")
    return filled.with_columns((_shape(dialect, width) & valid).alias(GOOD))


def _shaped(dialect: Dialect, width: int, records: pl.Series) -> pl.Series:
    return records.to_frame(LINE).select(_shape(dialect, width)).to_series()


def _shape(dialect: Dialect, width: int) -> pl.Expr:
    """Whether the record has `width` fields, each of them quoted whole or free of quotes."""
    line, delimiter = pl.col(LINE), dialect.delimiter
    if not dialect.quoted:
        fields, separator = _unquoted(dialect)
        return fields.str.count_matches(separator, literal=True) + 1 == width
    mark = f"\\x{{{ord(delimiter):x}}}"
    bare = line.str.replace_all(f'(^|{mark})"(?:[^"]|"")*"', "${1}" + BLANK)
    fields = bare.str.count_matches(delimiter, literal=True) + 1
    return (fields == width) & ~bare.str.contains(f'"|{BLANK}[^{mark}]')


def _rows(path: Path, judged: pl.DataFrame, dialect: Dialect, names: list[str]) -> pl.DataFrame:
    good, bad = judged.filter(GOOD), judged.filter(~pl.col(GOOD))
    parsed = _parsed(path, good[LINE], dialect, names) if dialect.quoted else _split(good[LINE], dialect, names)
    parsed = parsed.with_columns(good[SOURCE_ROW], pl.lit(None, pl.String).alias(MALFORMED))
    rows = pl.concat([parsed, bad.select(SOURCE_ROW, pl.col(LINE).alias(MALFORMED))], how="diagonal")
    return (rows.sort(SOURCE_ROW) if bad.height else rows).with_columns(pl.col(SOURCE_ROW).cast(pl.Int64))


def _split(records: pl.Series, dialect: Dialect, names: list[str]) -> pl.DataFrame:
    line, separator = _unquoted(dialect)
    fields = line.str.split_exact(separator, len(names) - 1).struct.rename_fields(names)
    return _empty_as_null(records.to_frame(LINE).select(fields).unnest(LINE), dialect)


def _unquoted(dialect: Dialect) -> tuple[pl.Expr, str]:
    """The lines of a file without quotes, and what stands between their fields."""
    if dialect.delimiter != WHITESPACE:
        return pl.col(LINE), dialect.delimiter
    return pl.col(LINE).str.strip_chars(" \t").str.replace_all("[ \t]+", " "), " "


def _parsed(path: Path, records: pl.Series, dialect: Dialect, names: list[str]) -> pl.DataFrame:
    schema = dict.fromkeys(names, pl.String())
    if records.is_empty():
        return pl.DataFrame(schema=schema)
    text = records.str.join("\n")[0].encode()
    try:
        rows = pl.read_csv(io.BytesIO(text), has_header=False, schema=schema, separator=dialect.delimiter)
    except PolarsError as error:
        raise SourceError(f"{path} cannot be parsed ({because(error)}): check its delimiter and quotes") from error
    if rows.height != len(records):
        raise SourceError(
            f"{path} has {len(records)} records but {rows.height} rows come out of them: "
            "quotes stand in the middle of fields; double them or leave them out"
        )
    return _empty_as_null(rows, dialect)


def _empty_as_null(rows: pl.DataFrame, dialect: Dialect) -> pl.DataFrame:
    """Whether an empty field stands in quotes says nothing: many writers quote all fields."""
    empty = pl.all() == ""
    for word in dialect.nulls:
        empty |= pl.all() == word
    return rows.select(pl.when(~empty).then(pl.all()))
