"""Raw events to events: every row is either accepted with the contract's types or quarantined with one reason.

Rows come in batches, so no more of them are in memory than the profile allows. What is good is put in order in cells,
each a range of users on one day, or several days that have few rows: from memory where all good rows fit there, else
from runs on disk, each of which is sorted by day and slot, so that a cell is one slice of every run.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from assets.batches import batches
from assets.buckets import SLOTS, slots_of, user_hashes
from assets.events.order import order_events
from assets.events.row_validator import REQUIRED, RowValidator
from assets.validation.quarantine import Cleaned, Reason, quarantined
from assets.validation.row_checks import checked, rejected_undated
from models.columns import ACTION, ARRIVAL, DAY, HASH_SLOT, ITEM_ID, SOURCE_FILE, SOURCE_ROW, TIMESTAMP, USER_ID
from storage.literal_paths import scan_arrow
from storage.schema import EVENTS_TABLE, TIME
from storage.staged_files import writing

IDENTITY = (USER_ID, ITEM_ID, TIMESTAMP, ACTION)
"""Two rows of a day with the same identity are one event that arrived twice."""

FEWEST_ROWS = 65_536
"""Smaller batches are joined, because each costs the same few milliseconds."""


def clean_events(
    raw: Iterable[pl.LazyFrame], validator: RowValidator, days: Sequence[date], *, rows_in_memory: int, scratch: Path
) -> Iterator[Cleaned]:
    """Judges the raw events of `days` part by part; the parts together hold every row once.

    The accepted rows of a part have `validator.schema` and are sorted by (day, user's hash, time, item, action). A part
    holds whole days, or users of one day, and those of a later part of that day have larger hashes. An event belongs to
    the day it arrived on, however late it is. Of events with one identity (IDENTITY) on one day the first to arrive is
    kept; one that arrives again on another day changes nothing in the sequences.

    Args:
        raw: Rows as `Source.read` gives them, in order of arrival; each frame is judged by itself.
        rows_in_memory: About how many rows are held at once.
        scratch: Folder for what does not fit; what is written there is deleted again.

    Raises:
        ValueError: a row belongs to none of `days`, or a required column is missing altogether.
    """
    arrivals = Arrivals()
    held: list[pl.DataFrame] = []
    runs: list[Run] = []
    for batch in (batch for frame in raw for batch in _batches(frame, rows_in_memory // 2)):
        good, rejected = validator.validate(checked(batch, days, REQUIRED, EVENTS_TABLE))
        if rejected.height:
            undated = rejected_undated(batch, rejected)
            yield Cleaned(pl.DataFrame(schema=validator.schema), rejected, rejected.clear(), undated)
        held.append(_with_slot(arrivals.number(good)))
        if sum(frame.height for frame in held) > rows_in_memory:
            runs.append(Run.write(pl.concat(held), scratch / f"run-{len(runs)}.arrow"))
            held = []
    rest = pl.concat(held) if held else None
    if not runs:
        cells = [] if rest is None else _cells_in_memory(rest)
        yield from (_cleaned(cell, validator) for cell in cells)
        return
    if rest is not None and rest.height:
        runs.append(Run.write(rest, scratch / f"run-{len(runs)}.arrow"))
    yield from (_cleaned(cell, validator) for cell in _cells(runs, rows_in_memory // 2))
    for run in runs:
        run.path.unlink()


class Arrivals:
    """Numbers the good rows of each day in the order in which they come."""

    def __init__(self) -> None:
        self._next: dict[date, int] = {}

    def number(self, rows: pl.DataFrame) -> pl.DataFrame:
        counts = dict(rows.group_by(DAY).len().iter_rows())
        before = {day: self._next.get(day, 0) for day in counts}
        self._next |= {day: before[day] + count for day, count in counts.items()}
        if len(counts) == 1:
            (first,) = before.values()
            return rows.with_columns(pl.int_range(first, first + pl.len(), dtype=pl.Int64).alias(ARRIVAL))
        within = pl.int_range(pl.len(), dtype=pl.Int64).over(DAY)
        start = pl.col(DAY).replace_strict(before, return_dtype=pl.Int64) if before else pl.lit(0, pl.Int64)
        return rows.with_columns((start + within).alias(ARRIVAL))


@dataclass(frozen=True)
class Run:
    """Good rows on disk, sorted by (day, slot).

    Attributes:
        path: An Arrow file.
        places: Of each day, where its rows begin and end.
    """

    path: Path
    places: dict[date, tuple[int, int]]

    @classmethod
    def write(cls, rows: pl.DataFrame, path: Path) -> "Run":
        order = pl.Series(_by_day_and_slot(rows))
        rows = rows.with_columns(pl.col(SOURCE_FILE).cast(pl.Categorical)).select(pl.all().gather(order))
        with writing(path):
            rows.write_ipc(path, compression="uncompressed")
        days, counts = _day_counts(rows)
        ends = np.cumsum(counts).tolist()
        return cls(path, dict(zip(days, zip([0, *ends], ends, strict=False), strict=True)))

    def slots(self, day: date) -> np.ndarray:
        """(SLOTS + 1,) int64 where each slot's rows of the day begin."""
        first, end = self.places.get(day, (0, 0))
        slots = scan_arrow(self.path).select(HASH_SLOT).slice(first, end - first).collect()[HASH_SLOT]
        return first + np.searchsorted(slots.to_numpy(), np.arange(SLOTS + 1))

    def rows(self, day: date) -> int:
        first, end = self.places.get(day, (0, 0))
        return end - first

    def read(self, first: int, end: int) -> pl.DataFrame:
        """The rows from place `first` to `end`."""
        return scan_arrow(self.path).slice(first, end - first).collect()

    def read_days(self, first: date, last: date) -> pl.DataFrame:
        places = [place for day in self.places if first <= day <= last for place in self.places[day]]
        return self.read(min(places, default=0), max(places, default=0))


def _batches(raw: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    held: list[pl.DataFrame] = []
    for batch in batches(raw, rows):
        held.append(batch)
        if sum(frame.height for frame in held) >= min(rows, FEWEST_ROWS):
            yield pl.concat(held, rechunk=True)
            held = []
    if held:
        yield pl.concat(held, rechunk=True)


def _by_day_and_slot(rows: pl.DataFrame) -> np.ndarray:
    """(n,) positions by day and slot, in order of arrival within."""
    slots, days = rows[HASH_SLOT].to_numpy(), rows[DAY].to_physical().to_numpy()
    if len(days) and (days == days[0]).all():
        # Of 16-bit numbers numpy's stable sort is a radix sort.
        return np.argsort(slots.astype(np.uint16), kind="stable")
    return np.argsort((days.astype(np.int64) * SLOTS) + slots, kind="stable")


def _with_slot(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.Series(HASH_SLOT, slots_of(user_hashes(rows[USER_ID])), dtype=pl.Int16))


def _cells_in_memory(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """`rows` day by day, several days together where they have few."""
    rows = rows if rows[DAY].is_sorted() else rows.sort(DAY, maintain_order=True)
    _, counts = _day_counts(rows)
    ends = [0, *np.cumsum(counts).tolist()]
    for days in _together(counts, FEWEST_ROWS):
        yield rows.slice(ends[days.start], ends[days.stop] - ends[days.start])


def _cells(runs: Sequence[Run], rows: int) -> Iterator[pl.DataFrame]:
    """The rows of all runs, day by day, several days together where they have few, else in ranges of slots that hold
    about `rows`."""
    days = sorted({day for run in runs for day in run.places})
    for together in _together([sum(run.rows(day) for run in runs) for day in days], min(rows, FEWEST_ROWS)):
        first, last = days[together.start], days[together.stop - 1]
        if first < last:
            yield pl.concat([run.read_days(first, last) for run in runs]).sort(DAY, maintain_order=True)
            continue
        starts = [run.slots(first) for run in runs]
        sizes = sum(np.diff(places) for places in starts)
        edges = [0, *(np.flatnonzero(np.diff(np.cumsum(sizes) // rows)) + 1).tolist(), SLOTS]
        for low, high in pairwise(edges):
            cell = pl.concat([run.read(places[low], places[high]) for run, places in zip(runs, starts, strict=True)])
            if cell.height:
                yield cell


def _day_counts(rows: pl.DataFrame) -> tuple[list[date], list[int]]:
    """The days of `rows`, sorted by day, and how many rows each has."""
    runs = rows[DAY].rle().struct
    return runs.field("value").to_list(), runs.field("len").to_list()


def _together(counts: Sequence[int], most: int) -> Iterator[range]:
    """Ranges of neighbours whose counts add up to at most `most`, or a single one."""
    first, total = 0, 0
    for place, count in enumerate(counts):
        if place > first and total + count > most:
            yield range(first, place)
            first, total = place, 0
        total += count
    if counts:
        yield range(first, len(counts))


def _cleaned(rows: pl.DataFrame, validator: RowValidator) -> Cleaned:
    """One cell, sorted by day, in its order, and what arrived twice in it."""
    hashes = user_hashes(rows[USER_ID])
    columns = (
        hashes,
        rows[TIMESTAMP].to_numpy(),
        _keys(rows[ITEM_ID]),
        rows[ACTION].cast(pl.Enum(validator.rules.actions)).to_physical().to_numpy(),
    )
    _, counts = _day_counts(rows)
    edges = [0, *np.cumsum(counts).tolist()]
    orders, repeats = zip(*(order_events(*(c[a:b] for c in columns)) for a, b in pairwise(edges)), strict=True)
    order = np.concatenate([np.uint32(start) + order for start, order in zip(edges, orders, strict=False)])
    repeated = np.concatenate(repeats)
    if rows.schema[USER_ID] == pl.String:
        _require_distinct_hashes(rows[USER_ID].gather(pl.Series(order)), hashes[order])
    first = rows.select(pl.exclude(SOURCE_FILE, SOURCE_ROW).gather(pl.Series(order[~repeated])))
    rejected = _duplicates(rows.select(pl.all().gather(pl.Series(order[repeated]))))
    return Cleaned(_finished(first, list(validator.schema)), rejected, rejected.clear())


def _keys(items: pl.Series) -> np.ndarray:
    """(n,) uint64, one for each item, on every machine the same, because rows are sorted by it."""
    return user_hashes(items) if items.dtype == pl.String else items.to_numpy().view(np.uint64)


def _require_distinct_hashes(users: pl.Series, hashes: np.ndarray) -> None:
    clash = (users != users.shift()).fill_null(False).to_numpy() & (np.diff(hashes, prepend=hashes[:1] + 1) == 0)
    if clash.any():
        place = int(np.argmax(clash))
        raise ValueError(
            f"the users {users[place - 1]!r} and {users[place]!r} have the same 64-bit hash and would be taken for "
            "one: rename one of them in the source"
        )


def _duplicates(rows: pl.DataFrame) -> pl.DataFrame:
    """Quarantined as they were understood: the raw rows are not kept until here."""
    reasons = pl.repeat(Reason.DUPLICATE.value, rows.height, dtype=pl.String, eager=True)
    return quarantined(rows.drop(ARRIVAL, HASH_SLOT), reasons, EVENTS_TABLE)


def _finished(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    return rows.with_columns(
        pl.from_epoch(TIMESTAMP, "ms").dt.replace_time_zone("UTC").cast(TIME),
    ).select(columns)
