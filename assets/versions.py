"""Where a lake keeps its trained versions, which of them a step is about, and the log that says who is champion."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from models.manifest import Manifest, list_versions, read_manifest
from storage.lake import Lake
from storage.releases import Releases
from storage.schema import RELEASES_TABLE

ARTIFACTS = "artifacts"
ABLATIONS = "ablations"
DATASETS = "training_sets"
RUNS = "training_runs"


def artifacts_of(lake: Lake, family: str | None = None) -> Path:
    """The folder with the versions of one family; None: of the lake's own."""
    return lake.folder(f"{ARTIFACTS}/{family or lake.family}")


def newest_manifest(lake: Lake) -> Manifest:
    """The manifest of the newest trained version.

    Raises:
        ValueError: nothing was trained yet.
    """
    folder = artifacts_of(lake)
    versions = list_versions(folder)
    if not versions:
        raise ValueError(f"there is no trained version in {folder}: materialize `hstu_model` first")
    return read_manifest(folder / versions[-1])


def version_in_question(context: dg.AssetExecutionContext, lake: Lake, upstream: str, asked: str | None = None) -> str:
    """The version that a step is about: its run's own, whatever other runs make meanwhile.

    That is the one asked for; else the one that the asset `upstream` was about in this run, or in the run that this one
    executes again; else the one that `upstream` was about last; else, where Dagster knows of none, the newest one.

    Raises:
        ValueError: that version is not there.
    """
    trained = list_versions(artifacts_of(lake))
    version = asked or _of_this_run(context, upstream)
    if version is None:
        last = _version(context.instance.get_latest_materialization_event(dg.AssetKey(upstream)))
        return last if last in trained else newest_manifest(lake).version
    if version not in trained:
        raise ValueError(
            f"version {version} is not in {artifacts_of(lake)}, which holds {', '.join(trained) or 'none'}: "
            "name one of these, or materialize `hstu_model`"
        )
    return version


def releases_of(lake: Lake) -> Releases:
    """The release log of the lake's family: no version of another one can become its champion."""
    return Releases(uri=lake.uri(f"{RELEASES_TABLE}_{lake.family}"), storage_options=lake.storage_options)


def _of_this_run(context: dg.AssetExecutionContext, upstream: str) -> str | None:
    """The version that `upstream` was about in this run or, run by run, in the one that it executes again."""
    key = dg.AssetKey(upstream)
    for run_id in _executed_again(context):
        made = context.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        for record in reversed(made.records):
            if record.asset_key == key and (version := _version(record.event_log_entry)):
                return version
    return None


def _executed_again(context: dg.AssetExecutionContext) -> Iterator[str]:
    run: dg.DagsterRun | None = context.run
    while run:
        yield run.run_id
        run = context.instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None


def _version(event: dg.EventLogEntry | None) -> str | None:
    materialization = event.asset_materialization if event else None
    version = materialization.metadata.get("version") if materialization else None
    return str(version.value) if version else None
