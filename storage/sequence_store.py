"""The sequences on disk: one Arrow file per bucket of users, and the two tables that say what is in them.

A file holds one record batch: `user_id`, and `interactions`, a list of structs, which Arrow lays out as one array of
offsets and one flat array per field. So a reader maps it into memory and uses the arrays as they stand. Items are rows
of the table `item_rows`, where an item's row never changes. Files are never changed either: the table `sequences` names
those of each version, so a version reads the same as long as it is retained. Only to forget a person they are replaced,
in all versions.
"""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from models.columns import ACTIONS, BUCKET, ITEM_ID, ITEM_IDS, ITEM_INDEX, ROW, SURFACE, TIMESTAMP, TIMESTAMPS, USER_ID
from models.declared import NO_COLUMNS, DeclaredColumn, DeclaredColumns
from models.interactions import Interactions
from models.known import declared
from storage.interaction_columns import CONTRACT_COLUMNS, NO_CATEGORY, StoredColumn, stored_columns
from storage.literal_paths import scan_parquet
from storage.object_store import object_input
from storage.places import is_uri
from storage.tables import scan_table
from storage.user_interactions import ROWS_IN_MEMORY, UserInteractions, cut_into_parts

SEQUENCES_TABLE = "sequences"
ITEM_ROWS_TABLE = "item_rows"
BUCKETS_FOLDER = "sequences"

FILE = "file"
SURFACE_NAMES = "surface_names"

INTERACTIONS = "interactions"

DECLARED = "declared"
DECLARED_COLUMNS = pl.List(
    pl.Struct({"name": pl.String, "known": pl.String, "type": pl.String, "names": pl.List(pl.String)})
)
"""In the table `sequences`: the columns that the profile declared; of a category also the names behind its codes."""


@dataclass(frozen=True)
class BucketSequences:
    """The users of one bucket, in ascending order of their hash, and their interactions, oldest first.

    Attributes:
        user_ids: (U,) strings or int64.
        offsets: (U + 1,) int64; user u owns the interactions from offsets[u] to offsets[u + 1].
        columns: (L,) array of each column (`storage.interaction_columns`), by its name.
    """

    user_ids: pl.Series
    offsets: np.ndarray
    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.user_ids)

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    @classmethod
    def empty(cls, user_ids: pl.Series, columns: Sequence[StoredColumn] = CONTRACT_COLUMNS) -> "BucketSequences":
        """No user; `user_ids` tells their type."""
        none = {column.name: np.empty(0, column.dtype) for column in columns}
        return cls(user_ids.clear(), np.zeros(1, np.int64), none)


def write_bucket(bucket: BucketSequences, sink: pa.NativeFile | str) -> None:
    """Writes an Arrow file; equal sequences give equal bytes."""
    flat = pa.StructArray.from_arrays([pa.array(column) for column in bucket.columns.values()], list(bucket.columns))
    lists = pa.LargeListArray.from_arrays(pa.array(bucket.offsets), flat)
    batch = pa.record_batch([bucket.user_ids.to_arrow(), lists], [USER_ID, INTERACTIONS])
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def read_bucket(uri: str, storage_options: dict[str, str] | None = None) -> BucketSequences:
    """Maps a bucket's file into memory, or loads it from an object store."""
    batch = pa.ipc.open_file(_opened(uri, storage_options)).get_batch(0)
    lists = batch.column(INTERACTIONS)
    flat = lists.values
    # Files of earlier versions call the request group an occasion, and have no `started`.
    there = {"request_group" if field.name == "occasion" else field.name: field.name for field in flat.type}
    fields = {column.name: there.pop(column.name, "timestamp") for column in CONTRACT_COLUMNS} | there
    return BucketSequences(
        pl.Series(USER_ID, pl.from_arrow(batch.column(USER_ID))),
        lists.offsets.to_numpy(),
        {name: flat.field(field).to_numpy(zero_copy_only=True) for name, field in fields.items()},
    )


