"""The daily partitions of raw logs, catalogue, events and items.

The days come from the profile; `orchestration.environment` puts them into the two variables read here before any
asset is imported, because Dagster wants partitions when an asset is defined.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

FIRST_DAY_VARIABLE = "GENREC_FIRST_DAY"
LAST_DAY_VARIABLE = "GENREC_LAST_DAY"

daily = dg.DailyPartitionsDefinition(
    start_date=os.environ.get(FIRST_DAY_VARIABLE, "2026-01-01"),
    end_date=os.environ.get(LAST_DAY_VARIABLE) or None,
)
"""`GENREC_LAST_DAY` is exclusive, as Dagster has it; unset means: up to yesterday, growing."""


def days_of(context: dg.AssetExecutionContext) -> Sequence[date]:
    """The days this run materializes: one, or a range in a single-run backfill."""
    return [date.fromisoformat(key) for key in context.partition_keys]


TellDay = Callable[[date, Mapping[str, Any]], None]
"""Adds metadata to what the UI shows of one day."""


def days_told(context: dg.AssetExecutionContext) -> TellDay:
    """What a run of many days returns as metadata would stand under each of them; this tells each day its own."""

    def tell(day: date, metadata: Mapping[str, Any]) -> None:
        context.add_asset_metadata(metadata, partition_key=day.isoformat())

    return tell
