"""Whose vectors a night publishes."""

from collections.abc import Sequence
from pathlib import Path

from assets.versions import ARTIFACTS, VersionMissing, artifact_of, releases_of
from models.families.family import NoVectors
from models.families.registry import family_of, read_config
from models.manifest import list_versions
from storage.lake import Lake

TWO_TOWERS = "argus_towers"
"""The family whose vectors are what it is for."""


def versions_to_publish(lake: Lake) -> Sequence[Path]:
    """The champion, so that vectors score as the endpoint does; where it has none, as popularity, the newest version of
    the profile's own family, so that whoever reads them does not have to wait until a model wins again. Besides, the
    newest two towers, where there are any: they were trained for nothing but their vectors.
    """
    served = _champion(lake)
    if served is None or not has_vectors(served):
        served = _newest(lake, lake.family)
    towers = None if served and served.parent.name == TWO_TOWERS else _newest(lake, TWO_TOWERS)
    return [folder for folder in (served, towers) if folder]


def has_vectors(folder: Path) -> bool:
    """Whether the version in `folder` has vectors of users and items."""
    config = read_config(folder)
    try:
        family_of(config).encoder_of(config)
    except NoVectors:
        return False
    return True


def _champion(lake: Lake) -> Path | None:
    champion = releases_of(lake).champion()
    try:
        return artifact_of(lake, champion) if champion else None
    except VersionMissing:
        return None


def _newest(lake: Lake, family: str) -> Path | None:
    folder = lake.folder(ARTIFACTS) / family  # Which is only there where the family has a version.
    versions = [version for version in list_versions(folder) if has_vectors(folder / version)]
    return folder / versions[-1] if versions else None
