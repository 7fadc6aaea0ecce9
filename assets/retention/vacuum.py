"""Deletes what nothing names any more: old table versions, bucket files, training sets, trained versions."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from assets.retention.live import live_training_sets, live_versions, named_tables
from assets.retention.settings import RetentionSettings
from assets.versions import ABLATIONS, ARTIFACTS, DATASETS, RANKING_SETS, RUNS, SWEEPS
from storage.commit import KEEP_LOG
from storage.lake import Lake
from storage.sequence_store import BUCKETS_FOLDER, SEQUENCES_TABLE, named_files
from storage.staged_files import Staging

OF_A_VERSION = (
    f"{ARTIFACTS}/*",
    f"{ABLATIONS}/*",
    f"{RUNS}/{ARTIFACTS}",
    f"{RUNS}/{ABLATIONS}",
    f"{RUNS}/tuning",
    f"{RUNS}/{SWEEPS}",
)
"""Folders below the root with a folder for each trained version, as patterns."""


@dataclass(frozen=True)
class Deleted:
    """What retention deleted.

    Attributes:
        files: Table to data files.
        buckets: Files of sequences.
        folders: Folders of trained versions, relative to the root.
        training_sets: Folders of training sets, relative to the root.
    """

    files: Mapping[str, int]
    buckets: int
    folders: Sequence[str]
    training_sets: Sequence[str]


def apply_retention(lake: Lake, settings: RetentionSettings, now: datetime | None = None) -> Deleted:
    """Deletes what is older than the settings keep and no live version names (`assets.retention.live`).

    The newest version of every table stays, and so does whatever is younger than the safety age: a run that is going
    on may have written it, and a reader may have begun with it.

    Raises:
        ValueError: the lake is an object store, where the artifacts, which say what lives, have no folder.
    """
    now = now or datetime.now(UTC)
    live = live_versions(lake, settings, now)
    sets = live_training_sets(lake, live)
    pinned = named_tables([*(manifest.table_versions for manifest in live), *sets.values()])
    tables = [path.name for path in sorted(Path(lake.root, "tables").glob("*")) if lake.exists(path.name)]
    with Staging(lake):  # Who begins a run deletes what killed ones left.
        files = {table: _vacuum(lake, table, pinned.get(table, set()), settings) for table in tables}
        buckets = _unnamed_buckets(lake, settings, now)
        folders = _without(lake, OF_A_VERSION, {manifest.version for manifest in live}, settings, now)
        training_sets = _without(lake, [DATASETS, RANKING_SETS], set(sets), settings, now)
    return Deleted({table: count for table, count in files.items() if count}, buckets, folders, training_sets)


def _vacuum(lake: Lake, table: str, pinned: set[int], settings: RetentionSettings) -> int:
    log = lake.delta(table)
    if not KEEP_LOG.items() <= log.metadata().configuration.items():
        log.alter.set_table_properties(KEEP_LOG)
    hours = -(-int(settings.age.total_seconds()) // 3600)
    keep = sorted(version for version in pinned if version <= log.version())

    # delta-rs only says what can go: of a folder whose name it does not take it would delete links, not the files.
    gone = log.vacuum(hours, dry_run=True, enforce_retention_duration=False, full=True, keep_versions=keep)
    there = [path for name in gone if (path := Path(lake.uri(table), name)).exists()]
    for path in there:
        path.unlink()
    return len(there)


def _unnamed_buckets(lake: Lake, settings: RetentionSettings, now: datetime) -> int:
    """Deletes the files that no ledger names which can still be read."""
    named = named_files(Path(lake.uri(SEQUENCES_TABLE)).glob("*.parquet"))
    buckets = [path for path in Path(lake.root, BUCKETS_FOLDER).glob("*") if path.name not in named]
    old = [path for path in buckets if _older(path, settings, now)]
    for path in old:
        path.unlink()
    return len(old)


def _without(
    lake: Lake, patterns: Sequence[str], live: Collection[str], settings: RetentionSettings, now: datetime
) -> list[str]:
    """Deletes what is not `live` in the folders of these patterns, and what killed runs left there."""
    folders = [path for name in patterns for path in Path(lake.root).glob(f"{name}/*") if path.is_dir()]
    gone = [path for path in folders if path.name not in live and _older(path, settings, now)]
    for path in gone:
        shutil.rmtree(path)
    return [str(path.relative_to(lake.root)) for path in gone]


def _older(path: Path, settings: RetentionSettings, now: datetime) -> bool:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC) <= now - settings.age
