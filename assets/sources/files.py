"""Somebody's own Parquet, CSV or JSON Lines files as a source."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from assets.quality.casts import TimestampUnit
from assets.sources.contract import in_contract, with_day
from assets.sources.files_settings import FilesSettings, Format, TableFiles
from assets.sources.formats.delimited import Dialect, delimited_columns, scan_delimited
from assets.sources.formats.json_lines import scan_json_lines
from assets.sources.formats.parquet import parquet_columns, scan_parquet
from assets.sources.formats.text import first_line
from assets.sources.paths import DAY_FIELD, expanded, matching
from assets.sources.source import LandedFile, RawTable, SourceError
from models.columns import DAY

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


class Files:
    """Files that others write; this platform only reads them.

    Args:
        settings: Where they are and how their columns map onto the contract.
        first_day: First day of the profile; items that were available before belong to it.
    """

    def __init__(self, settings: FilesSettings, first_day: date) -> None:
        self.settings = settings
        self.first_day = first_day

    def land(self, table: RawTable, days: Sequence[date]) -> list[LandedFile]:
        """The files of `days`; each is there, not empty, and has the columns that it must have.

        Raises:
            SourceError: a day has no file, or a file is empty, damaged, or lacks a required column.
        """
        part = self._part(table)
        pattern = expanded(part.path, f"source.{table}.path")
        daily = DAY_FIELD in pattern
        found = {day: matching(pattern, day) for day in days} if daily else dict.fromkeys(days, matching(pattern))
        for day, paths in found.items():
            if not paths:
                filled = pattern.replace(DAY_FIELD, day.isoformat())
                raise SourceError(
                    f"no {table} file for {day}: nothing matches {filled}; put the file there, or leave the day out"
                )
        for path in sorted({path for paths in found.values() for path in paths}):
            _check(path, table, part)
        return [LandedFile.at(path, day) for day, paths in found.items() for path in paths]

    def timestamp_unit(self, table: RawTable) -> TimestampUnit:
        return self._part(table).timestamp_unit

    def read(self, table: RawTable, files: Sequence[LandedFile], days: Sequence[date]) -> pl.LazyFrame:
        """The raw rows of `days`; values of CSV and JSON Lines are strings.

        Where the path has no `{day}`, a row without a readable or plausible time counts to the earliest of `days`.

        Raises:
            SourceError: a text file is damaged as a whole.
        """
        part, wanted = self._part(table), sorted(days)
        if DAY_FIELD in part.path:
            rows = [_rows(f.path, part).with_columns(pl.lit(f.day).alias(DAY)) for f in files if f.day in set(wanted)]
        else:
            paths = dict.fromkeys(file.path for file in files)
            rows = [with_day(_rows(path, part), part, wanted[0], self.first_day) for path in paths]
        return pl.concat(rows, how="diagonal_relaxed").filter(pl.col(DAY).is_in(wanted))

    def _part(self, table: RawTable) -> TableFiles:
        return self.settings.events if table == "events" else self.settings.items


def _rows(name: str, part: TableFiles) -> pl.LazyFrame:
    """One file's rows in contract columns."""
    path = Path(name)
    match _format(path, part):
        case "parquet":
            rows = scan_parquet(path)
        case "csv":
            rows = scan_delimited(path, _dialect(part))
        case _:
            rows = scan_json_lines(path, [part.column(name) for name in part.contract], part.encoding)
    return in_contract(rows, part, path)


def _dialect(part: TableFiles) -> Dialect:
    return Dialect(part.delimiter, part.encoding)


def _format(path: Path, part: TableFiles) -> Format:
    """Raises SourceError where the name's ending says nothing."""
    if part.format != "auto":
        return part.format
    endings = [ending for ending in ENDINGS if path.name.lower().endswith(ending)]
    if not endings:
        raise SourceError(f"{path} has an ending that says no format: set `format` to parquet, csv or jsonl")
    return ENDINGS[endings[0]]


def _check(path: Path, table: RawTable, part: TableFiles) -> None:
    """Raises SourceError where the file is empty, damaged, or lacks a required column."""
    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty: write it again, or remove it and leave its day out")
    match _format(path, part):
        case "parquet":
            there = parquet_columns(path)
        case "csv":
            there = delimited_columns(path, _dialect(part))
        case _:
            first_line(path, part.encoding)
            return
    for name in part.required:
        if name not in part.constants and part.column(name) not in there:
            raise SourceError(
                f"{path} has no column {part.column(name)!r} for {name} (it has {', '.join(there)}): "
                f"set source.{table}.columns.{name} to the one that holds it, or source.{table}.constants.{name}"
            )
