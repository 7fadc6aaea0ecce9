"""The asset `events`: raw events, validated."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from assets.events.expectations import events_expectations
from assets.events.judge import Judge, known_items
from assets.events.rules import QualitySettings
from assets.events.stage import stage_events
from assets.partitions import daily, days_of
from assets.quality.checks import check_specs
from assets.quality.drift import with_drift
from assets.quality.publish import publish
from assets.quality.statistics import day_statistics, earlier_days, remember
from assets.quality.summary import by_day
from assets.resources import LakeResource, QualityResource, SourceResource
from assets.schema import EVENTS_TABLE, ITEMS_TABLE
from assets.sources.ledger import landed_files
from assets.staging import Staging


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
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    source: SourceResource,
    quality: QualityResource,
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """What users did, one row per event, in the contract's types.

    Every raw row either stands here or in the table `quarantine` with the reason. If a blocking check fails, the run
    fails and the days stay as they were.
    """
    store, rules, days, now = lake.open(), quality.load(), days_of(context), datetime.now(UTC)
    logs = source.open()
    files = landed_files(store, "events", days)
    known = known_items(store.scan(ITEMS_TABLE))
    judge = Judge(rules, lake.ids, known if rules.reject_unknown_items else None, now, logs.timestamp_unit("events"))
    with lake.open_engine() as engine, Staging(store) as staging:
        staged = stage_events(staging, engine, logs, files, days, judge, lake.rows_in_memory)
        context.log.info(f"{staged.rows_accepted} events accepted, {staged.rows_rejected} rejected")
        rows = staged.scan(store, EVENTS_TABLE)
        statistics = day_statistics(rows, staged.rejected, days, None if rules.reject_unknown_items else known)
        summary = by_day(staged.accepted, staged.rejected, days, rules.min_rows_judged)
        earlier = earlier_days(store, days)
        summary = with_drift(summary, statistics, earlier, rules.drift.min_days, rules.min_rows_judged)
        yield from publish(store, EVENTS_TABLE, staged, days, summary, events_expectations(rules, now))
        remember(store, statistics, days)
