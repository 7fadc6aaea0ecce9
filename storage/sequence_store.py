"""The sequences on disk: one Arrow file per bucket of users, and the two tables that say what is in them.

A file holds one record batch: `user_id`, and `interactions`, a list of structs, which Arrow lays out as one array of
offsets and one flat array per field. So a reader maps it into memory and uses the arrays as they stand. Items are rows
of the table `item_rows`, where an item's row never changes. Files are never changed either: the table `sequences` names
those of each version, so a version reads the same as long as it is retained. Only to forget a person they are replaced,
in all versions.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from models.columns import (
    ACTIONS,
    BUCKET,
    ITEM_ID,
    ITEM_IDS,
    ROW,
    SURFACES,
    TIMESTAMPS,
    USER_ID,
    VALUES,
)
from storage.literal_paths import scan_parquet
from storage.object_store import object_input
from storage.places import is_uri
from storage.tables import scan_table

SEQUENCES_TABLE = "sequences"
ITEM_ROWS_TABLE = "item_rows"
BUCKETS_FOLDER = "sequences"

FILE = "file"
SURFACE_NAMES = "surface_names"

INTERACTIONS = "interactions"
FIELDS: dict[str, np.dtype[Any]] = {
    "item_row": np.dtype(np.int32),
    "started": np.dtype(np.int64),
    "timestamp": np.dtype(np.int64),
    "actions": np.dtype(np.int32),
    "value": np.dtype(np.float32),
    "surface": np.dtype(np.int16),
    "occasion": np.dtype(np.int64),
    "arrival": np.dtype(np.int64),
}

NO_SURFACE = -1


@dataclass(frozen=True)
class BucketSequences:
    """The users of one bucket, in ascending order of their hash, and their interactions, oldest first.

    Attributes:
        user_ids: (U,) strings or int64.
        offsets: (U + 1,) int64; user u owns the interactions from offsets[u] to offsets[u + 1].
        item_row: (L,) int32 row in `item_rows`, 1 or more.
        started: (L,) int64 epoch milliseconds of the interaction's first action.
        timestamp: (L,) int64 epoch milliseconds of its last action.
        actions: (L,) int32 bit mask of actions.
        value: (L,) float32 largest value, NaN where there was none.
        surface: (L,) int16 position in the names of surfaces, -1 where there was none.
        occasion: (L,) int64 hash of the request, or without one the moment; a request may be several occasions.
        arrival: (L,) int64 order of arrival of the interaction's first event; decides between equal timestamps.
    """

    user_ids: pl.Series
    offsets: np.ndarray
    item_row: np.ndarray
    started: np.ndarray
    timestamp: np.ndarray
    actions: np.ndarray
    value: np.ndarray
    surface: np.ndarray
    occasion: np.ndarray
    arrival: np.ndarray

    def __len__(self) -> int:
        return len(self.user_ids)

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    @classmethod
    def empty(cls, user_ids: pl.Series) -> "BucketSequences":
        """No user; `user_ids` tells their type."""
        return cls(user_ids.clear(), np.zeros(1, np.int64), *(np.empty(0, dtype) for dtype in FIELDS.values()))


def write_bucket(bucket: BucketSequences, sink: pa.NativeFile | str) -> None:
    """Writes an Arrow file; equal sequences give equal bytes."""
    flat = pa.StructArray.from_arrays([pa.array(getattr(bucket, name)) for name in FIELDS], list(FIELDS))
    lists = pa.LargeListArray.from_arrays(pa.array(bucket.offsets), flat)
    batch = pa.record_batch([bucket.user_ids.to_arrow(), lists], [USER_ID, INTERACTIONS])
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def read_bucket(uri: str, storage_options: dict[str, str] | None = None) -> BucketSequences:
    """Maps a bucket's file into memory, or loads it from an object store."""
    batch = pa.ipc.open_file(_opened(uri, storage_options)).get_batch(0)
    lists = batch.column(INTERACTIONS)
    flat = lists.values
    # Files of earlier versions have no `started`.
    fields = [name if flat.type.get_field_index(name) >= 0 else "timestamp" for name in FIELDS]
    return BucketSequences(
        pl.Series(USER_ID, pl.from_arrow(batch.column(USER_ID))),
        lists.offsets.to_numpy(),
        *(flat.field(name).to_numpy(zero_copy_only=True) for name in fields),
    )


def named_files(parts: Iterable[Path]) -> set[str]:
    """The buckets' files that Parquet files of the table `sequences` name.

    Args:
        parts: Of any versions; each is read by itself, as those of earlier versions of this program have fewer columns.
    """
    return {
        file for frame in pl.collect_all([scan_parquet(part).select(FILE) for part in parts]) for file in frame[FILE]
    }


