"""The asset `items`: the raw catalogue, validated."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.data_version import data_version
from assets.decisions import apply_decisions
from assets.items import leaving
from assets.items.clean import clean_items
from assets.items.expectations import items_expectations
from assets.items.listing import ListingRules, judge_days
from assets.partitions import days_of, partitions, partitions_told
from assets.resources import NO_CONFIG, LakeResource
from assets.sources.damage import damage_explained
from assets.sources.ledger import landed_files
from assets.sources.source import Source
from assets.sources.undated import without_put_aside
from assets.validation.checks import check_specs
from assets.validation.day_summary import CONTENT, by_day, with_content
from assets.validation.publish import publish
from assets.validation.quarantine import write_quarantine
from assets.validation.settings import QualitySettings
from assets.validation.staged import Staged
from models.columns import DAY
from storage.schema import ITEMS_TABLE
from storage.staged_files import Staging


@dg.asset(
    deps=["raw_items"],
    partitions_def=partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    group_name="validated",
    kinds={"polars", "delta", "greatexpectations"},
    owners=["team:data"],
    check_specs=[*check_specs(ITEMS_TABLE, items_expectations(QualitySettings())), leaving.SPEC],
)
def items(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    source: dg.ResourceParam[Source],
    quality: dg.ResourceParam[QualitySettings],
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """What can be recommended, one row per item and day on which it was described.

    Every raw row either stands here or in the table `quarantine` with the reason. If a blocking check fails, the run
    fails and the days stay as they were. Where the catalogue comes whole, an item that a day lacks is gone
    (`catalogue_days`).
    """
    store, days = lake.open_for_writing(), days_of(context)
    landed = landed_files(store, "items", days)
    version = data_version(context, quality, lake.id_type, landed)
    context.op_execution_context.set_data_version(context.asset_key, version)
    with damage_explained(file.path for file in landed):
        raw = apply_decisions(source.read("items", landed, days), store, ITEMS_TABLE, days, lake.id_type)
        offered = any(not set(CONTENT).isdisjoint(frame.collect_schema()) for frame in raw)
        unit = source.timestamp_unit("items")
        if source.snapshot == "changes":
            raw = without_put_aside(raw, store, ITEMS_TABLE, landed, days)
        cleaned = clean_items(raw, quality, lake.id_type, days, unit, source.columns("items"))
    context.log.info(f"{cleaned.accepted.height} items accepted, {cleaned.rejected.height} rejected")
    with Staging(store) as staging:
        files = staging.write_partitions(ITEMS_TABLE, cleaned.accepted, [DAY])
        suite = items_expectations(quality)
        staged = Staged.of(cleaned, files, write_quarantine(staging, cleaned.quarantine), suite)
        summary = with_content(
            by_day(staged.accepted, staged.rejected, days, quality.min_rows_judged, staged.undated),
            cleaned.accepted,
            offered,
        )
        yield from publish(store, ITEMS_TABLE, staged, days, summary, suite, partitions_told(context), lake.data_docs())
    listing = ListingRules(source.snapshot, quality.items.max_gone_share)
    yield leaving.few_leave(judge_days(store, min(days), listing, lake.id_type), days, listing)
