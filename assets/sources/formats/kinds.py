"""Of what format a file is, by its name or else by its beginning, and which character separates its fields."""

import csv
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Literal

from assets.sources.formats.delimited import Dialect
from assets.sources.formats.text import first_line
from assets.sources.source import SourceError

Format = Literal["auto", "parquet", "csv", "jsonl", "literals"]

ENDINGS: dict[str, Format] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".csv.gz": "csv",
    ".tsv.gz": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonl.gz": "jsonl",
    ".ndjson.gz": "jsonl",
}

PARQUET = b"PAR1"
DELIMITERS = ",\t;|"


def format_of(path: Path, encoding: str = "utf-8") -> Format:
    """By the name's ending; where that says nothing (`.json`, `.txt`, `.dat`), by how the file begins.

    Raises:
        SourceError: the file is unreadable, or one JSON list.
    """
    ending = next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), None)
    return ENDINGS[ending] if ending else format_by_content(path, encoding)


def format_by_content(path: Path, encoding: str = "utf-8") -> Format:
    """By how the file begins.

    Raises:
        SourceError: as `format_of`.
    """
    with path.open("rb") as file:
        if file.read(len(PARQUET)) == PARQUET:
            return "parquet"
    first = first_line(path, encoding).lstrip()
    if first.startswith("["):
        raise SourceError(f"{path} is one JSON list: write each of its objects on a line of its own (JSON Lines)")
    return "jsonl" if first.startswith("{") else "csv"


def delimiter_of(path: Path, dialect: Dialect, names: Collection[str]) -> str:
    """What separates the fields of a file with the columns `names`: that of DELIMITERS with which its header has most
    of them; of several, the usual one (a tab in `.tsv`, else a comma) or else the one with which it has most fields.

    Without a header line it is the one with which the first line has as many fields as `dialect` has names.

    Raises:
        SourceError: the file is unreadable.
    """
    usual = "\t" if path.name.lower().removesuffix(".gz").endswith(".tsv") else ","
    line = first_line(path, dialect.encoding)

    def fit(delimiter: str) -> tuple[int, bool, int]:
        fields = _fields(line, replace(dialect, delimiter=delimiter))
        found = len(fields) == len(dialect.names) if dialect.names else len(set(names) & set(fields))
        return int(found), delimiter == usual and len(fields) > 1, len(fields)

    return max((usual, *DELIMITERS), key=fit)


def _fields(line: str, dialect: Dialect) -> list[str]:
    if dialect.quoted:
        try:
            return [name.strip() for name in next(csv.reader([line], delimiter=dialect.delimiter), [])]
        except csv.Error:
            pass
    return [name.strip() for name in line.split(dialect.delimiter)]
