"""The encoder of a version for other applications."""

from collections.abc import Callable
from pathlib import Path

from assets.vectors.versions import versions_to_publish
from assets.versions import artifact_of
from orchestration.profile import Profile
from orchestration.resources import storage_of


def export(profile: Profile, folder: Path, version: str | None, tell: Callable[[str], object]) -> None:
    """Writes the encoder of a version, by default of the one whose vectors are published, into `folder`.

    Raises:
        VersionMissing: there is no such version.
        ValueError: there is none to take, its vectors have no space yet, or its family cannot be exported.
    """
    from models.artifact import load_artifact
    from models.export import PROGRAM, USAGE, write_encoder
    from models.space import read_space

    lake = storage_of(profile).open()
    place = artifact_of(lake, version) if version else next(iter(versions_to_publish(lake)), None)
    if place is None:
        raise ValueError(f"no version in {lake.root} has vectors of users: materialize the line first")
    space = read_space(place)
    if space is None:
        raise ValueError(f"version {place.name} has no space yet: materialize `user_item_vectors`, then export it")
    usage = write_encoder(load_artifact(place), place, space, folder)
    tell(f"{folder / PROGRAM} gives vectors of users of version {usage.version}, in the space {usage.space}")
    tell(f"{folder / USAGE} says what it takes")
