"""One person taken out of the sequences: out of the bucket files of every version that is retained."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from assets.privacy.person import Person
from models.columns import USER_ID
from storage.lake import Lake
from storage.schema import ID_DTYPES
from storage.sequence_store import (
    BUCKETS_FOLDER,
    BucketSequences,
    read_bucket,
    write_bucket,
)
from storage.staged_files import Staging


def remove_from_buckets(lake: Lake, staging: Staging, person: Person) -> dict[str, int]:
    """Replaces every bucket file that holds the person by one without them, under the same name.

    Versions of `sequences` thus stay readable. Who has the old file mapped into memory goes on reading it.

    Returns:
        File to the number of interactions it lost.
    """
    lost = {}
    for path, sequences, place in _holding(Path(lake.root) / BUCKETS_FOLDER, person):
        draft = path.with_name(staging.name(0, "arrow"))
        write_bucket(without(sequences, place), str(draft))
        os.replace(draft, path)
        lost[path.name] = int(sequences.lengths[place])
    return lost


def without(sequences: BucketSequences, place: int) -> BucketSequences:
    """The bucket less the user at `place`, with the bytes it would have had without them from the start."""
    start, end = int(sequences.offsets[place]), int(sequences.offsets[place + 1])
    offsets = np.delete(sequences.offsets, place + 1)
    offsets[place + 1 :] -= end - start
    users = pl.concat([sequences.user_ids[:place], sequences.user_ids[place + 1 :]])
    gone = slice(start, end)
    return BucketSequences(
        users, offsets, {name: np.delete(column, gone) for name, column in sequences.columns.items()}
    )


def _holding(folder: Path, person: Person) -> Iterator[tuple[Path, BucketSequences, int]]:
    user = pl.Series(USER_ID, [person.user], dtype=ID_DTYPES[person.id_type])
    for path in sorted(folder.glob("*.arrow")):
        sequences = read_bucket(str(path))
        for place in (sequences.user_ids == user[0]).arg_true().to_list():
            yield path, sequences, place
