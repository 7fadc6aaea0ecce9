"""Rows of a file of many days whose own day cannot be read: each counts once, on the day that first met it.

Every run that reads the file meets them again, and counts them to its first day. If they were judged there each time,
the few of a long log would in the end outweigh what a single day adds. (A run of several days judges them by its rows
as a whole: `assets.validation.day_summary`.)
"""

from collections.abc import Sequence
from datetime import date

import polars as pl

from assets.batches import map_rows
from assets.sources.source import LandedFile
from assets.validation.corrections import COLUMN, Corrections, corrections_elsewhere
from assets.validation.quarantine import BOOKKEEPING, cell_text, json_cell
from models.columns import DAY, ORIGIN, ROW, SOURCE_FILE, SOURCE_ROW, UNDATED
from storage.lake import Lake
from storage.schema import QUARANTINE_SCHEMA, QUARANTINE_TABLE

PLACE = [SOURCE_FILE, SOURCE_ROW]
POSITION = "_position"


def without_put_aside(
    raw: Sequence[pl.LazyFrame],
    lake: Lake,
    origin: str,
    files: Sequence[LandedFile],
    days: Sequence[date],
) -> Sequence[pl.LazyFrame]:
    """`raw` of `days` without undated rows that are quarantined or corrected on other days, batch by batch as before.

    A row whose place says something else by now is another row, and stays.

    Args:
        raw: Rows of `files` as `Source.read` gives them, amended.
    """
    held, mended = _put_aside(lake, origin, files, days), corrections_elsewhere(lake, origin, days)
    places = pl.concat([held.select(PLACE), mended.cells.select(PLACE)]).unique()
    if places.is_empty():
        return raw

    def fresh(rows: pl.DataFrame) -> pl.DataFrame:
        met = rows.with_row_index(POSITION).filter(UNDATED).join(places, on=PLACE, how="semi")
        if met.is_empty():
            return rows
        told = met.filter(_held(met, held) | _mended(met, mended))[POSITION]
        return rows.filter(~pl.int_range(pl.len()).is_in(told.cast(pl.Int64).implode()))

    return [map_rows(frame, fresh) if UNDATED in frame.collect_schema() else frame for frame in raw]


def _put_aside(lake: Lake, origin: str, files: Sequence[LandedFile], days: Sequence[date]) -> pl.DataFrame:
    """`source_file`, `source_row`, `row` of what is quarantined on other days than `days`."""
    if not lake.exists(QUARANTINE_TABLE):
        return pl.DataFrame(schema=QUARANTINE_SCHEMA).select(*PLACE, ROW)
    paths = list({file.path for file in files})
    there = (pl.col(ORIGIN) == origin) & pl.col(SOURCE_FILE).is_in(paths) & ~pl.col(DAY).is_in(list(days))
    return lake.scan(QUARANTINE_TABLE).filter(there).select(*PLACE, ROW).unique().collect()


def _held(rows: pl.DataFrame, held: pl.DataFrame) -> pl.Series:
    """Which rows are in quarantine in the same place with the same cells."""
    names = [name for name in rows.columns if name not in (POSITION, *BOOKKEEPING)]
    texts = rows.select(POSITION, *PLACE, *(cell_text(rows, name) for name in names))
    there = held.select(*PLACE, *(json_cell(pl.col(ROW), name).alias(name) for name in names))
    return rows[POSITION].is_in(texts.join(there, on=[*PLACE, *names], nulls_equal=True)[POSITION].implode())


def _mended(rows: pl.DataFrame, corrections: Corrections) -> pl.Series:
    """Which rows the corrections of their place change in every cell that they name."""
    absent = [pl.lit(None, pl.String).alias(name) for name in corrections.columns if name not in rows.columns]
    before = rows.drop(POSITION).with_columns(absent)
    after = corrections.applied(before)
    other = [before[name].ne_missing(after[name]).cast(pl.Int64) for name in corrections.columns]
    hits = before.select(*PLACE, pl.sum_horizontal(pl.repeat(0, pl.len()), *other).alias("_hits"))
    named = corrections.cells.group_by(PLACE).agg(pl.col(COLUMN).n_unique().alias("_named"))
    both = hits.join(named, on=PLACE, how="left", maintain_order="left")
    return both.select((pl.col("_hits") == pl.col("_named")).fill_null(False)).to_series()
