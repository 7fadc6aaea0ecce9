"""A file landed, read and cleaned, as a log of events, of ratings, or as a catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from assets.events.clean import clean_events
from assets.events.row_validator import RowValidator
from assets.items.clean import clean_items
from assets.sources.damage import damage_explained
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.sources.movielens import MovieLens, MovieLensSettings
from assets.sources.source import RawTable, Source
from assets.validation.quarantine import Cleaned
from assets.validation.settings import QualitySettings
from storage.schema import events_schema
from tests.assets.sources.validating import NOW
from tests.faults.corpus import DAY, LOG, ROWS

DAYS_OF_RATINGS = [date(1995, 1, 1) + timedelta(days=number) for number in range(40 * 365)]
"""All that can be the day of a rating; one of another time is judged on the first."""

AS_ITEMS = {
    "item_id": "user_id",
    "title": "item_id",
    "description": "action",
    "categories": "surface",
    "available_from": "timestamp",
}

RATINGS = LOG.select(
    user_id=pl.col("user_id").str.strip_prefix("user-"),
    item_id=pl.col("item_id").str.strip_prefix("item-"),
    timestamp="timestamp",
    action=pl.lit("rating"),
    value=(pl.int_range(ROWS) % 5 + 1).cast(pl.Float32),
    surface=pl.lit(None, pl.String),
)

ITEMS = LOG.select(
    item_id="user_id",
    title="item_id",
    description="action",
    categories=pl.concat_list("surface").list.drop_nulls(),
    available_from="timestamp",
)


@dataclass(frozen=True)
class Reading:
    """What became of a file.

    Attributes:
        rows: Places in the file of all rows that were read.
        rejected: Places of those that were rejected.
        accepted: The others, in the columns of the good log as this kind of file gives it.
        good: That log, all of it.
    """

    rows: pl.Series
    rejected: pl.Series
    accepted: pl.DataFrame
    good: pl.DataFrame


def read_events(path: Path) -> Reading:
    """Raises SourceError where the file is refused."""
    return _events(_files(path), [DAY], path, LOG)


def read_ratings(path: Path) -> Reading:
    """Raises SourceError where the file is refused."""
    settings = MovieLensSettings(kind="movielens", path=str(path.parent))
    return _events(MovieLens(settings, DAYS_OF_RATINGS[0]), DAYS_OF_RATINGS, path, RATINGS)


def read_items(path: Path) -> Reading:
    """Raises SourceError where the file is refused."""
    source = _files(path)
    rows, raw = _landed(source, "items", [DAY])
    with damage_explained([str(path)]):
        cleaned = clean_items(raw, QualitySettings(), "string", [DAY])
    return _reading(rows, [cleaned], "available_from", ITEMS)


def _events(source: Source, days: Sequence[date], path: Path, good: pl.DataFrame) -> Reading:
    validator = RowValidator(QualitySettings(), "string", None, NOW, source.timestamp_unit("events"))
    rows, raw = _landed(source, "events", days)
    with damage_explained([str(path)]):
        parts = list(clean_events(raw, validator, days, rows_in_memory=1_000_000, scratch=path.parent))
    empty = pl.DataFrame(schema=events_schema("string"))
    nothing = Cleaned(empty, rejected := pl.DataFrame(schema={"source_row": pl.Int64}), rejected)
    return _reading(rows, parts or [nothing], "timestamp", good)


def _reading(rows: pl.Series, parts: Sequence[Cleaned], time: str, good: pl.DataFrame) -> Reading:
    accepted = pl.concat(part.accepted for part in parts).with_columns(pl.col(time).dt.timestamp("ms"))
    rejected = pl.concat(part.rejected["source_row"] for part in parts)
    return Reading(rows, rejected, accepted.select(good.columns), good)


def _files(path: Path) -> Files:
    name = f"{path.parent}/{path.name.replace(str(DAY), '{day}')}"
    settings = {"kind": "files", "events": {"path": name}, "items": {"path": name, "columns": AS_ITEMS}}
    return Files(FilesSettings.model_validate(settings), DAY)


def _landed(source: Source, table: RawTable, days: Sequence[date]) -> tuple[pl.Series, list[pl.LazyFrame]]:
    """Places of all rows, and the rows."""
    landed = source.land(table, days)
    with damage_explained(file.path for file in landed[:1]):
        frames = [frame.select("source_row").collect() for frame in source.read(table, landed, days)]
        rows = pl.concat(frames)["source_row"]
    return rows, source.read(table, landed, days)
