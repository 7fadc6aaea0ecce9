"""Raw logs and catalogue: the landing files of each day, on record."""

import dagster as dg
import polars as pl

from assets.lake import Lake
from assets.metadata import PREVIEW_ROWS, markdown_table, table_metadata
from assets.partitions import daily, days_of
from assets.resources import LakeResource, SourceResource
from assets.sources.damage import damage_explained
from assets.sources.ledger import LEDGERS, fingerprint, ledger_frame
from assets.sources.source import RawTable, Source
from models.columns import SOURCE_FILE, SOURCE_ROW


@dg.asset(
    group_name="raw",
    kinds={"parquet", "deltalake"},
    owners=["team:data"],
    code_version="1",
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="Landing files of the event logs: what users were shown and did, as the app wrote it. "
    "The table lists the files of each day; their rows are judged in `events`.",
)
def raw_events(
    context: dg.AssetExecutionContext, lake: LakeResource, source: SourceResource
) -> dg.MaterializeResult[None]:
    return _landed(context, "events", lake.open_for_writing(), source)


@dg.asset(
    group_name="raw",
    kinds={"parquet", "deltalake"},
    owners=["team:data"],
    code_version="1",
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="Landing files of the catalogue: titles, descriptions, categories and images of new or changed items. "
    "The table lists the files of each day; their rows are judged in `items`.",
)
def raw_items(
    context: dg.AssetExecutionContext, lake: LakeResource, source: SourceResource
) -> dg.MaterializeResult[None]:
    return _landed(context, "items", lake.open_for_writing(), source)


def _landed(
    context: dg.AssetExecutionContext, table: RawTable, lake: Lake, source: Source
) -> dg.MaterializeResult[None]:
    days = days_of(context)
    files = source.land(table, days)
    frame = ledger_frame(files)
    with damage_explained([files[0].path]):
        (rows,) = source.read(table, files[:1], days[:1])
        sample = rows.head(PREVIEW_ROWS).collect()
    version = lake.replace_days(LEDGERS[table], frame, days)
    distinct = frame.unique(SOURCE_FILE)
    return dg.MaterializeResult(
        metadata=table_metadata(
            frame,
            days=len(days),
            files=distinct.height,
            bytes=int(distinct["bytes"].sum()),
            table_version=version,
            sample=dg.MetadataValue.md(markdown_table(sample.select(pl.exclude(SOURCE_FILE, SOURCE_ROW)))),
        ),
        data_version=dg.DataVersion(fingerprint(files)),
    )