@dataclass(frozen=True)
class SequenceFiles:
    """A version of the sequences: the files of its buckets, and what the numbers in them stand for.

    Attributes:
        files: Bucket to the path or URI of its file, ascending.
        actions: The actions in the order of their bits.
        declared: The columns that the profile declared.
        categories: Names of each column of codes, in the order of these: `surface` and the declared ones.
        root: Folder or URI of the lake.
    """

    files: Mapping[int, str]
    actions: Sequence[str]
    declared: DeclaredColumns
    categories: Mapping[str, Sequence[str]]
    root: str
    storage_options: dict[str, str] | None = None

    def buckets(self) -> Iterator[tuple[int, BucketSequences]]:
        """Each bucket's number and its sequences, one after another."""
        for bucket, uri in self.files.items():
            yield bucket, read_bucket(uri, self.storage_options)

    def parts(self, columns: Collection[str] = (), rows_in_memory: int = ROWS_IN_MEMORY) -> Iterator[UserInteractions]:
        """The users, bucket by bucket, as views of the mapped files (`storage.user_interactions.InteractionLog`)."""
        known = declared({name: column.known for name, column in self.declared.items()})
        for _, bucket in self.buckets():
            read = {name: bucket.columns[name] for name in {TIMESTAMP, ACTIONS, *columns}}
            whole = Interactions(bucket.offsets, {ITEM_INDEX: bucket.columns["item_row"], **read}, known)
            yield from cut_into_parts(UserInteractions(bucket.user_ids, whole), rows_in_memory)

    def item_ids(self) -> pl.Series:
        """The items of the rows of `item_rows`, in this order, the first of them at row 1."""
        table = scan_table(f"{self.root}/tables/{ITEM_ROWS_TABLE}", options=self.storage_options)
        return table.sort(ROW).collect()[ITEM_ID]


def open_sequences(
    root: str, version: int | None = None, storage_options: dict[str, str] | None = None
) -> SequenceFiles:
    """What a version of the table `sequences` names.

    Args:
        root: Folder or URI of the lake.
        version: Of the table; None for the newest.
        storage_options: Of the object store, as delta-rs names them.
    """
    place, options = root.rstrip("/"), storage_options or None
    ledger = scan_table(f"{place}/tables/{SEQUENCES_TABLE}", version, options).sort(BUCKET).collect()
    files = {bucket: f"{place}/{BUCKETS_FOLDER}/{file}" for bucket, file in ledger.select(BUCKET, FILE).iter_rows()}
    one = next(ledger.iter_rows(named=True), {})
    own, names = declared_in(one)
    categories = {SURFACE: one.get(SURFACE_NAMES, []), **names}
    return SequenceFiles(files, one.get(ACTIONS, []), own, categories, place, options)


def declared_in(row: Mapping[str, Any]) -> tuple[dict[str, DeclaredColumn], dict[str, list[str]]]:
    """The declared columns that a row of the table `sequences` tells of, and the names of each category.

    Tables of earlier versions tell of none.
    """
    columns = row.get(DECLARED) or []
    declared = {column["name"]: DeclaredColumn(known=column["known"], type=column["type"]) for column in columns}
    return declared, {column["name"]: column["names"] for column in columns if column["type"] == "category"}


