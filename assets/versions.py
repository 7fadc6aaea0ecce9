"""Where a lake keeps its training sets and trained versions, which of them a step is about, and who is champion."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg

from assets.compatibility import former_release_log
from assets.data_version import data_version
from models.families.registry import FAMILIES, family_named
from models.manifest import Manifest, list_versions, read_manifest
from storage.lake import Lake
from storage.releases import Releases
from storage.schema import RELEASES_TABLE
from storage.sequence_store import SEQUENCES_TABLE

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext

ARTIFACTS = "artifacts"
ABLATIONS = "ablations"
DATASETS = "training_sets"
RANKING_SETS = "ranking_sets"
RUNS = "training_runs"
SWEEPS = "scaling"
"""Among the training runs, sweeps over sizes that are not done."""

VERSION, TRAINING_SET = "version", "training_set"
"""What an asset says that it was about: entries of its metadata, by which later steps of the run find it."""

SKIPPED = "skipped"
"""An asset that made no version says why, in its metadata."""

RECORD = "record.json"
"""What a training set was made of (`assets.training.set_store`)."""

SETS = {"training_set": DATASETS, "ranking_set": RANKING_SETS}
"""Asset to the folder of the training sets that it makes."""

MAKERS = {
    "retrieval": "hstu_model",
    "ranking": "ranker_model",
    "argus": "argus_backbone",
    "argus_towers": "user_item_towers",
}
"""Family, or kind of family, to the asset that trains a version of it."""


class VersionMissing(ValueError):
    """A version has no artifact in the lake; `version` is its name."""

    def __init__(self, message: str, version: str) -> None:
        super().__init__(message)
        self.version = version


def artifacts_of(lake: Lake, family: str | None = None) -> Path:
    """The folder with the versions of one family; None: of the lake's own."""
    return lake.folder(f"{ARTIFACTS}/{family or lake.family}")


def versions_of(lake: Lake) -> dict[str, Path]:
    """Every complete version to its folder, of all families that do the same as the lake's own, oldest first."""
    return {version: artifact_of(lake, version) for version in list_versions(*_folders_of_kind(lake))}


def made_of_set(lake: Lake, training_set: str) -> dict[str, Path]:
    """By family the newest version that was made of a training set."""
    return {of.family: folder for folder, of in _manifests(lake) if of.training_set == training_set}


def made_of_data(lake: Lake, like: Manifest) -> dict[str, Path]:
    """By family that reads all that happened the newest version of the same data as `like`, with the same held out."""
    reads_all = ((folder, of) for folder, of in _manifests(lake) if family_named(of.family).reads == "all")
    return {of.family: folder for folder, of in reads_all if _split_of(of) == _split_of(like)}


def _manifests(lake: Lake) -> Iterator[tuple[Path, Manifest]]:
    """Folders and manifests of all versions, oldest first, but for those of earlier code that cannot be read."""
    for folder in versions_of(lake).values():
        try:
            manifest = read_manifest(folder)
        except (OSError, ValueError):
            continue
        yield folder, manifest


def _split_of(manifest: Manifest) -> tuple[object, ...]:
    held_out = manifest.held_out_users, manifest.held_out_seed, manifest.held_out_ties, manifest.repeats
    return manifest.cutoff, manifest.table_versions.get(SEQUENCES_TABLE), *held_out


def artifact_of(lake: Lake, version: str) -> Path:
    """The folder of a version, whatever its family; it may be damaged.

    Raises:
        VersionMissing: no family that does the same as the lake's own has it.
    """
    folders = _folders_of_kind(lake)
    found = next((folder / version for folder in folders if (folder / version).is_dir()), None)
    if found is None:
        families = ", ".join(folder.name for folder in folders) or "no family"
        raise VersionMissing(
            f"version {version} is not in {lake.folder(ARTIFACTS)}, where {families} has versions: it was deleted; put "
            "its folder back, or promote another version",
            version,
        )
    return found


def family_of(lake: Lake, version: str | None) -> str | None:
    """The family of a version; None where it has no artifact."""
    try:
        return artifact_of(lake, version).parent.name if version else None
    except VersionMissing:
        return None


def _folders_of_kind(lake: Lake) -> list[Path]:
    """The folders of the families that find items, or of those that rank them, the lake's own first.

    A family that has no version yet has no folder.
    """
    kind = family_named(lake.family).kind
    names = [lake.family, *(name for name, family in FAMILIES.items() if family.kind == kind and name != lake.family)]
    root = lake.folder(ARTIFACTS)
    return [root / name for name in names if (root / name).is_dir()]


def newest_manifest(lake: Lake) -> Manifest:
    """The manifest of the newest trained version of the lake's own family.

    Raises:
        ValueError: nothing was trained yet.
    """
    folder = artifacts_of(lake)
    versions = list_versions(folder)
    if not versions:
        raise ValueError(f"there is no trained version in {folder}: materialize `{_maker(lake)}` first")
    return read_manifest(folder / versions[-1])


