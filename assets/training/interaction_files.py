"""Interactions of users as flat arrays in files, one a column, which readers map into memory."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from models.columns import ACTIONS, ID_MASKED, ITEM_INDEX, PROPENSITY, REPEATED, STARTED, SURFACE, TIMESTAMP, VALUE
from models.declared import NO_COLUMNS, DeclaredColumn, DeclaredColumns
from models.interactions import Interactions
from models.known import declared as known_when
from models.strict import Strict

COLUMNS_READ = "columns.json"
"""What a profile's own columns and the categories of a set hold, where it keeps them (`StoredColumns`)."""

DECLARED = "declared-"
"""Begins the name of the file of a column that a profile declares, which may be called anything: its place follows."""

COLUMNS: Mapping[str, np.dtype[Any]] = {
    ITEM_INDEX: np.dtype(np.int32),
    TIMESTAMP: np.dtype(np.int64),
    STARTED: np.dtype(np.int64),
    ACTIONS: np.dtype(np.int32),
    ID_MASKED: np.dtype(np.bool_),
    REPEATED: np.dtype(np.bool_),
    VALUE: np.dtype(np.float32),
    SURFACE: np.dtype(np.int16),
    PROPENSITY: np.dtype(np.float32),
}


class StoredColumns(Strict):
    """What the columns of a set mean that a profile decides.

    Attributes:
        actions: By the bits of the masks.
        declared: The profile's own columns.
        categories: Names of each column of codes, in their order.
    """

    actions: tuple[str, ...]
    declared: dict[str, DeclaredColumn]
    categories: dict[str, tuple[str, ...]]


def read_columns(folder: Path) -> StoredColumns:
    """What the columns of a set mean; nothing of one that keeps none of a profile's."""
    path = folder / COLUMNS_READ
    if not path.exists():
        return StoredColumns(actions=(), declared={}, categories={})
    return StoredColumns.model_validate_json(path.read_text())


class JaggedFiles:
    """Interactions of users in files, which are written a part at a time, each user at their place.

    Args:
        lengths: (U,) int64 interactions of each user.
        columns: What is written.
        declared: The types of those that a profile declares.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        lengths: np.ndarray,
        columns: Sequence[str],
        declared: Mapping[str, np.dtype[Any]] = MappingProxyType({}),
    ) -> None:
        types, called = {**COLUMNS, **declared}, _files_of(declared)
        self._offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        np.save(folder / f"{name}.offsets.npy", self._offsets)
        self._columns = {
            column: np.lib.format.open_memmap(
                folder / f"{name}.{called.get(column, column)}.npy", "w+", types[column], (int(self._offsets[-1]),)
            )
            for column in columns
        }

    def put(self, places: np.ndarray, interactions: Interactions) -> None:
        """Writes the interactions of the users at `places`."""
        to = np.arange(len(interactions.timestamps))
        to += np.repeat(self._offsets[places] - interactions.offsets[:-1], interactions.lengths)
        for name, column in self._columns.items():
            column[to] = interactions.column(name)


def save_interactions(folder: Path, name: str, interactions: Interactions, columns: tuple[str, ...]) -> None:
    np.save(folder / f"{name}.offsets.npy", interactions.offsets)
    for column in columns:
        np.save(folder / f"{name}.{column}.npy", interactions.column(column).astype(COLUMNS[column]))


def _files_of(declared: Collection[str]) -> dict[str, str]:
    """The declared columns to what their files are called in place of them."""
    return {column: f"{DECLARED}{place}" for place, column in enumerate(sorted(declared))}


def read_interactions(folder: Path, name: str, declared: DeclaredColumns = NO_COLUMNS) -> Interactions:
    """Maps the interactions that were written as `name`, with those of the `declared` columns that there are."""
    there = {path.name.removeprefix(f"{name}.").removesuffix(".npy") for path in folder.glob(f"{name}.*.npy")}
    known = sorted(column for column in there - {"offsets"} if not column.startswith(DECLARED))
    own = {column: file for column, file in _files_of(declared).items() if file in there}
    read = {column: mapped_array(folder, f"{name}.{own.get(column, column)}") for column in (*known, *own)}
    when = known_when({column: declared[column].known for column in own})
    return Interactions(mapped_array(folder, f"{name}.offsets"), read, when)


def mapped_array(folder: Path, name: str) -> np.ndarray:
    path = folder / f"{name}.npy"
    mapped: np.ndarray = np.load(path, mmap_mode="r")
    return mapped
