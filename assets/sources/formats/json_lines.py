"""JSON Lines: values as text, so that huge integers stay exact; a line that is no JSON object stays as its text."""

import ast
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from assets.sources.formats.json_objects import Splitter, has, loaded
from assets.sources.formats.json_types import REFUSED, Column
from assets.sources.formats.streamed import streamed
from assets.sources.formats.text import BLOCK_BYTES, LINE, UNDECODABLE, first_line, line_blocks
from models.columns import MALFORMED, SOURCE_ROW


def scan_json_lines(
    path: Path,
    fields: Sequence[str],
    encoding: str = "utf-8",
    block_bytes: int = BLOCK_BYTES,
    *,
    columns: Sequence[Column] = (),
    literals: bool = False,
) -> pl.LazyFrame:
    """`fields` as strings (lists as JSON text; absent ones null), plus `source_row` and `malformed`.

    With `columns` also, under REFUSED, the names of those that refuse the value of a row, null where none does.

    Args:
        path: The file, plain or gzip.
        fields: Names to read; a dot steps into an object, as in `user.id`, and a number into a list, as in `images.0`.
        encoding: Encoding of the text.
        block_bytes: Text that is read at a time.
        columns: Read from the fields, with the types that they take.
        literals: Whether a line may be a Python literal, as in `{'asin': '1', 'title': None}`, instead of JSON.

    Raises:
        SourceError: the file is unreadable; while rows are collected: it is damaged further on.
    """
    first_line(path, encoding)
    distinct = list(dict.fromkeys(fields))
    schema = dict.fromkeys(distinct, pl.String()) | {SOURCE_ROW: pl.Int64(), MALFORMED: pl.String()}
    schema |= {REFUSED: pl.String()} if columns else {}
    return streamed(partial(_rows, path, distinct, columns, encoding, block_bytes, literals), schema)


def absent_fields(
    path: Path, fields: Sequence[str], encoding: str = "utf-8", *, literals: bool = False, to_the_end: bool = True
) -> tuple[list[str], list[str]]:
    """Those of `fields` that no line has, and the keys of the first line that is an object.

    The file is read until all are found.

    Args:
        to_the_end: Whether to go on after the first block.

    Raises:
        SourceError: the file is unreadable.
    """
    absent, keys = list(fields), list[str]()
    for lines in _lines(path, encoding, BLOCK_BYTES):
        for line in lines:
            found = loaded(_json_of_literal(line) if literals else line)
            keys = keys or list(found)
            absent = [field for field in absent if not has(found, field)]
            if keys and not absent:
                return absent, keys
        if not to_the_end:
            break
    return absent, keys


def _rows(
    path: Path, fields: Sequence[str], columns: Sequence[Column], encoding: str, block_bytes: int, literals: bool
) -> Iterator[pl.DataFrame]:
    splitter, row = Splitter(fields, columns), 0
    for lines in _lines(path, encoding, block_bytes):
        texts = pl.Series([_json_of_literal(line) for line in lines], dtype=pl.String) if literals else lines
        values, good, refused = splitter.split(texts)
        good &= ~texts.str.contains(UNDECODABLE, literal=True)
        if columns:
            values = values.with_columns(refused.alias(REFUSED))
        yield (
            values.with_columns(pl.when(good).then(pl.all()))
            .with_columns(
                pl.int_range(row, row + len(lines), dtype=pl.Int64, eager=True).alias(SOURCE_ROW),
                pl.select(pl.when(~good).then(lines)).to_series().alias(MALFORMED),
            )
            .select(*fields, SOURCE_ROW, MALFORMED, *([REFUSED] if columns else []))
        )
        row += len(lines)


def _lines(path: Path, encoding: str, block_bytes: int) -> Iterator[pl.Series]:
    """The lines that are not blank, without blanks around them."""
    for block in line_blocks(path, encoding, block_bytes):
        lines = block.str.strip_chars()
        yield lines.filter(lines != "").alias(LINE)


def _json_of_literal(line: str) -> str:
    """The Python literal as JSON; text that is none stays as it is."""
    try:
        return json.dumps(ast.literal_eval(line))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return line
