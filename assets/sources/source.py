"""What every source of raw logs offers: landing files by day, and how to read them as raw rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Literal, Protocol

import polars as pl

from assets.batches import map_rows
from assets.validation.times import TimestampUnit
from models.columns import DAY

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


@dataclass
class Outside:
    """Counts what a source leaves out for good: rows of files of many days that lie on no day of the profile.

    Attributes:
        first: The profile's first day.
        end: The day after its last; None where its days grow.
        rows: So many were met.
    """

    first: date
    end: date | None
    rows: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def counted(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """`rows`, which have their own days, to be counted on their way."""
        return map_rows(rows, self._count)

    def _count(self, rows: pl.DataFrame) -> pl.DataFrame:
        day = pl.col(DAY)
        outside = rows.select(
            ((day < self.first) | (pl.lit(False) if self.end is None else day >= self.end)).sum()
        ).item()
        with self._lock:
            self.rows += int(outside)
        return rows

    def said(self) -> str:
        """In a sentence."""
        last = f" to {self.end - timedelta(days=1)}" if self.end else " on"
        return f"{self.rows} rows of the files are left out: no day from {self.first}{last} is theirs"


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

    def columns(self, table: RawTable) -> Mapping[str, str]:
        """What the files call those columns that have another name here."""
        ...

    def read(
        self, table: RawTable, files: Sequence[LandedFile], days: Sequence[date], outside: Outside | None = None
    ) -> list[pl.LazyFrame]:
        """The raw rows of `days` in `files`, one frame after another.

        Args:
            outside: Counts events that no day of the profile has, while rows are read.
        """
        ...
