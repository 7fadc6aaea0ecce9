"""What becomes of a source's raw events when they are judged."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from assets.events.clean import clean_events
from assets.events.row_validator import RowValidator
from assets.sources.source import RawTable, Source
from assets.validation.settings import QualitySettings
from storage.schema import IdType

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def read(source: Source, table: RawTable, days: Sequence[date]) -> pl.DataFrame:
    """The raw rows of `days`, landed and read as the assets do it; all files have one schema."""
    frames = source.read(table, source.land(table, days), days)
    return pl.concat(frame.collect(engine="streaming") for frame in frames)


def judged(
    source: Source, days: Sequence[date], actions: Sequence[str], id_type: IdType, scratch: Path
) -> tuple[pl.DataFrame, Counter[str]]:
    """Accepted events, and how many rows were rejected for which reason."""
    validator = RowValidator(
        QualitySettings(actions=tuple(actions)), id_type, None, NOW, source.timestamp_unit("events")
    )
    raw = source.read("events", source.land("events", days), days)
    parts = list(clean_events(raw, validator, days, rows_in_memory=2_000_000, scratch=scratch))
    reasons = Counter(reason for part in parts for reason in part.rejected["reason"])
    return pl.concat(part.accepted for part in parts), reasons
