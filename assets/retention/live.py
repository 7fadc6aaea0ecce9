"""Which trained versions live, and which table versions they must be able to read."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from assets.retention.settings import RetentionSettings
from assets.versions import ARTIFACTS, releases_of
from models.manifest import Manifest, list_versions, read_manifest
from storage.lake import Lake


def live_versions(lake: Lake, settings: RetentionSettings, now: datetime) -> list[Manifest]:
    """The champion, every earlier one that a rollback can reach, the newest versions, and the young ones; oldest first.

    Args:
        now: With a time zone.
    """
    folder = lake.folder(ARTIFACTS)
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
