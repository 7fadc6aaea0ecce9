"""What every source of raw logs offers: landing files by day, and how to read them as raw rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Literal, Protocol

import polars as pl

from assets.validation.casts import TimestampUnit

RawTable = Literal["events", "items"]

Snapshot = Literal["auto", "full", "changes"]
"""What a day's rows of the catalogue are: all there is, what was added or changed, or either, to be judged by them."""


class SourceError(ValueError):
    """A landing file is missing or cannot be read; the message names the file and what to do."""


def because(error: BaseException) -> str:
    """The first line of `error`, to be put into one sentence."""
    return next(iter(str(error).splitlines()), type(error).__name__)


@dataclass(frozen=True)
class LandedFile:
    """One landing file that belongs to `day`. A file may hold several days and then stands under each of them."""

    day: date
    path: str
    bytes: int
    modified: datetime

    @classmethod
    def at(cls, path: Path, day: date) -> LandedFile:
        """The file that stands at `path` now."""
        status = path.stat()
        return cls(day, str(path.absolute()), status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def of_one_schema(frames: Iterable[pl.LazyFrame]) -> list[pl.LazyFrame]:
    """`frames` in their order, neighbours joined where they have the same columns of the same types."""
    schemas = ((frame.collect_schema(), frame) for frame in frames)
    groups = groupby(schemas, key=lambda pair: list(pair[0].items()))
    return [pl.concat([frame for _, frame in group]) for _, group in groups]


class Source(Protocol):
    """An adapter from a user's logs onto the data contract.

    `read` returns raw rows: contract columns under their contract names but with whatever type the file gave them
    (missing optional columns are left out), and in addition `day` (the partition a row belongs to), `source_file`,
    `source_row` (0-based within the file) and `malformed` (the text of a row that could not be parsed, else null).
    It never drops a row: judging rows is the cleaner's work. Files whose columns differ stay apart, for no value may be
    changed to fit those of another file: each frame holds neighbouring files of one schema.
    """

    @property
    def snapshot(self) -> Snapshot:
        """What a day's rows of the catalogue are."""
        ...

    def land(self, table: RawTable, days: Sequence[date]) -> list[LandedFile]:
        """Makes sure the landing files of `days` are there and readable.

        Raises:
            SourceError: a day has no file, or a file is empty or damaged.
        """
        ...

    def timestamp_unit(self, table: RawTable) -> TimestampUnit:
        """What a numeric or textual time in the raw rows counts."""
        ...

    def read(self, table: RawTable, files: Sequence[LandedFile], days: Sequence[date]) -> list[pl.LazyFrame]:
        """The raw rows of `days` in `files`, one frame after another."""
        ...
