"""The partitions of raw logs, catalogue, events and items: days, or weeks or months of days.

Tables hold days whatever the partitions are. A partition is what one run takes together and what Dagster keeps on
record, so a profile may change its kind at any time.

Days and kind come from the profile; `orchestration.environment` puts them into the variables read here before any
asset is imported, because Dagster wants partitions when an asset is defined.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.execution.context.metadata_logging import AssetMetadataHandle, OutputMetadataAccumulator

from models.columns import DAY

FIRST_DAY_VARIABLE = "GENREC_FIRST_DAY"
LAST_DAY_VARIABLE = "GENREC_LAST_DAY"
PARTITIONS_VARIABLE = "GENREC_PARTITIONS"

ONE_DAY = timedelta(days=1)

KIND = os.environ.get(PARTITIONS_VARIABLE) or "day"
FIRST_DAY = date.fromisoformat(os.environ.get(FIRST_DAY_VARIABLE, "2026-01-01"))
END = date.fromisoformat(end) if (end := os.environ.get(LAST_DAY_VARIABLE)) else None
"""The day after the last; None where the days grow."""


def partition_of(day: date) -> date:
    """The first day of the partition that `day` belongs to, which may lie before the profile's first day.

    Weeks begin on Mondays.
    """
    return {"day": day, "week": day - day.weekday() * ONE_DAY, "month": day.replace(day=1)}[KIND]


def partition_column() -> pl.Expr:
    """The same of each row's day."""
    return pl.col(DAY).dt.truncate({"day": "1d", "week": "1w", "month": "1mo"}[KIND])


def days_of_partition(first: date) -> list[date]:
    """The days of the partition that begins on `first`, as far as they are days of the profile."""
    since, until = max(first, FIRST_DAY), min(_next(first), END or date.max)
    return [since + place * ONE_DAY for place in range((until - since).days)]


def _next(first: date) -> date:
    """The first day of the partition after the one that begins on `first`."""
    return partition_of(first + {"day": 1, "week": 7, "month": 31}[KIND] * ONE_DAY)


def _definition() -> dg.TimeWindowPartitionsDefinition:
    start = partition_of(FIRST_DAY).isoformat()
    # In Dagster's eyes the last one is whole, though the profile may end within it.
    end = _next(partition_of(END - ONE_DAY)).isoformat() if END else None
    if KIND == "week":
        return dg.WeeklyPartitionsDefinition(start_date=start, end_date=end, day_offset=1)
    if KIND == "month":
        return dg.MonthlyPartitionsDefinition(start_date=start, end_date=end)
    return dg.DailyPartitionsDefinition(start_date=start, end_date=end)


partitions = _definition()
"""The key of a partition is its first day. Where the days grow, a partition is there once it has ended."""


def profile_days() -> tuple[date, date | None]:
    """The first day, and the day after the last; None where the days grow."""
    return FIRST_DAY, END


def days_of(context: dg.AssetExecutionContext) -> Sequence[date]:
    """The days this run materializes: those of one partition, or of a range in a single-run backfill."""
    return [day for key in context.partition_keys for day in days_of_partition(date.fromisoformat(key))]


TellPartitions = Callable[[Mapping[date, Mapping[str, Any]]], None]
"""Adds metadata to what the UI shows of partitions, by their first days, each of its own."""


def partitions_told(context: dg.AssetExecutionContext) -> TellPartitions:
    """What a run of many partitions returns as metadata would stand under each; this tells each its own."""

    def tell(told: Mapping[date, Mapping[str, Any]]) -> None:
        # `add_asset_metadata` takes one partition, lists all of the run for it and copies what was told of the others.
        step = context.get_step_execution_context()
        known = dict(step._metadata_accumulator.per_output_metadata)
        for first, metadata in told.items():
            handle = AssetMetadataHandle(asset_key=context.asset_key, partition_key=first.isoformat())
            known[handle] = {**known.get(handle, {}), **metadata}
        step._metadata_accumulator = OutputMetadataAccumulator(per_output_metadata=known)

    return tell
