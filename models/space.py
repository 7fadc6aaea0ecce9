"""The space that a version's vectors are published in: its name, and the maps into it, kept with the version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from models.auto import marked
from models.config.model import FamilyConfig
from models.manifest import MANIFEST, Space, read_manifest
from models.stable_space import Maps
from models.warm_start import differences

SPACE = "space.safetensors"

OF_THE_DATA = {"columns", "actions", "factors", "id_masking", "items.id_masking", "items.new_item_optimism"}
"""Fields of a configuration that follow the data from night to night, beside those marked so (`models.auto`)."""

MODALITIES = "items.modalities."
"""What the content was made by; the vectors are turned alike whatever that was."""


@dataclass(frozen=True)
class StableSpace:
    """A space, and what takes a version's vectors there."""

    record: Space
    maps: Maps

    @property
    def id(self) -> str:
        return self.record.id

    def users(self, vectors: np.ndarray) -> np.ndarray:
        """(B, e) vectors of users as the version has them -> float32 as they are published."""
        return (vectors.astype(np.float64) @ self.maps.users).astype(np.float32)

    def items(self, vectors: np.ndarray) -> np.ndarray:
        """The same of items."""
        return (vectors.astype(np.float64) @ self.maps.items).astype(np.float32)

    def users_of_version(self, published: np.ndarray) -> np.ndarray:
        """The way back from `users`."""
        return (published.astype(np.float64) @ self.maps.items.T).astype(np.float32)


def read_space(folder: Path) -> StableSpace | None:
    """The space of the version in `folder`; None where its vectors were never published.

    Raises:
        ValueError: the maps are missing, or not finite and square.
    """
    record = read_manifest(folder).space
    if record is None:
        return None
    try:
        held = load_file(folder / SPACE)
        items, users = held["items"], held["users"]
    except (OSError, KeyError, SafetensorError) as error:
        raise ValueError(f"{folder / SPACE} cannot be read ({error}): train the version again") from error
    square = items.shape == users.shape == (len(items), len(items))
    if not (square and np.isfinite(items).all() and np.isfinite(users).all()):
        raise ValueError(f"{folder / SPACE} holds no maps of one space: train the version again")
    return StableSpace(record, Maps(items, users))


def keep_space(folder: Path, space: StableSpace) -> None:
    """Puts the maps beside the version in `folder`, then names the space in its manifest."""
    maps = {"items": np.ascontiguousarray(space.maps.items), "users": np.ascontiguousarray(space.maps.users)}
    draft = folder / f".{SPACE}.partial"
    save_file(maps, draft)
    draft.replace(folder / SPACE)
    manifest = read_manifest(folder).model_copy(update={"space": space.record})
    draft = folder / f".{MANIFEST}.partial"
    draft.write_text(manifest.model_dump_json(indent=2))
    draft.replace(folder / MANIFEST)


def built_otherwise(own: FamilyConfig, theirs: FamilyConfig) -> list[str]:
    """What differs in how two models are built, one setting each; what follows the data does not count."""
    follows = OF_THE_DATA | marked(own).keys() | marked(theirs).keys()
    found = differences(own.model_dump(mode="json"), theirs.model_dump(mode="json"))
    named = ((told.split(" is ")[0], told) for told in found)
    return [told for path, told in named if path not in follows and not path.startswith(MODALITIES)]
