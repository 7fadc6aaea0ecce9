"""Which trained versions and training sets live, and which table versions they must be able to read."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from assets.retention.settings import RetentionSettings
from assets.training.set_store import tables_of
from assets.versions import ARTIFACTS, DATASETS, RANKING_SETS, list_sets, releases_of
from models.manifest import Manifest, list_versions, read_manifest
from storage.lake import Lake


def live_versions(lake: Lake, settings: RetentionSettings, now: datetime) -> list[Manifest]:
    """The champion, earlier ones that a rollback can reach, and of each family the newest versions, the young ones and
    the newest that was trained from scratch.

    Oldest first.

    Args:
        now: With a time zone.
    """
    champions = releases_of(lake).standing().champion_history
    families = sorted(lake.folder(ARTIFACTS).glob("[!.]*"))
    live = [manifest for folder in families for manifest in _live(folder, champions, settings, now)]
    return sorted(live, key=lambda manifest: manifest.created)


def _live(folder: Path, champions: Sequence[str], settings: RetentionSettings, now: datetime) -> list[Manifest]:
    """The live versions of the family that has this folder."""
    trained = list_versions(folder)
    kept = {*champions, *trained[-settings.keep_versions :]}
    since = now - timedelta(days=settings.keep_days)
    manifests = [read_manifest(folder / version) for version in trained]
    # Nights that are trained on from each other are judged by it.
    kept |= {manifest.version for manifest in [of for of in manifests if not of.parent][-1:]}
    return [manifest for manifest in manifests if manifest.version in kept or manifest.created >= since]


def live_training_sets(lake: Lake, manifests: Sequence[Manifest]) -> Mapping[str, Mapping[str, int]]:
    """The training sets that `manifests` name, and the newest, from which the next version may be trained.

    Each to the table versions that it was made of.
    """
    named = {manifest.training_set for manifest in manifests}
    live: dict[str, Mapping[str, int]] = {}
    for folder in (lake.folder(DATASETS), lake.folder(RANKING_SETS)):
        there = list_sets(folder)
        live |= {name: tables_of(folder / name) for name in there if name in named or name == there[-1]}
    return live


def named_tables(made_of: Iterable[Mapping[str, int]]) -> Mapping[str, set[int]]:
    """Table to the versions of it that are named."""
    named: dict[str, set[int]] = {}
    for tables in made_of:
        for table, version in tables.items():
            named.setdefault(table, set()).add(version)
    return named
