"""The `sequences` asset."""

import dagster as dg
import polars as pl

from assets.events.assets import events
from assets.figures import histogram
from assets.metadata import table_metadata
from assets.resources import LakeResource, QualityResource
from assets.schema import EVENTS_TABLE, SEQUENCES_TABLE
from assets.sequences.build import build_sequences
from models.columns import BUCKET, ITEM_IDS


@dg.asset(
    deps=[events],
    group_name="sequences",
    kinds={"polars", "delta"},
    owners=["team:data"],
    code_version="1",
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="One row per user: everything he was shown and did, in time order, in buckets by a stable user hash.",
)
def sequences(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    quality: QualityResource,
) -> dg.MaterializeResult[None]:
    tables = lake.open()
    built = build_sequences(tables.scan(EVENTS_TABLE), quality.load().actions, lake.user_buckets, lake.ids).collect(
        engine="streaming"
    )
    version = tables.overwrite(SEQUENCES_TABLE, built, partition_by=[BUCKET])
    lengths = built[ITEM_IDS].list.len()
    context.log.info(f"sequences: {built.height} users, {lengths.sum()} interactions")
    return dg.MaterializeResult(
        metadata=table_metadata(
            built.with_columns(pl.col(pl.List).list.head(3)).head(8),
            **{
                "dagster/row_count": built.height,
                "users": built.height,
                "interactions": int(lengths.sum()),
                "longest": int(lengths.max() or 0),  # type: ignore[arg-type]
                "data_end": str(max(tables.days(EVENTS_TABLE))),
                "table_version": version,
                "lengths": dg.MetadataValue.md(histogram(lengths, "interactions per user", "users")),
            },
        )
    )
