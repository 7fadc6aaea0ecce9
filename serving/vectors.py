"""Vectors of users that a nightly batch made: they answer as long as the user has done nothing since."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch

from models.columns import NEWEST, READ, USER_ID, VECTOR, VERSION
from models.interactions import Interactions
from models.space import StableSpace
from serving.ids import as_stored
from storage.vectors import to_matrix


class VectorsError(ValueError):
    """Vectors do not belong to the version that is served; the message says why."""


@dataclass(frozen=True)
class UserVectors:
    """The vectors of U users.

    Attributes:
        users: (U,) ids in ascending order.
        vectors: (U, d) float32, as the version makes them.
        newest: (U,) int64 epoch milliseconds of the last interaction that each is made of.
        read: (U,) int64 how many interactions the user had then.
    """

    users: pl.Series
    vectors: torch.Tensor
    newest: np.ndarray
    read: np.ndarray

    def __len__(self) -> int:
        return len(self.users)

    def of(self, user_id: str | int, history: Interactions) -> torch.Tensor | None:
        """(1, d) the user's vector; None where there is none, or it is made of another history than this one.

        Args:
            history: All that the user did, of unknown items, too.
        """
        user = as_stored(user_id, self.users.dtype)
        if user is None or not len(self.users) or not len(history.timestamps):
            return None
        place = int(self.users.search_sorted(user))
        if place == len(self.users) or self.users[place] != user:
            return None
        same = self.newest[place] == history.timestamps[-1] and self.read[place] == len(history.timestamps)
        return self.vectors[place : place + 1] if same else None


def load_vectors(table: pl.LazyFrame, version: str, space: StableSpace | None) -> UserVectors:
    """Reads the vectors of `version` as they were published, and takes them back to where its own items are.

    Args:
        table: One batch, of this version and perhaps of others.
        space: In which they were published; None: the version was not.

    Raises:
        VectorsError: they are missing, of another width, or not finite.
    """
    rows = table.filter(pl.col(VERSION) == version).select(USER_ID, NEWEST, READ, VECTOR).sort(USER_ID).collect()
    if space is None:
        raise VectorsError(f"version {version} has published no vectors: materialize `user_item_vectors`")
    try:
        vectors = to_matrix(rows[VECTOR])
    except ValueError as error:
        raise VectorsError(f"users of version {version}, {error}: materialize `user_item_vectors`") from error
    width = space.maps.width
    if len(vectors) and vectors.shape[1] != width:
        raise VectorsError(f"a vector of version {version} is not {width} wide: materialize `user_item_vectors`")
    if not np.isfinite(vectors).all():
        raise VectorsError(f"a vector of version {version} is not finite: materialize `user_item_vectors`")
    own = space.users_of_version(vectors.reshape(-1, width))
    return UserVectors(
        rows[USER_ID], torch.from_numpy(own), rows[NEWEST].dt.epoch("ms").to_numpy(), rows[READ].to_numpy()
    )