def sequence_columns(ids: pl.DataType) -> dict[str, pl.DataType]:
    """One row per user, lists in (timestamp, arrival) order, one element per interaction.

    An interaction merges all actions of one user on one item within one request, as far as they lie close together (or,
    without a request id, at one timestamp): `actions` is their bit mask (`action_vocabulary` names the bits), `values`
    the largest value, null where there was none.
    """
    return {
        USER_ID: ids,
        ITEM_IDS: pl.List(ids),
        TIMESTAMPS: pl.List(pl.Datetime("ms", "UTC")),
        ACTIONS: pl.List(pl.Int32()),
        VALUES: pl.List(pl.Float32()),
        SURFACES: pl.List(pl.String()),
        BUCKET: pl.Int32(),
    }


def scan_sequences(
    root: str, version: int | None = None, storage_options: dict[str, str] | None = None
) -> pl.LazyFrame:
    """Users and their interactions as list columns, bucket by bucket, so that no more than one is in memory.

    Columns are those of `sequence_columns`.

    Args:
        root: Folder or URI of the lake.
        version: Of the table `sequences`; None for the newest.
        storage_options: Of the object store, as delta-rs names them.
    """
    tables, options = f"{root.rstrip('/')}/tables", storage_options or None
    ledger = scan_table(f"{tables}/{SEQUENCES_TABLE}", version, options)
    files = ledger.sort(BUCKET).collect()
    items = scan_table(f"{tables}/{ITEM_ROWS_TABLE}", options=options).sort(ROW).collect()[ITEM_ID]
    schema = sequence_columns(items.dtype)

    def buckets(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        left = sys.maxsize if n_rows is None else n_rows
        for row in files.iter_rows(named=True):
            if left == 0:
                return
            sequences = read_bucket(f"{root.rstrip('/')}/{BUCKETS_FOLDER}/{row[FILE]}", options)
            frame = as_frame(sequences, items, row[SURFACE_NAMES], columns or list(schema), row[BUCKET]).head(left)
            left -= frame.height
            yield frame if predicate is None else frame.filter(predicate)

    return register_io_source(buckets, schema=schema, is_pure=True)


def action_vocabulary(
    root: str, version: int | None = None, storage_options: dict[str, str] | None = None
) -> list[str]:
    """The actions that a version of the sequences knows, in the order of their bits in `actions`.

    Another version may have them in another order: whoever keeps a choice of actions keeps their names.

    Args:
        root, version, storage_options: As in `scan_sequences`.
    """
    ledger = scan_table(f"{root.rstrip('/')}/tables/{SEQUENCES_TABLE}", version, storage_options)
    return next(iter(ledger.select(ACTIONS).head(1).collect()[ACTIONS].to_list()), [])


def as_frame(
    sequences: BucketSequences, items: pl.Series, surface_names: list[str], columns: list[str], bucket: int
) -> pl.DataFrame:
    """`columns` of one bucket as list columns, items and surfaces by their names."""
    makers = {
        USER_ID: lambda: sequences.user_ids,
        ITEM_IDS: lambda: _lists(sequences, items.gather(pl.Series(sequences.item_row) - 1)),
        TIMESTAMPS: lambda: _lists(
            sequences, pl.Series(sequences.timestamp).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
        ),
        ACTIONS: lambda: _lists(sequences, pl.Series(sequences.actions)),
        VALUES: lambda: _lists(sequences, pl.Series(sequences.value).fill_nan(None)),
        SURFACES: lambda: _lists(sequences, _named(sequences.surface, surface_names)),
        BUCKET: lambda: pl.repeat(bucket, len(sequences), dtype=pl.Int32, eager=True),
    }
    return pl.DataFrame([makers[name]().alias(name) for name in columns])


def _lists(sequences: BucketSequences, values: pl.Series) -> pl.Series:
    lists = pa.LargeListArray.from_arrays(pa.array(sequences.offsets), values.to_arrow())
    return pl.Series(pl.from_arrow(lists))


def _named(codes: np.ndarray, names: list[str]) -> pl.Series:
    dictionary = pl.Series(names, dtype=pl.String)
    return dictionary.gather(
        pl.Series(np.where(codes == NO_SURFACE, 0, codes)).set(pl.Series(codes == NO_SURFACE), None)
    )


def _opened(uri: str, storage_options: dict[str, str] | None) -> pa.NativeFile:
    return object_input(uri, storage_options) if is_uri(uri) else pa.memory_map(str(Path(uri)))
