"""The asset `events`: raw events, validated."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import polars as pl

from assets.events.clean import clean_events
from assets.events.expectations import events_expectations
from assets.events.rules import QualitySettings
from assets.partitions import daily, days_of
from assets.quality.checks import check_specs
from assets.quality.publish import publish
from assets.quality.summary import by_day
from assets.resources import LakeResource, QualityResource, SourceResource
from assets.schema import EVENTS_TABLE, ITEMS_TABLE
from assets.sources.ledger import landed_files
from models.columns import DAY, ITEM_ID


@dg.asset(
    deps=["raw_events", "items"],
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="validated",
    kinds={"polars", "delta", "greatexpectations"},
    owners=["team:data"],
    code_version="1",
    check_specs=check_specs(EVENTS_TABLE, events_expectations(QualitySettings())),
)
def events(
    context: dg.AssetExecutionContext, lake: LakeResource, source: SourceResource, quality: QualityResource
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """What users did, one row per event, in the contract's types.

    Every raw row either stands here or in the table `quarantine` with the reason. If a blocking check fails, the run
    fails and the days stay as they were.
    """
    store, rules, days, now = lake.open(), quality.load(), days_of(context), datetime.now(UTC)
    logs = source.open()
    raw = logs.read("events", landed_files(store, "events", days), days)
    known = store.scan(ITEMS_TABLE).filter(pl.col(DAY) <= max(days)).select(ITEM_ID)
    cleaned = clean_events(raw, rules, lake.ids, days, known, now, logs.timestamp_unit("events"))
    summary = by_day(cleaned, days, rules.min_rows_judged)
    context.log.info(f"{cleaned.accepted.height} events accepted, {cleaned.rejected.height} rejected")
    yield from publish(store, EVENTS_TABLE, cleaned, days, summary, events_expectations(rules, now), rules.gx_max_rows)
