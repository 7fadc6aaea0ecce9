"""Rows of a file of many days whose own day cannot be read: each counts once, on the day that first met it.

Every run that reads the file meets them again, and counts them to its first day. If they were judged there each time,
the few of a long log would in the end outweigh what a single day adds.
"""

from collections.abc import Sequence
from datetime import date

import polars as pl

from assets.quality.amend import changed
from assets.quality.casts import TimestampUnit, as_epoch_ms
from assets.quality.quarantine import BOOKKEEPING, cell_text, json_cell
from assets.sources.contract import own_day
from assets.sources.source import LandedFile
from models.columns import DAY, ORIGIN, ROW, SOURCE_FILE, SOURCE_ROW
from storage.lake import Lake
from storage.schema import QUARANTINE_TABLE

PLACE = [SOURCE_FILE, SOURCE_ROW]
POSITION = "position"


def without_put_aside(
    raw: Sequence[pl.LazyFrame],
    lake: Lake,
    origin: str,
    files: Sequence[LandedFile],
    days: Sequence[date],
    time: str,
    unit: TimestampUnit,
) -> Sequence[pl.LazyFrame]:
    """`raw` of `days` without the undated rows that the quarantine holds on other days, batch by batch as before.

    A row whose place says something else by now is another row, and stays.

    Args:
        raw: Rows of `files` as `Source.read` gives them, amended.
        time: The column of a row's time, in `unit`.
    """
    held = _put_aside(lake, origin, files, days)
    if held.is_empty():
        return raw

    def fresh(rows: pl.DataFrame) -> pl.DataFrame:
        told = _told(rows, held, time, unit)
        return (
            rows
            if told.is_empty()
            else rows.with_row_index(POSITION).join(told, on=POSITION, how="anti").drop(POSITION)
        )

    return [changed(frame, fresh) for frame in raw]


def _put_aside(lake: Lake, origin: str, files: Sequence[LandedFile], days: Sequence[date]) -> pl.DataFrame:
    """`source_file`, `source_row`, `row` of what is quarantined on other days than `days`."""
    if not lake.exists(QUARANTINE_TABLE):
        return pl.DataFrame(schema=dict.fromkeys([SOURCE_FILE, SOURCE_ROW, ROW]))
    paths = list({file.path for file in files})
    mine = (pl.col(ORIGIN) == origin) & pl.col(SOURCE_FILE).is_in(paths) & ~pl.col(DAY).is_in(list(days))
    return lake.scan(QUARANTINE_TABLE).filter(mine).select(*PLACE, ROW).unique().collect()


def _told(rows: pl.DataFrame, held: pl.DataFrame, time: str, unit: TimestampUnit) -> pl.DataFrame:
    """`position` of the undated rows that stand in `held` as they are."""
    places = rows.select(pl.col(SOURCE_FILE).cast(pl.String), pl.col(SOURCE_ROW).cast(pl.Int64))
    pairs = places.with_row_index(POSITION).join(held, on=PLACE)
    if pairs.is_empty():
        return pairs
    there = rows[pairs[POSITION]]
    same = [
        cell_text(there, name).eq_missing(_held_text(pairs, name)) for name in rows.columns if name not in BOOKKEEPING
    ]
    if time in rows.columns:
        moment = pl.from_epoch(as_epoch_ms(time, rows.schema[time], unit), "ms")
        same.append(there.select(own_day(moment).is_null()).to_series())
    return pairs.filter(pl.all_horizontal(*same)).select(POSITION).unique()


def _held_text(pairs: pl.DataFrame, name: str) -> pl.Series:
    return pairs.select(json_cell(pl.col(ROW), name)).to_series()
