"""The demo world as a source: writes its own landing files, and knows the truth behind them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from assets.sources.demo_world.audience import Audience
from assets.sources.demo_world.catalogue import FIRST_ITEM_ID, item_count, item_frame
from assets.sources.demo_world.dirt import with_dirt
from assets.sources.demo_world.landing import DayFolder, alone
from assets.sources.demo_world.log import DAY_MS, FIRST_USER_ID, OFFERED, event_rows
from assets.sources.demo_world.settings import DemoWorldSettings
from assets.sources.demo_world.streams import Stream, stream
from assets.sources.formats.parquet import scan_parquet
from assets.sources.source import LandedFile, Outside, RawTable, Snapshot, SourceError, of_one_schema
from assets.validation.times import TimestampUnit
from models.columns import DAY
from models.declared import NO_COLUMNS, DeclaredColumns

__all__ = ["OFFERED", "DemoWorld"]

WORLD_VERSION = 1
"""Counts up when the same settings give other files; files of another version are written again."""


class DemoWorld:
    """A seeded world of `settings.users` people and a growing catalogue.

    Args:
        settings: Size, seed and dirt.
        landing: Folder for the landing files.
        first_day: Day 0 of the world.
        declared: The columns that the profile declares, of OFFERED: only those stand in the files.
    """

    snapshot: Snapshot = "changes"

    def __init__(
        self, settings: DemoWorldSettings, landing: str, first_day: date, declared: DeclaredColumns = NO_COLUMNS
    ) -> None:
        self.settings = settings
        self.landing = Path(landing)
        self.first_day = first_day
        self.declared = declared

    def land(self, table: RawTable, days: Sequence[date]) -> list[LandedFile]:
        """Writes the landing files of `days` that are not there yet.

        Raises:
            SourceError: a day lies before the world's first day.
        """
        for day in days:
            self._index(day)
        folders = {day: DayFolder(self.landing / table / day.isoformat(), self._mark()) for day in sorted(days)}
        with alone(self.landing / table):
            missing = {day: folder for day, folder in folders.items() if not folder.complete()}
            if missing:
                (self._write_events if table == "events" else self._write_items)(missing)
        return [LandedFile.at(path, day) for day, folder in folders.items() for path in folder.parts()]

    def columns(self, table: RawTable) -> Mapping[str, str]:
        return {}

    def timestamp_unit(self, table: RawTable) -> TimestampUnit:
        return "ms"

    def read(
        self, table: RawTable, files: Sequence[LandedFile], days: Sequence[date], outside: Outside | None = None
    ) -> list[pl.LazyFrame]:
        """The raw rows of `days`; timestamps of events are int64 epoch milliseconds."""
        scans = [scan_parquet(f.path).with_columns(pl.lit(f.day).alias(DAY)) for f in files if f.day in set(days)]
        return of_one_schema(scans)

    def expected_feedback(self, user_ids: np.ndarray, item_ids: np.ndarray, day: date) -> np.ndarray:
        """The oracle: expected number of clicks of each user on each item on `day`.

        It is exposure x response at the user's true state when the day begins; items that the user clicked before,
        items that are not available yet, and ids that the world does not know get 0.

        Args:
            user_ids: (U,) user ids, int64 or convertible.
            item_ids: (I,) item ids, int64 or convertible.
            day: The day on which the clicks would happen.

        Returns:
            (U, I) float32.

        Raises:
            SourceError: `day` lies before the world's first day.
        """
        return self._told(user_ids, item_ids, day, Audience.expected)

    def click_chances(self, user_ids: np.ndarray, item_ids: np.ndarray, day: date) -> np.ndarray:
        """How likely each user clicks each item at the beginning of `day`, if it is shown to them.

        Arguments, shapes and errors are those of `expected_feedback`; 0 for what the world does not know.
        """
        return self._told(user_ids, item_ids, day, Audience.click_chances)

    def _told(
        self, user_ids: np.ndarray, item_ids: np.ndarray, day: date, what: Callable[[Audience, np.ndarray], np.ndarray]
    ) -> np.ndarray:
        index, size = self._index(day), self.settings.users_per_file
        users = np.asarray(user_ids).astype(np.int64) - FIRST_USER_ID
        items = np.asarray(item_ids).astype(np.int64) - FIRST_ITEM_ID
        known = np.flatnonzero((items >= 0) & (items < item_count(self.settings, index)))
        rates = np.zeros((len(users), len(items)), dtype=np.float32)
        real = (users >= 0) & (users < self.settings.users)
        for chunk in np.unique(users[real] // size).tolist():
            rows = np.flatnonzero(real & (users // size == chunk))
            truth = what(Audience(self.settings, chunk, index, last_day=index), users[rows] - chunk * size)
            rates[np.ix_(rows, known)] = truth[:, items[known]]
        return rates

    def _write_events(self, missing: dict[date, DayFolder]) -> None:
        """Chunk by chunk, each living once through the days, so memory is bounded by one chunk's day."""
        indices = {self._index(day): folder for day, folder in missing.items()}
        for chunk in range(-(-self.settings.users // self.settings.users_per_file)):
            audience = Audience(self.settings, chunk, min(indices), max(indices))
            for day in range(min(indices), max(indices) + 1):
                impressions = audience.browse()
                if day in indices:
                    draw = stream(self.settings.seed, Stream.EVENTS, chunk, day)
                    first_user = chunk * self.settings.users_per_file
                    rows = event_rows(impressions, first_user, f"d{day}", self._midnight(day), draw, self.declared)
                    dirt = stream(self.settings.seed, Stream.DIRT, chunk, day)
                    indices[day].write(chunk, with_dirt(rows, self.settings.dirt, dirt))
        for folder in missing.values():
            folder.publish()

    def _write_items(self, missing: dict[date, DayFolder]) -> None:
        for day, folder in missing.items():
            index = self._index(day)
            folder.write(0, item_frame(self.settings, index, self._midnight(index)))
            folder.publish()

    def _index(self, day: date) -> int:
        if day < self.first_day:
            raise SourceError(f"the demo world has no day {day}: it begins on {self.first_day}; choose a later day")
        return (day - self.first_day).days

    def _midnight(self, day: int) -> int:
        """Start of the day in epoch milliseconds."""
        start = datetime(self.first_day.year, self.first_day.month, self.first_day.day, tzinfo=UTC)
        return int(start.timestamp()) * 1_000 + day * DAY_MS

    def _mark(self) -> str:
        """Names the world in its files, so that files of another world are not taken for its own."""
        more = [",".join(sorted(self.declared))] if self.declared else []
        return " ".join([str(WORLD_VERSION), str(self.first_day), self.settings.model_dump_json(), *more])
