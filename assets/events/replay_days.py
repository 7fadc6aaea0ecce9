"""Days of events cleaned again without their landing files: from what the tables kept of them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import polars as pl

from assets.decisions import apply_decisions
from assets.events.row_validator import REQUIRED, RowValidator
from assets.events.stage import Cleaning
from assets.sources.source import of_one_schema
from assets.validation.quarantine import Cleaned, Reason
from assets.validation.row_checks import checked
from assets.validation.staged import Staged
from assets.validation.statistics import Tally
from assets.validation.times import TimestampUnit, as_epoch_ms
from models.columns import ARRIVAL, DAY, MALFORMED, ORIGIN, REASON, ROW, SOURCE_FILE, SOURCE_ROW, TIMESTAMP
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, QUARANTINE_TABLE, TIME, with_declared
from storage.staged_files import Staging


def stage_again(staging: Staging, days: Sequence[date], cleaning: Cleaning) -> tuple[Staged, Tally]:
    """Judges the events of `days` and their quarantined rows again and stages what is good now.

    Events come first, in the order of their arrival, then the quarantined rows by file and row; those that the tables
    hold already stay duplicates.

    Args:
        staging: Of the lake that holds them.
        days: Which days.
        cleaning: With the unit of the source's timestamps.
    """
    lake, validator = staging.lake, cleaning.validator
    put_aside = list(_judged_again(lake, validator, days))
    raw = of_one_schema([_events(lake, validator, days), *(good.lazy() for good, _ in put_aside)])
    staged, tally = cleaning.staged(staging, raw, days)
    still_bad = (Cleaned(cleaning.nothing, rejected, rejected.clear()) for _, rejected in put_aside)
    return Staged.joined([cleaning.written(staging, still_bad), staged]), tally


def _events(lake: Lake, validator: RowValidator, days: Sequence[date]) -> pl.LazyFrame:
    """The events of `days` as raw rows; each stands in the table at its day and arrival."""
    return (
        with_declared(lake.scan(EVENTS_TABLE), validator.rules.columns)
        .filter(pl.col(DAY).is_in(list(days)))
        .sort(DAY, ARRIVAL)
        .select(
            DAY,
            *validator.columns,
            pl.lit(EVENTS_TABLE).alias(SOURCE_FILE),
            pl.col(ARRIVAL).alias(SOURCE_ROW),
            pl.lit(None, pl.String).alias(MALFORMED),
        )
    )


def _judged_again(
    lake: Lake, validator: RowValidator, days: Sequence[date]
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Good rows, as raw rows of the contract's types, and rejected ones of each file that rows were put aside of."""
    put_aside = (
        lake.scan(QUARANTINE_TABLE)
        .filter(pl.col(ORIGIN) == EVENTS_TABLE, pl.col(DAY).is_in(list(days)))
        .sort(DAY, SOURCE_FILE, SOURCE_ROW)
        .collect()
        .with_columns(understood=pl.col(REASON) == Reason.DUPLICATE)
    )
    for (_, _, understood), rows in put_aside.partition_by(
        DAY, SOURCE_FILE, "understood", as_dict=True, maintain_order=True
    ).items():
        (frame,) = apply_decisions([_raw(rows).lazy()], lake, EVENTS_TABLE, days, validator.id_type)
        raw = frame.collect()
        unit: TimestampUnit = "ms" if understood else _unit(raw, validator.unit)
        good, rejected = replace(validator, unit=unit).validate(checked(raw, days, REQUIRED, EVENTS_TABLE))
        moment = pl.from_epoch(TIMESTAMP, "ms").dt.replace_time_zone("UTC").cast(TIME)
        yield good.with_columns(moment, pl.lit(None, pl.String).alias(MALFORMED)), rejected


def _raw(rows: pl.DataFrame) -> pl.DataFrame:
    """Quarantined rows of one file as the source gave them, but for times, which JSON holds as text."""
    cells = rows[ROW].str.json_decode(infer_schema_length=None).struct.unnest()
    return cells.with_columns(rows[DAY], rows[SOURCE_FILE], rows[SOURCE_ROW])


def _unit(raw: pl.DataFrame, unit: TimestampUnit) -> TimestampUnit:
    """The unit in which the times can be read: what was a date-time in the file is ISO text here."""
    if raw.schema.get(TIMESTAMP) != pl.String:
        return unit
    readable = raw.select(as_epoch_ms(TIMESTAMP, pl.String(), unit).is_not_null().any()).item()
    return unit if readable else "iso"
