"""JSON Lines: values as text, so that huge integers stay exact; a line that is no JSON object stays as its text."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from assets.sources.formats.text import LINE, UNDECODABLE, read_lines
from models.columns import MALFORMED, SOURCE_ROW

LONG_INTEGER = r'("\s*:\s*)(-?\d{16,})(\s*[,}])'
"""A bare integer after a key, too long for the JSON parser's floats; it is put in quotes before parsing."""


def read_json_lines(path: Path, fields: Sequence[str], encoding: str = "utf-8") -> pl.DataFrame:
    """`fields` as strings (lists as JSON text; absent ones null), besides `malformed` and `source_row`.

    Args:
        path: The file, plain or gzip.
        fields: Names to read; a dot steps into an object, as in `user.id`.
        encoding: Encoding of the text.

    Raises:
        SourceError: the file is empty or unreadable.
    """
    lines = read_lines(path, encoding).to_frame(LINE).with_columns(pl.col(LINE).str.strip_chars())
    exact = lines.with_columns(pl.col(LINE).str.replace_all(LONG_INTEGER, '${1}"${2}"${3}').alias("exact"))
    good = exact.with_columns(
        (
            pl.col("exact").str.starts_with("{")
            & ~pl.col("exact").str.contains(UNDECODABLE, literal=True)
            & pl.col("exact").str.json_path_match("$").is_not_null()
        ).alias("good")
    )
    return good.select(
        *(pl.when("good").then(pl.col("exact").str.json_path_match(_path(name))).alias(name) for name in fields),
        pl.when(~pl.col("good")).then(LINE).alias(MALFORMED),
        pl.int_range(pl.len(), dtype=pl.Int64).alias(SOURCE_ROW),
    )


def _path(name: str) -> str:
    return "$" + "".join(f"['{part}']" for part in name.split("."))
