"""Vectors of all users and items as tables: all of a batch or nothing of it, in the space of the version before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.vectors.batches import TABLES, batches_to_drop, remove_former
from assets.vectors.new_items import as_served
from assets.vectors.space import UserMoments, space_of
from models.columns import AS_OF, BATCH, ITEM_ID, NEWEST, READ, SPACE, USER_ID, VECTOR, VERSION
from models.manifest import Space
from models.stable_space import gram
from serving.history import read_histories
from storage.commit import StagedFile
from storage.lake import Lake
from storage.schema import (
    ITEM_VECTORS_TABLE,
    TIME,
    USER_VECTORS_TABLE,
    VECTORS_KEPT_BY,
    IdType,
    item_vectors_schema,
    user_vectors_schema,
)
from storage.staged_files import Staging

if TYPE_CHECKING:
    from models.artifact import Artifact
    from models.space import StableSpace
    from storage.user_interactions import UserInteractions

USERS_AT_ONCE = 4_096

USERS_COMPARED = 1_000
"""Users whose scores are computed again, to see that publishing does not change them."""


@dataclass(frozen=True)
class Published:
    """What was written of one version.

    Attributes:
        users, items: How many have a vector.
        without: Users who did nothing with an item that the version knows.
        preview: The first rows of the users' table.
        is_new: Whether the version was published for the first time.
    """

    version: str
    family: str
    space: Space
    users: int
    items: int
    without: int
    preview: pl.DataFrame
    is_new: bool


@dataclass
class _Users:
    """The users of one version, whose vectors lie in files until the maps are known.

    Attributes:
        rows: All columns but the vectors, in blocks.
        files: (B, e) float32 vectors of each block as the version makes them.
    """

    rows: list[pl.DataFrame] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    without: int = 0

    def vectors(self) -> Iterator[np.ndarray]:
        return (np.load(path) for path in self.files)

    def moments(self, width: int) -> UserMoments:
        some = [block[:USERS_COMPARED] for block in self.vectors()][:1]
        return UserMoments(gram(self.vectors(), width), some[0] if some else np.zeros((0, width), np.float32))


def publish(
    lake: Lake,
    folders: Sequence[Path],
    id_type: IdType,
    rows_in_memory: int,
    batch: str,
    as_of: datetime,
    keep_batches: int,
) -> tuple[list[Published], Mapping[str, int]]:
    """Adds a batch: the vectors of some versions, of all users as they stand and of all items that each knows or that
    came after it and are served.

    Users are committed first, then items: a batch counts from then on, both sides at once. A version that was never
    published gets its space, which it keeps.

    Args:
        folders: Of the versions.
        batch: Its name; names sort by time.
        as_of: The moment of the request that a user's vector would answer.
        keep_batches: So many of the newest stay, with this one.

    Returns:
        What was written, and the tables' new versions.

    Raises:
        NoVectors: a version has no vectors of users and items.
        ScoresChanged: see `assets.vectors.space`.
        ValueError: a vector is not finite; it names whose.
    """
    from models.artifact import load_artifact

    files: dict[str, list[StagedFile]] = {table: [] for table in TABLES}
    told = []
    for table in TABLES:
        remove_former(lake, table)
    with Staging(lake) as staging:
        for folder in folders:
            artifact = load_artifact(folder)
            served = as_served(lake, artifact)
            users = _read_users(lake, served, staging.scratch, rows_in_memory, as_of)
            # Whatever came since: a space is that of the version's own items.
            space, is_new = _space(lake, folder, artifact, users)
            kept_by = {SPACE: space.id, VERSION: artifact.version, BATCH: batch}
            preview = _write_users(staging, files[USER_VECTORS_TABLE], users, space, kept_by, id_type)
            items = _of_items(served, space)
            files[ITEM_VECTORS_TABLE].append(staging.write(ITEM_VECTORS_TABLE, items, kept_by))
            count = sum(rows.height for rows in users.rows)
            told.append(
                Published(
                    artifact.version,
                    artifact.family.name,
                    space.record,
                    count,
                    items.height,
                    users.without,
                    preview,
                    is_new,
                )
            )
        like = {USER_VECTORS_TABLE: user_vectors_schema(id_type), ITEM_VECTORS_TABLE: item_vectors_schema(id_type)}
        gone = {table: [*batches_to_drop(lake, table, keep_batches - 1), batch] for table in TABLES}
        versions = {}
        for table in TABLES:
            schema = pl.DataFrame(schema=like[table])
            versions[table] = lake.commit(table, files[table], schema, VECTORS_KEPT_BY, {BATCH: gone[table]})
    return told, versions


def _space(lake: Lake, folder: Path, artifact: Artifact, users: _Users) -> tuple[StableSpace, bool]:
    """The version's space, and whether it is new to it."""
    from models.space import keep_space, read_space

    if kept := read_space(folder):
        return kept, False
    space = space_of(lake, artifact, users.moments(artifact.retrieval_vectors.shape[1]))
    keep_space(folder, space)
    return space, True


