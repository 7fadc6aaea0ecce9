"""The asset `events`: raw events, validated."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.data_version import data_version
from assets.events.expectations import events_expectations
from assets.events.publish import EventsRun
from assets.partitions import days_of, partitions, partitions_told, profile_days
from assets.resources import NO_CONFIG, LakeResource
from assets.sources.ledger import landed_files
from assets.sources.source import Source
from assets.validation.checks import check_specs
from assets.validation.settings import QualitySettings
from storage.schema import EVENTS_TABLE


@dg.asset(
    deps=["raw_events", "items"],
    partitions_def=partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    group_name="validated",
    kinds={"polars", "delta", "greatexpectations"},
    owners=["team:data"],
    check_specs=check_specs(EVENTS_TABLE, events_expectations(QualitySettings())),
)
def events(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    source: dg.ResourceParam[Source],
    quality: dg.ResourceParam[QualitySettings],
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """What users did, one row per event, in the contract's types.

    Every raw row either stands here or in the table `quarantine` with the reason. If a blocking check fails, the run
    fails and the days stay as they were.
    """
    store, days = lake.open_for_writing(), days_of(context)
    run = EventsRun(store, source, quality, lake.id_type, lake.rows_in_memory, lake.data_docs(), profile_days())
    version = data_version(context, quality, lake.id_type, landed_files(store, "events", days))
    context.op_execution_context.set_data_version(context.asset_key, version)
    with lake.open_engine() as engine:
        yield from run.publish(days, engine, context.log.info, partitions_told(context))
