"""Which trained versions live, and which table versions they must be able to read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from assets.retention.settings import RetentionSettings
from assets.versions import ARTIFACTS, artifacts_of, releases_of
from models.manifest import Manifest, list_versions, read_manifest
from storage.lake import Lake


def live_versions(lake: Lake, settings: RetentionSettings, now: datetime) -> list[Manifest]:
    """Of each family the champion, earlier ones that a rollback can reach, the newest versions, and the young ones.

    Oldest first.

    Args:
        now: With a time zone.
    """
    folders = [artifacts_of(lake, path.name) for path in sorted(lake.folder(ARTIFACTS).glob("[!.]*"))]
    live = [manifest for folder in folders for manifest in _live(replace(lake, family=folder.name), settings, now)]
    return sorted(live, key=lambda manifest: manifest.created)


def _live(lake: Lake, settings: RetentionSettings, now: datetime) -> list[Manifest]:
    """The live versions of one family."""
    folder = artifacts_of(lake)
    trained = list_versions(folder)
    champions = set(releases_of(lake).standing().champions)
    kept = champions | set(trained[-settings.keep_versions :])
    since = now - timedelta(days=settings.keep_days)
    manifests = [read_manifest(folder / version) for version in trained]
    return [manifest for manifest in manifests if manifest.version in kept or manifest.created >= since]


def named_tables(manifests: Sequence[Manifest]) -> Mapping[str, set[int]]:
    """Table to the versions of it that `manifests` name."""
    named: dict[str, set[int]] = {}
    for manifest in manifests:
        for table, version in manifest.table_versions.items():
            named.setdefault(table, set()).add(version)
    return named
