"""Where a lake keeps its trained versions, and the log that says which of them is champion."""

from assets.lake import Lake
from assets.schema import RELEASES_TABLE
from models.manifest import Manifest, list_versions, read_manifest
from serving.releases import Releases

ARTIFACTS = "artifacts"
ABLATIONS = "ablations"


def newest_manifest(lake: Lake) -> Manifest:
    """The manifest of the newest trained version.

    Raises:
        ValueError: nothing was trained yet.
    """
    folder = lake.folder(ARTIFACTS)
    versions = list_versions(folder)
    if not versions:
        raise ValueError(f"there is no trained version in {folder}: materialize `hstu_model` first")
    return read_manifest(folder / versions[-1])


def releases_of(lake: Lake) -> Releases:
    """The lake's release log."""
    return Releases(uri=lake.uri(RELEASES_TABLE), storage_options=lake.storage_options)
