"""The daily partitions of raw logs, catalogue, events and items.

The days come from the profile; `orchestration.environment` puts them into the two variables read here before any
asset is imported, because Dagster wants partitions when an asset is defined.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.execution.context.metadata_logging import AssetMetadataHandle, OutputMetadataAccumulator

FIRST_DAY_VARIABLE = "GENREC_FIRST_DAY"
LAST_DAY_VARIABLE = "GENREC_LAST_DAY"

daily = dg.DailyPartitionsDefinition(
    start_date=os.environ.get(FIRST_DAY_VARIABLE, "2026-01-01"),
    end_date=os.environ.get(LAST_DAY_VARIABLE) or None,
)
"""`GENREC_LAST_DAY` is exclusive, as Dagster has it; unset means: up to yesterday, growing."""


def profile_days() -> tuple[date, date | None]:
    """The first day, and the day after the last; None where the days grow."""
    return daily.start.date(), daily.end.date() if daily.end else None


def days_of(context: dg.AssetExecutionContext) -> Sequence[date]:
    """The days this run materializes: one, or a range in a single-run backfill."""
    return [date.fromisoformat(key) for key in context.partition_keys]


TellDays = Callable[[Mapping[date, Mapping[str, Any]]], None]
"""Adds metadata to what the UI shows of days, each of its own."""


def days_told(context: dg.AssetExecutionContext) -> TellDays:
    """What a run of many days returns as metadata would stand under each of them; this tells each day its own."""

    def tell(told: Mapping[date, Mapping[str, Any]]) -> None:
        # `add_asset_metadata` takes one day, lists all days of the run for it and copies what was told of the others.
        step = context.get_step_execution_context()
        known = dict(step._metadata_accumulator.per_output_metadata)
        for day, metadata in told.items():
            handle = AssetMetadataHandle(asset_key=context.asset_key, partition_key=day.isoformat())
            known[handle] = {**known.get(handle, {}), **metadata}
        step._metadata_accumulator = OutputMetadataAccumulator(per_output_metadata=known)

    return tell