def version_in_question(context: dg.AssetExecutionContext, lake: Lake, upstream: str, asked: str | None = None) -> str:
    """The version that a step is about: its run's own, whatever other runs make meanwhile.

    That is the one asked for; else the one that the asset `upstream` was about in this run, or in the run that this one
    executes again; else the one that `upstream` was about last; else, where Dagster knows of none, the newest one of
    the lake's own family.

    Raises:
        ValueError: that version is not there.
    """
    trained = versions_of(lake)
    version = asked or _of_this_run(context, upstream, VERSION)
    if version is None:
        last = _told(context.instance.get_latest_materialization_event(dg.AssetKey(upstream)), VERSION)
        return last if last in trained else newest_manifest(lake).version
    if version not in trained:
        raise ValueError(
            f"version {version} is not in {lake.folder(ARTIFACTS)}, which holds {', '.join(trained) or 'none'}: "
            f"name one of these, or materialize `{_maker(lake)}`"
        )
    return version


def why_skipped(context: Context, asset: str) -> str | None:
    """Why an asset made no version in this run or, where it is no part of it, last; None where it made one."""
    if _of_this_run(context, asset, VERSION):
        return None
    latest = context.instance.get_latest_materialization_event(dg.AssetKey(asset))
    return _of_this_run(context, asset, SKIPPED) or _told(latest, SKIPPED)


def skipped(context: dg.AssetExecutionContext, why: str, *checks: dg.AssetCheckResult) -> dg.MaterializeResult[None]:
    """What an asset gives that makes nothing this time, and says why."""
    return dg.MaterializeResult(metadata={SKIPPED: why}, data_version=data_version(context, why), check_results=checks)


def training_set_in_question(context: Context, lake: Lake, asset: str = "training_set") -> Path:
    """The folder of the training set that a step reads: its run's own, else the last one, as with versions.

    Args:
        asset: That makes such sets.

    Raises:
        ValueError: it is not there.
    """
    latest = context.instance.get_latest_materialization_event(dg.AssetKey(asset))
    name = _of_this_run(context, asset, TRAINING_SET) or _told(latest, TRAINING_SET)
    folder = lake.folder(SETS[asset])
    there = list_sets(folder)
    name = name or (there[-1] if there else None)
    if name is None:
        raise ValueError(f"there is no training set in {folder}: materialize `{asset}` first")
    if name not in there:
        raise ValueError(
            f"training set {name} is not in {folder}: it was deleted, as all are when a person is forgotten; "
            f"materialize `{asset}` again"
        )
    return folder / name


def list_sets(folder: Path) -> list[str]:
    """The complete training sets in `folder`, the one that was made last at the end."""
    made = {path.parent.name: path.stat().st_mtime_ns for path in folder.glob(f"[!.]*/{RECORD}")}
    return sorted(made, key=lambda name: made[name])


def releases_of(lake: Lake) -> Releases:
    """The release log of the lake, whatever family a version is of."""
    former = "" if lake.exists(RELEASES_TABLE) else former_release_log(lake)
    return Releases(lake.uri(RELEASES_TABLE), lake.storage_options, former)


def newest_champion_of_family(lake: Lake) -> str | None:
    """The newest champion of the lake's own family that is still there, be it as a part; None where there is none."""
    champions = reversed(releases_of(lake).standing().champion_history)
    own = (_part_of_own_family(lake, version) for version in champions)
    return next((version for version in own if version and (artifacts_of(lake) / version).is_dir()), None)


def newest_from_scratch(lake: Lake, warm: Manifest) -> Path | None:
    """The folder of the newest version that was trained from scratch, of the family of `warm` and before it.

    None where there is none, or `warm` itself was.
    """
    if not warm.ancestors:
        return None
    scratch = [folder for folder, of in _manifests(lake) if of.family == warm.family and not of.parent]
    before = [folder for folder in scratch if read_manifest(folder).created < warm.created]
    return before[-1] if before else None


def _part_of_own_family(lake: Lake, version: str) -> str | None:
    """The version itself where it is of the lake's own family, what it was mixed of from it where it is a blend."""
    if family_of(lake, version) in (lake.family, None):
        return version
    with suppress(OSError, ValueError):  # Its manifest is damaged.
        return read_manifest(artifact_of(lake, version)).parts.get(lake.family)
    return None


def _maker(lake: Lake) -> str:
    return MAKERS.get(lake.family) or MAKERS[family_named(lake.family).kind]


def _of_this_run(context: Context, upstream: str, what: str) -> str | None:
    """What `upstream` was about in this run or, run by run, in the one that it executes again."""
    key = dg.AssetKey(upstream)
    for run_id in _executed_again(context):
        made = context.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        for record in reversed(made.records):
            if record.asset_key == key and (told := _told(record.event_log_entry, what)):
                return told
    return None


def _executed_again(context: Context) -> Iterator[str]:
    run: dg.DagsterRun | None = context.run
    while run:
        yield run.run_id
        run = context.instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None


def _told(event: dg.EventLogEntry | None, what: str) -> str | None:
    materialization = event.asset_materialization if event else None
    entry = materialization.metadata.get(what) if materialization else None
    return str(entry.value) if entry else None
