"""The asset `events`: raw events, validated."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.events.expectations import events_expectations
from assets.events.publish import EventsRun
from assets.events.rules import QualitySettings
from assets.partitions import daily, days_of
from assets.quality.checks import check_specs
from assets.resources import LakeResource, QualityResource, SourceResource
from assets.schema import EVENTS_TABLE


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
    run = EventsRun(lake.open_for_writing(), source, quality, lake.id_type, lake.rows_in_memory)
    with lake.open_engine() as engine:
        yield from run.publish(days_of(context), engine, context.log.info)