def told_declared(declared: DeclaredColumns, categories: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """The inverse of `declared_in`."""
    return [
        {"name": name, **declared[name].model_dump(), "names": list(categories.get(name, []))}
        for name in sorted(declared)
    ]


def named_files(parts: Iterable[Path]) -> set[str]:
    """The buckets' files that Parquet files of the table `sequences` name.

    Args:
        parts: Of any versions; each is read by itself, as those of earlier versions of this program have fewer columns.
    """
    return {
        file for frame in pl.collect_all([scan_parquet(part).select(FILE) for part in parts]) for file in frame[FILE]
    }


def sequence_columns(ids: pl.DataType, declared: DeclaredColumns = NO_COLUMNS) -> dict[str, pl.DataType]:
    """One row per user, lists in (timestamp, arrival) order, one element per interaction.

    An interaction merges all actions of one user on one item within one request, as far as they lie close together (or,
    without a request id, at one timestamp): `actions` is their bit mask (`action_vocabulary` names the bits), `values`
    the largest value, null where there was none. Declared columns keep their names.
    """
    return {
        USER_ID: ids,
        ITEM_IDS: pl.List(ids),
        TIMESTAMPS: pl.List(pl.Datetime("ms", "UTC")),
        **{column.listed: pl.List(column.element) for column in stored_columns(declared) if column.listed},
        BUCKET: pl.Int32(),
    }


def scan_sequences(
    root: str, version: int | None = None, storage_options: dict[str, str] | None = None
) -> pl.LazyFrame:
    """Users and their interactions as list columns, bucket by bucket, so that no more than one is in memory.

    Columns are those of `sequence_columns`.

    Args:
        root, version, storage_options: As in `open_sequences`.
    """
    opened = open_sequences(root, version, storage_options)
    items = opened.item_ids()
    schema = sequence_columns(items.dtype, opened.declared)

    def buckets(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        left = sys.maxsize if n_rows is None else n_rows
        for bucket, sequences in opened.buckets():
            if left == 0:
                return
            frame = as_frame(sequences, items, opened, columns or list(schema), bucket).head(left)
            left -= frame.height
            yield frame if predicate is None else frame.filter(predicate)

    return register_io_source(buckets, schema=schema, is_pure=True)


def action_vocabulary(
    root: str, version: int | None = None, storage_options: dict[str, str] | None = None
) -> list[str]:
    """The actions that a version of the sequences knows, in the order of their bits in `actions`.

    Another version may have them in another order: what keeps a choice of actions keeps their names.

    Args:
        root, version, storage_options: As in `open_sequences`.
    """
    return list(open_sequences(root, version, storage_options).actions)


def as_frame(
    sequences: BucketSequences,
    items: pl.Series,
    opened: SequenceFiles,
    columns: Sequence[str],
    bucket: int,
) -> pl.DataFrame:
    """`columns` of one bucket as list columns, items and categories by their names."""
    flat = sequences.columns
    makers = {
        USER_ID: lambda: sequences.user_ids,
        ITEM_IDS: lambda: _lists(sequences, items.gather(pl.Series(flat["item_row"]) - 1)),
        TIMESTAMPS: lambda: _lists(
            sequences, pl.Series(flat[TIMESTAMP]).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
        ),
        BUCKET: lambda: pl.repeat(bucket, len(sequences), dtype=pl.Int32, eager=True),
    } | {
        column.listed: partial(_listed, sequences, column, opened.categories)
        for column in stored_columns(opened.declared)
    }
    return pl.DataFrame([makers[name]().alias(name) for name in columns])


def _listed(sequences: BucketSequences, column: StoredColumn, categories: Mapping[str, Sequence[str]]) -> pl.Series:
    values = sequences.columns[column.name]
    if column.is_category:
        return _lists(sequences, _named(values, categories[column.name]))
    return _lists(sequences, pl.Series(values).fill_nan(None) if values.dtype.kind == "f" else pl.Series(values))


def _lists(sequences: BucketSequences, values: pl.Series) -> pl.Series:
    lists = pa.LargeListArray.from_arrays(pa.array(sequences.offsets), values.to_arrow())
    return pl.Series(pl.from_arrow(lists))


def _named(codes: np.ndarray, names: Sequence[str]) -> pl.Series:
    dictionary = pl.Series(names, dtype=pl.String)
    return dictionary.gather(
        pl.Series(np.where(codes == NO_CATEGORY, 0, codes)).set(pl.Series(codes == NO_CATEGORY), None)
    )


def _opened(uri: str, storage_options: dict[str, str] | None) -> pa.NativeFile:
    return object_input(uri, storage_options) if is_uri(uri) else pa.memory_map(str(Path(uri)))
