"""Parquet, CSV or JSON Lines files as a source: a user's own, or a published dataset's."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl

from assets.sources.contract import in_contract, typed_columns, with_day
from assets.sources.files_settings import FilesSettings, TableFilesSettings
from assets.sources.formats.delimited import Dialect, delimited_columns, scan_delimited
from assets.sources.formats.json_lines import absent_fields, scan_json_lines
from assets.sources.formats.kinds import Format, delimiter_of, format_of
from assets.sources.formats.parquet import parquet_columns, scan_parquet
from assets.sources.formats.text import first_line
from assets.sources.named_items import named_items
from assets.sources.paths import DAY_FIELD, expanded, matching
from assets.sources.places import placed
from assets.sources.source import LandedFile, Outside, RawTable, Snapshot, SourceError, of_one_schema
from assets.validation.times import TimestampUnit
from models.columns import DAY, TIMESTAMP
from models.declared import NO_COLUMNS, DeclaredColumns

ANY_DAY = "????-??-??"

OBJECTS = ("jsonl", "literals")
"""Formats whose rows name their own columns."""


@dataclass(frozen=True)
class Shape:
    """How rows that no renaming of columns turns into the contract's become such rows.

    Attributes:
        needs: The file's columns without which it is not read.
        rows: From the rows of the file at a path, with `source_row` and `malformed`, to rows in contract columns. It
            keeps their order, and each has at least one row to its name, so that none is lost.
    """

    needs: tuple[str, ...]
    rows: Callable[[pl.LazyFrame, Path], pl.LazyFrame]


class Files:
    """Files that others write; this platform only reads them.

    Args:
        settings: Where they are and how their columns map onto the contract.
        first_day: First day of the profile; items that were available before belong to it.
        shapes: Tables whose rows take more than a mapping of columns.
        declared: The columns that the profile declares beside the contract's.

    Raises:
        SourceError: a mapped column is neither of the contract nor declared.
    """

    def __init__(
        self,
        settings: FilesSettings,
        first_day: date,
        shapes: Mapping[RawTable, Shape] | None = None,
        declared: DeclaredColumns = NO_COLUMNS,
    ) -> None:
        self.settings = settings.declaring(declared)
        self.first_day = first_day
        self.shapes = shapes or {}

    def land(self, table: RawTable, days: Sequence[date]) -> list[LandedFile]:
        """The files of `days`; each is there, not empty, and has the columns that it must have.

        Raises:
            SourceError: a day has no file, or a file is empty, damaged, or lacks a required or mapped column; JSON
                Lines lack one that is a key of no line, be it of another day.
        """
        if table == "items" and self.settings.items is None:
            table = "events"
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
        distinct = sorted({path for paths in found.values() for path in paths})
        for path in distinct:
            _check(path, table, part, self.shapes.get(table))
        objects = [path for path in distinct if _format(path, part) in OBJECTS]
        _check_keys(objects, partial(matching, pattern.replace(DAY_FIELD, ANY_DAY)), table, part)
        return [LandedFile.at(path, day) for day, paths in found.items() for path in paths]

    @property
    def snapshot(self) -> Snapshot:
        """As the profile says; a catalogue that was published once for all, or none, tells nothing of what is gone."""
        items = self.settings.items
        return "changes" if items is None or items.only_changes else items.snapshot

    def timestamp_unit(self, table: RawTable) -> TimestampUnit:
        return self._part(table).unit(self.first_day)

    def columns(self, table: RawTable) -> Mapping[str, str]:
        return {} if table in self.shapes else self._part(table).columns

    def read(
        self, table: RawTable, files: Sequence[LandedFile], days: Sequence[date], outside: Outside | None = None
    ) -> list[pl.LazyFrame]:
        """The raw rows of `days` in order of file and row; values of CSV and JSON Lines are strings.

        Where the path has no `{day}`, an event without a readable or plausible time counts to the earliest of `days`,
        and so does what a catalogue lists that tells more than changes.
        `collect_batches` reads them in bounded memory, one block of one file after another.

        Raises:
            SourceError: a text file is empty or unreadable; while rows are collected: it is damaged further on.
        """
        wanted = sorted(days)
        if table == "items" and self.settings.items is None:
            events = self._with_days("events", files, wanted)
            rows = [named_items(events, self.first_day, ordinal=self.settings.events.ordinal)]
        else:
            rows = self._with_days(table, files, wanted)
        if outside is not None and table == "events" and DAY_FIELD not in self.settings.events.path:
            rows = [outside.counted(frame) for frame in rows]
        return [frame.filter(pl.col(DAY).is_in(wanted)) for frame in of_one_schema(rows)]

    def _with_days(self, table: RawTable, files: Sequence[LandedFile], wanted: Sequence[date]) -> list[pl.LazyFrame]:
        """All rows of `files`, of files of a day each only those of the days `wanted`, with the day they tell of."""
        part, shape = self._part(table), self.shapes.get(table)
        if DAY_FIELD in part.path:
            asked = [file for file in files if file.day in set(wanted)]
            return [_rows(file.path, part, shape).with_columns(pl.lit(file.day).alias(DAY)) for file in asked]
        frames = of_one_schema(_rows(path, part, shape) for path in dict.fromkeys(file.path for file in files))
        if table == "events" and self.settings.events.ordinal:
            frames = placed(frames) if TIMESTAMP not in frames[0].collect_schema() else frames
        return [with_day(frame, part, wanted[0], self.first_day) for frame in frames]

    def _part(self, table: RawTable) -> TableFilesSettings:
        return self.settings.events if table == "events" or self.settings.items is None else self.settings.items


def _rows(name: str, part: TableFilesSettings, shape: Shape | None) -> pl.LazyFrame:
    """One file's rows in contract columns."""
    path = Path(name)
    if shape is None:
        return in_contract(_scan(path, part, None), part, path)
    return in_contract(shape.rows(_scan(path, part, shape), path), part, path)


