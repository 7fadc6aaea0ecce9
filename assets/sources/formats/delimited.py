"""CSV and its like: values as text, one row per record, damaged records kept as their text.

A record is judged before it is parsed: it must have as many fields as the header, closed quotes and valid characters.
So one bad line costs neither its neighbours nor the file.
"""

import io
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from assets.sources.formats.text import LINE, UNDECODABLE, first_line, read_lines
from assets.sources.source import SourceError, because
from models.columns import MALFORMED, SOURCE_ROW

BLANK = "\x00"
"""Stands for a quoted field while fields are counted."""


def delimited_columns(path: Path, delimiter: str, encoding: str = "utf-8") -> list[str]:
    """The names in the header line.

    Raises:
        SourceError: the file is empty or unreadable, or a name stands twice in its header.
    """
    return _header(path, first_line(path, encoding), delimiter)


def read_delimited(path: Path, delimiter: str, encoding: str = "utf-8") -> pl.DataFrame:
    """The file's columns as strings (an empty field is null), besides `malformed` and `source_row`.

    Raises:
        SourceError: the file is empty or unreadable.
    """
    lines = read_lines(path, encoding)
    header = _header(path, lines[0], delimiter)
    judged = _records(lines[1:], delimiter, len(header)).with_row_index(SOURCE_ROW)
    good, bad = judged.filter("good"), judged.filter(~pl.col("good"))
    parsed = _parse(path, good[LINE], delimiter, header).with_columns(good[SOURCE_ROW])
    malformed = bad.select(SOURCE_ROW, pl.col(LINE).alias(MALFORMED))
    rows = pl.concat([parsed, malformed], how="diagonal").sort(SOURCE_ROW)
    missing = [] if MALFORMED in rows.columns else [pl.lit(None, dtype=pl.String).alias(MALFORMED)]
    return rows.with_columns(pl.col(SOURCE_ROW).cast(pl.Int64), *missing)


def _header(path: Path, line: str, delimiter: str) -> list[str]:
    names = [name.strip().strip('"') for name in line.split(delimiter)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(f"{path} has the column {twice[0]!r} twice in its header: rename one of them")
    return names


def _records(lines: pl.Series, delimiter: str, width: int) -> pl.DataFrame:
    """One row per record: its text `line`, and whether it is `good`."""
    joined = _judge(_joined(lines), delimiter, width)
    torn = ~pl.col("good") & pl.col(LINE).str.contains("\n", literal=True)
    if joined.filter(torn).is_empty():
        return joined
    # A stray quote glued unrelated lines together; each stands for itself again.
    pieces = pl.when(torn).then(pl.col(LINE).str.split("\n")).otherwise(pl.concat_list(LINE))
    return _judge(joined.select(pieces.alias(LINE)).explode(LINE), delimiter, width)


def _joined(lines: pl.Series) -> pl.DataFrame:
    """Lines, those of a field with line breaks in quotes made one again."""
    frame = lines.to_frame(LINE)
    quotes = frame[LINE].str.count_matches('"', literal=True).cum_sum()
    inside = quotes.shift(1, fill_value=0) % 2 == 1
    if frame.is_empty() or not inside.any() or quotes[-1] % 2:
        return frame
    record = (~inside).cum_sum().alias("record")
    return frame.group_by(record, maintain_order=True).agg(pl.col(LINE).str.join("\n")).select(LINE)


def _judge(records: pl.DataFrame, delimiter: str, width: int) -> pl.DataFrame:
    """Good is a record with `width` fields, each quoted whole or free of quotes, of valid characters."""
    line, mark = pl.col(LINE), f"\\x{{{ord(delimiter):x}}}"
    bare = line.str.replace_all(f'(^|{mark})"(?:[^"]|"")*"', "${1}" + BLANK)
    fields = bare.str.count_matches(delimiter, literal=True) + 1
    quoted_well = ~bare.str.contains(f'"|{BLANK}[^{mark}]')
    valid = ~line.str.contains(UNDECODABLE, literal=True)
    return records.select(LINE, ((fields == width) & quoted_well & valid).alias("good"))


def _parse(path: Path, records: pl.Series, delimiter: str, header: list[str]) -> pl.DataFrame:
    schema = dict.fromkeys(header, pl.String())
    if records.is_empty():
        return pl.DataFrame(schema=schema)
    text = records.str.join("\n")[0].encode()
    try:
        rows = pl.read_csv(io.BytesIO(text), has_header=False, schema=schema, separator=delimiter)
    except PolarsError as error:
        raise SourceError(f"{path} cannot be parsed ({because(error)}): check its delimiter and quotes") from error
    if rows.height != len(records):
        raise SourceError(
            f"{path} has {len(records)} records but {rows.height} rows come out of them: "
            "quotes stand in the middle of fields; double them or leave them out"
        )
    return rows
