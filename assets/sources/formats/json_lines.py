"""JSON Lines: values as text, so that huge integers stay exact; a line that is no JSON object stays as its text."""

import ast
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from assets.sources.formats.streamed import streamed
from assets.sources.formats.text import BLOCK_BYTES, LINE, UNDECODABLE, first_line, line_blocks
from models.columns import MALFORMED, SOURCE_ROW

JSON = "json"
"""The line as JSON, if it is any."""

LONG_INTEGER = r'("\s*:\s*)(-?\d{16,})(\s*[,}])'
"""A bare integer after a key, too long for the JSON parser's floats; it is put in quotes before parsing."""


def scan_json_lines(
    path: Path,
    fields: Sequence[str],
    encoding: str = "utf-8",
    block_bytes: int = BLOCK_BYTES,
    *,
    literals: bool = False,
) -> pl.LazyFrame:
    """`fields` as strings (lists as JSON text; absent ones null), besides `source_row` and `malformed`.

    Args:
        path: The file, plain or gzip.
        fields: Names to read; a dot steps into an object, as in `user.id`, and a number into a list, as in `images.0`.
        encoding: Encoding of the text.
        block_bytes: Text that is read at a time.
        literals: Whether a line may be a Python literal, as in `{'asin': '1', 'title': None}`, instead of JSON.

    Raises:
        SourceError: the file is empty or unreadable; while rows are collected: it is damaged further on.
    """
    first_line(path, encoding)
    schema: dict[str, pl.DataType] = {SOURCE_ROW: pl.Int64(), LINE: pl.String(), JSON: pl.String()}
    lines = streamed(partial(_lines, path, encoding, block_bytes, literals), schema)
    exact = lines.with_columns(pl.col(JSON).str.replace_all(LONG_INTEGER, '${1}"${2}"${3}').alias("exact"))
    good = exact.with_columns(
        (
            pl.col("exact").str.starts_with("{")
            & ~pl.col("exact").str.contains(UNDECODABLE, literal=True)
            & pl.col("exact").str.json_path_match("$").is_not_null()
        ).alias("good")
    )
    return good.select(
        *(pl.when("good").then(pl.col("exact").str.json_path_match(_path(name))).alias(name) for name in fields),
        SOURCE_ROW,
        pl.when(~pl.col("good")).then(LINE).alias(MALFORMED),
    )


def _lines(path: Path, encoding: str, block_bytes: int, literals: bool) -> Iterator[pl.DataFrame]:
    row = 0
    for block in line_blocks(path, encoding, block_bytes):
        lines = block.str.strip_chars().to_frame(LINE).filter(pl.col(LINE) != "")
        json_lines = [_json_of_literal(line) for line in lines[LINE]] if literals else lines[LINE]
        rows = lines.with_row_index(SOURCE_ROW, offset=row).with_columns(pl.col(SOURCE_ROW).cast(pl.Int64))
        yield rows.with_columns(pl.Series(JSON, json_lines, dtype=pl.String))
        row += lines.height


def _json_of_literal(line: str) -> str:
    """The Python literal as JSON; text that is none stays as it is."""
    try:
        return json.dumps(ast.literal_eval(line))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return line


def _path(name: str) -> str:
    return "$" + "".join(f"[{part}]" if part.isdecimal() else f"['{part}']" for part in name.split("."))
