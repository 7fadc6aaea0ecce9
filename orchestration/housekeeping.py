"""Jobs that keep the lake small: small files are joined, and what nothing names any more is deleted."""

from pathlib import Path

import dagster as dg

from assets.resources import NO_CONFIG, LakeResource
from assets.retention.compact import compact
from assets.retention.settings import RetentionSettings
from assets.retention.vacuum import apply_retention


@dg.op(config_schema=NO_CONFIG)
def compact_tables(
    context: dg.OpExecutionContext, lake: LakeResource, retention: dg.ResourceParam[RetentionSettings]
) -> None:
    """Joins the small files of every table."""
    store = lake.open()
    tables = [path.name for path in sorted(Path(store.root, "tables").glob("*")) if store.exists(path.name)]
    joined = compact(store, tables, retention.rows_per_file)
    told = ", ".join(f"{table} from {before} to {after}" for table, (before, after) in joined.items())
    context.log.info(f"files joined: {told}" if told else "no table has small files")


@dg.op(config_schema=NO_CONFIG)
def delete_what_nothing_names(
    context: dg.OpExecutionContext, lake: LakeResource, retention: dg.ResourceParam[RetentionSettings]
) -> None:
    """Deletes old table versions, bucket files, training sets and trained versions that no live version names."""
    deleted = apply_retention(lake.open(), retention)
    tables = ", ".join(f"{files} of {table}" for table, files in deleted.files.items()) or "none"
    context.log.info(
        f"deleted: files of tables {tables}; {deleted.buckets} files of sequences; "
        f"{len(deleted.folders)} folders of trained versions; {len(deleted.training_sets)} training sets"
    )


@dg.job(description="Joins small files of the tables; rows keep their order.")
def compaction() -> None:
    compact_tables()


@dg.job(description="Deletes what is older than the profile keeps and no live version of the model names.")
def retention() -> None:
    delete_what_nothing_names()
