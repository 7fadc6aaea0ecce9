"""The vectors of a version of the two towers as tables, for whoever answers from a key-value store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from models.columns import ITEM_ID, NEWEST, READ, USER_ID, VECTOR, VERSION
from serving.history import read_whole
from storage.commit import StagedFile
from storage.lake import Lake
from storage.schema import (
    ITEM_VECTORS_TABLE,
    USER_VECTORS_TABLE,
    IdType,
    user_vectors_schema,
)
from storage.staged_files import Staging

if TYPE_CHECKING:
    from models.artifact import Artifact
    from storage.user_interactions import UserInteractions

USERS_AT_ONCE = 50_000


@dataclass(frozen=True)
class Vectors:
    """What was written.

    Attributes:
        users, items: How many have a vector.
        without: Users who did nothing with an item that the version knows.
        preview: The first rows of the users' table.
        tables: Table to its new version.
    """

    users: int
    items: int
    without: int
    preview: pl.DataFrame
    tables: dict[str, int]


def write_vectors(lake: Lake, artifact: Artifact, id_type: IdType, rows_in_memory: int) -> Vectors:
    """Puts the vectors of one version in the place of those before: of users as they stand, and of all known items.

    A user's vector times an item's says how good the item is to the user.

    Raises:
        ValueError: a vector is not finite.
    """
    like = pl.DataFrame(schema=user_vectors_schema(id_type))
    users = without = 0
    preview, files = like, list[StagedFile]()
    with Staging(lake) as staging:
        for part in read_whole(lake.interactions(), artifact, rows_in_memory):
            for some in _at_once(part):
                rows = _of_users(artifact, some)
                preview = preview if users else rows
                users, without = users + rows.height, without + len(some) - rows.height
                files.append(staging.write(USER_VECTORS_TABLE, rows, {}, len(files)))
        version = lake.commit(USER_VECTORS_TABLE, files, like, (), None)
    items = _of_items(artifact)
    tables = {USER_VECTORS_TABLE: version, ITEM_VECTORS_TABLE: lake.overwrite(ITEM_VECTORS_TABLE, items)}
    return Vectors(users, items.height, without, preview, tables)


def _at_once(part: UserInteractions) -> Iterator[UserInteractions]:
    """Those who did anything, some at a time."""
    active = np.flatnonzero(part.interactions.lengths)
    for start in range(0, len(active), USERS_AT_ONCE):
        yield part.take(active[start : start + USERS_AT_ONCE])


def _of_users(artifact: Artifact, users: UserInteractions) -> pl.DataFrame:
    """The rows of those who did something with an item that is known."""
    whole = users.interactions
    known = whole.known()
    some = np.flatnonzero(known.lengths)
    vectors = artifact.model.users(known.take(some)).numpy()
    return pl.DataFrame(
        {
            VERSION: _repeated(artifact.version, len(some)),
            USER_ID: users.users.gather(pl.Series(some)),
            NEWEST: pl.Series(whole.timestamps[whole.offsets[1:][some] - 1]).cast(pl.Datetime("ms", "UTC")),
            READ: whole.lengths[some],
            VECTOR: _lists(vectors),
        }
    )


def _of_items(artifact: Artifact) -> pl.DataFrame:
    known = artifact.vocabulary.known_items
    return pl.DataFrame(
        {
            VERSION: _repeated(artifact.version, len(known)),
            ITEM_ID: artifact.vocabulary.ids(known),
            VECTOR: _lists(artifact.retrieval_vectors[known].numpy()),
        }
    )


def _repeated(text: str, count: int) -> pl.Series:
    return pl.repeat(text, count, dtype=pl.String, eager=True)


def _lists(vectors: np.ndarray) -> pl.Series:
    """(B, d) float32 -> lists.

    Raises:
        ValueError: one is not finite.
    """
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise ValueError(f"vector {int(np.argmin(finite))} is not finite: the version is damaged, train it again")
    return pl.Series(vectors, dtype=pl.Array(pl.Float32, vectors.shape[1])).cast(pl.List(pl.Float32))