def _read_users(lake: Lake, artifact: Artifact, scratch: Path, rows_in_memory: int, as_of: datetime) -> _Users:
    found, as_of_ms = _Users(), int(as_of.timestamp() * 1000)
    for part in read_histories(lake.interactions(), artifact, rows_in_memory):
        for some in _at_once(part):
            whole = some.interactions
            last = whole.timestamps[whole.offsets[1:] - 1]
            known = np.flatnonzero(whole.known().lengths)
            found.without += len(some) - len(known)
            if not len(known):
                continue
            moments = np.maximum(last, as_of_ms)
            vectors = artifact.family.user_vectors(artifact, whole.take(known), moments[known]).numpy()
            rows = pl.DataFrame(
                {
                    USER_ID: some.users.gather(pl.Series(known)),
                    AS_OF: pl.Series(moments[known]).cast(TIME),
                    NEWEST: pl.Series(last[known]).cast(TIME),
                    READ: whole.lengths[known],
                }
            )
            _refuse_infinite(vectors, rows[USER_ID], "user", artifact.version)
            path = scratch / f"{artifact.version}-{len(found.files)}.npy"
            np.save(path, vectors)
            found.rows.append(rows)
            found.files.append(path)
    return found


def _at_once(part: UserInteractions) -> Iterator[UserInteractions]:
    """Those who did anything, some at a time."""
    active = np.flatnonzero(part.interactions.lengths)
    for start in range(0, len(active), USERS_AT_ONCE):
        yield part.take(active[start : start + USERS_AT_ONCE])


def _write_users(
    staging: Staging,
    files: list[StagedFile],
    users: _Users,
    space: StableSpace,
    kept_by: Mapping[str, str],
    id_type: IdType,
) -> pl.DataFrame:
    """Returns the first rows."""
    preview = pl.DataFrame(schema=user_vectors_schema(id_type))
    for place, (rows, vectors) in enumerate(zip(users.rows, users.vectors(), strict=True)):
        whole = rows.with_columns(_lists(space.users(vectors)).alias(VECTOR))
        files.append(staging.write(USER_VECTORS_TABLE, whole, kept_by, place))
        if not place:
            preview = whole.head(8)
    return preview


def _of_items(artifact: Artifact, space: StableSpace) -> pl.DataFrame:
    known = artifact.vocabulary.known_items
    ids, vectors = artifact.vocabulary.ids(known), artifact.retrieval_vectors[known].numpy()
    _refuse_infinite(vectors, ids, "item", artifact.version)
    return pl.DataFrame({ITEM_ID: ids, VECTOR: _lists(space.items(vectors))})


def _lists(vectors: np.ndarray) -> pl.Series:
    """(B, d) float32 -> lists."""
    return pl.Series(vectors, dtype=pl.Array(pl.Float32, vectors.shape[1])).cast(pl.List(pl.Float32))


def _refuse_infinite(vectors: np.ndarray, ids: pl.Series, what: str, version: str) -> None:
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        whose = ids[int(np.argmin(finite))]
        raise ValueError(f"the vector of {what} {whose!r} is not finite: version {version} is damaged, train it again")