def _scan(path: Path, part: TableFilesSettings, shape: Shape | None) -> pl.LazyFrame:
    """The file's columns that are mapped, or, for a `shape`, all; of JSON objects those that it needs."""
    form = _format(path, part)
    fields = shape.needs if shape else [*map(part.column, part.names), *part.timestamp_columns]
    if form == "parquet":
        return scan_parquet(path, None if shape else fields)
    if form == "csv":
        return scan_delimited(path, _dialect(path, part, shape))
    columns = [] if shape else typed_columns(part)
    return scan_json_lines(path, fields, part.encoding, columns=columns, literals=form == "literals")


def _dialect(path: Path, part: TableFilesSettings, shape: Shape | None) -> Dialect:
    dialect = Dialect(encoding=part.encoding, names=part.header, quoted=part.quoted, nulls=part.nulls)
    names = shape.needs if shape else part.expected.values()
    delimiter = part.delimiter or delimiter_of(path, dialect, names)
    return replace(dialect, delimiter=delimiter, quoted=part.quoted and len(delimiter) == 1)


def _format(path: Path, part: TableFilesSettings) -> Format:
    return format_of(path, part.encoding) if part.format == "auto" else part.format


def _check(path: Path, table: RawTable, part: TableFilesSettings, shape: Shape | None) -> None:
    """Raises SourceError where the file is empty, damaged, or lacks a required or mapped column."""
    match _format(path, part):
        case "parquet":
            there = parquet_columns(path)
        case "csv":
            there = delimited_columns(path, _dialect(path, part, shape))
        case _:
            first_line(path, part.encoding)
            return
    if shape is None:
        _check_mapped(path, table, part, there)
    elif lacking := [name for name in shape.needs if name not in there]:
        raise SourceError(
            f"{path} has no column {lacking[0]!r} (it has {', '.join(there)}): check that it is the published file"
        )


def _check_mapped(path: Path, table: RawTable, part: TableFilesSettings, there: Sequence[str]) -> None:
    for name, column in part.expected.items():
        if column not in there:
            raise SourceError(
                f"{path} has no column {column!r} for {name} (it has {', '.join(there)}): {_advice(table, part, name)}"
            )


def _check_keys(
    paths: Sequence[Path], elsewhere: Callable[[], Sequence[Path]], table: RawTable, part: TableFilesSettings
) -> None:
    """Raises SourceError where no line has a key, as one line may leave out what it has no value for.

    Args:
        paths: Files of JSON objects.
        elsewhere: Files of all days, whose beginnings are looked at, too: all lines of a quiet day may lack a key.
    """
    absent, keys = list(part.expected.values()), list[str]()
    for path in paths:
        absent, found = _absent(path, part, absent)
        keys = keys or found
        if not absent:
            return
    if not keys:
        return
    for path in elsewhere():
        with suppress(SourceError):
            absent, _ = _absent(path, part, absent, to_the_end=False)
        if not absent:
            return
    name = next(name for name, column in part.expected.items() if column == absent[0])
    raise SourceError(
        f"no line of {paths[0]} or another file has the key {absent[0]!r} for {name} (the first has "
        f"{', '.join(keys)}): {_advice(table, part, name)}"
    )


def _absent(
    path: Path, part: TableFilesSettings, fields: Sequence[str], *, to_the_end: bool = True
) -> tuple[list[str], list[str]]:
    literals = _format(path, part) == "literals"
    return absent_fields(path, fields, part.encoding, literals=literals, to_the_end=to_the_end)


def _advice(table: RawTable, part: TableFilesSettings, name: str) -> str:
    if name not in part.names:
        return f"name one that is there in source.{table}.timestamp_columns"
    setting = f"source.{table}.columns.{name}"
    if name in part.required:
        return f"set {setting} to the one that holds it, or source.{table}.constants.{name}"
    return f"set {setting} to the one that holds it, or leave it out"
