"""Days of events written as files that no table names yet; what is to be judged before it is published."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from assets.decisions import apply_decisions
from assets.engine import Engine
from assets.events.clean import clean_events
from assets.events.row_validator import RowValidator
from assets.sources.damage import damage_explained
from assets.sources.source import LandedFile, Outside, Source
from assets.sources.undated import without_put_aside
from assets.validation.expectation import Expectation
from assets.validation.quarantine import Cleaned, write_quarantine
from assets.validation.staged import Staged
from assets.validation.statistics import Tally
from models.columns import DAY
from storage.lake import Lake
from storage.schema import EVENTS_TABLE
from storage.staged_files import Staging


@dataclass(frozen=True)
class Cleaning:
    """How rows are cleaned and what is counted of them on the way.

    Attributes:
        suite: The expectations on events, as whose rows are counted.
        known: As `Tally.of` takes it.
        rows_in_memory: About how many rows may be held at once.
    """

    validator: RowValidator
    suite: Sequence[Expectation]
    known: pl.DataFrame | None
    rows_in_memory: int

    def staged(self, staging: Staging, raw: Iterable[pl.LazyFrame], days: Sequence[date]) -> tuple[Staged, Tally]:
        """What came of the raw rows of `days`, as `clean_events` takes them."""
        parts = clean_events(raw, self.validator, days, rows_in_memory=self.rows_in_memory, scratch=staging.scratch)
        tallies = [Tally.of(self.nothing.lazy(), self.known)]
        tallied = _tallied(parts, tallies, self.known)
        return self.written(staging, tallied), Tally.joined(tallies)

    def written(self, staging: Staging, parts: Iterable[Cleaned]) -> Staged:
        """Stages what cleaning yields, part by part."""
        written = (_written(staging, part, number, self.suite) for number, part in enumerate(parts))
        return Staged.joined([Staged.empty(self.nothing, self.suite), *written])

    @property
    def nothing(self) -> pl.DataFrame:
        """No event."""
        return pl.DataFrame(schema=self.validator.schema)


@dataclass(frozen=True)
class DaysOfEvents:
    """Days whose files hold no other day, to be cleaned together.

    Attributes:
        token: Of the run that this belongs to.
        files: All landing files of `days`.
        span: Of the profile, as `Outside` takes it.
    """

    lake: Lake
    token: str
    source: Source
    files: Sequence[LandedFile]
    days: Sequence[date]
    cleaning: Cleaning
    span: tuple[date, date | None]


def stage_events(
    staging: Staging,
    engine: Engine,
    source: Source,
    files: Sequence[LandedFile],
    days: Sequence[date],
    cleaning: Cleaning,
    span: tuple[date, date | None],
) -> tuple[Staged, Tally]:
    """Cleans the landing files of `days` and stages what came of them, days side by side where their files allow it.

    Rows are counted for the expectations and the statistics while they are in memory.
    """
    share = replace(cleaning, rows_in_memory=max(1, cleaning.rows_in_memory // engine.workers))
    tasks = [
        DaysOfEvents(staging.lake, staging.token, source, files_of, days_of, share, span)
        for days_of, files_of in apart(files, days)
    ]
    staged, tallies = zip(*engine.map(stage_days, tasks), strict=True)
    return Staged.joined(staged), Tally.joined(tallies)


def stage_days(task: DaysOfEvents) -> tuple[Staged, Tally]:
    """Cleans one group of days."""
    paths, validator = [file.path for file in task.files], task.cleaning.validator
    with Staging(task.lake, task.token) as staging, damage_explained(paths):
        outside = Outside(*task.span)
        landed = task.source.read("events", task.files, task.days, outside)
        raw = apply_decisions(landed, task.lake, EVENTS_TABLE, task.days, validator.id_type)
        raw = without_put_aside(raw, task.lake, EVENTS_TABLE, task.files, task.days)
        staged, tally = task.cleaning.staged(staging, raw, task.days)
        return replace(staged, outside=outside.rows), tally


def apart(files: Sequence[LandedFile], days: Sequence[date]) -> list[tuple[list[date], list[LandedFile]]]:
    """Groups of days that share no file, each with its files, in order of their first day.

    A file that holds many days is read once for all of them, and one that holds a single day does not wait for others.
    """
    leads = {day: day for day in days}
    first_of: dict[str, date] = {}
    for file in files:
        one, other = (_leader(leads, day) for day in (file.day, first_of.setdefault(file.path, file.day)))
        leads[max(one, other)] = min(one, other)
    groups: dict[date, tuple[list[date], list[LandedFile]]] = {
        day: ([], []) for day in sorted(days) if leads[day] == day
    }
    for day in sorted(days):
        groups[_leader(leads, day)][0].append(day)
    for file in files:
        groups[_leader(leads, file.day)][1].append(file)
    return list(groups.values())


def _leader(leads: dict[date, date], day: date) -> date:
    """The first day of the group of `day`, to which it then points at once."""
    first = day
    while leads[first] != first:
        first = leads[first]
    while leads[day] != first:
        leads[day], day = first, leads[day]
    return first


def _written(staging: Staging, part: Cleaned, number: int, suite: Sequence[Expectation]) -> Staged:
    files = staging.write_partitions(EVENTS_TABLE, part.accepted, [DAY], number)
    return Staged.of(part, files, write_quarantine(staging, part.quarantine, number), suite)


def _tallied(parts: Iterable[Cleaned], tallies: list[Tally], known: pl.DataFrame | None) -> Iterator[Cleaned]:
    """`parts`, whose tallies are put into `tallies` as they pass."""
    for part in parts:
        if part.accepted.height:
            tallies.append(Tally.of(part.accepted.lazy(), known))
        yield part
