"""Raw logs and catalogue: the landing files of each day, on record."""

from collections.abc import Mapping
from datetime import date

import dagster as dg
import polars as pl
import pyarrow.parquet as pq

from assets.metadata import PREVIEW_ROWS, column_schema, markdown_table
from assets.partitions import days_of, partition_column, partition_of, partitions, partitions_told
from assets.resources import NO_CONFIG, LakeResource
from assets.sources.damage import damage_explained
from assets.sources.ledger import LEDGERS, fingerprint, ledger_frame
from assets.sources.source import RawTable, Source
from models.columns import DAY, SOURCE_FILE, SOURCE_ROW
from storage.lake import Lake

PARQUET = ".parquet"


@dg.asset(
    group_name="raw",
    kinds={"parquet", "deltalake"},
    owners=["team:data"],
    partitions_def=partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="Landing files of the event logs: what users were shown and did, as the app wrote it. "
    "The table lists the files of each day; their rows are judged in `events`.",
)
def raw_events(
    context: dg.AssetExecutionContext, lake: LakeResource, source: dg.ResourceParam[Source]
) -> dg.MaterializeResult[None]:
    return _landed(context, "events", lake.open_for_writing(), source)


@dg.asset(
    group_name="raw",
    kinds={"parquet", "deltalake"},
    owners=["team:data"],
    partitions_def=partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="Landing files of the catalogue: titles, descriptions, categories and images of new or changed items. "
    "The table lists the files of each day; their rows are judged in `items`.",
)
def raw_items(
    context: dg.AssetExecutionContext, lake: LakeResource, source: dg.ResourceParam[Source]
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
    told = _told(frame)
    shown = sample.select(pl.exclude(SOURCE_FILE, SOURCE_ROW))
    whole = {"days": len(days), "sample": dg.MetadataValue.md(markdown_table(shown)), **column_schema(shown)}
    newest = partition_of(max(days))
    partitions_told(context)(told | {newest: {**told.get(newest, {}), **whole}})
    return dg.MaterializeResult(metadata={"table_version": version}, data_version=dg.DataVersion(fingerprint(files)))


def _told(files: pl.DataFrame) -> dict[date, Mapping[str, int]]:
    """Files and bytes of each partition, and how many rows the files hold, where they say so themselves; those of other
    days are among them."""
    rows = {path: pq.read_metadata(path).num_rows for path in files[SOURCE_FILE].unique() if path.endswith(PARQUET)}
    distinct = files.select(partition_column(), SOURCE_FILE, "bytes").unique(maintain_order=True)
    by_partition = distinct.group_by(DAY, maintain_order=True).agg(SOURCE_FILE, pl.col("bytes").sum())
    return {
        first: {"files": len(paths), "bytes": size}
        | ({"rows_in_files": sum(rows[path] for path in paths)} if rows.keys() >= set(paths) else {})
        for first, paths, size in by_partition.iter_rows()
    }
