"""Data files of a Delta table, and their being made part of it in one commit that knows every commit before it."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import polars.selectors as cs
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from storage.object_store import object_bytes
from storage.tables import folder_of, has_table, new_location

ALONE = CommitProperties(max_commit_retries=0)
"""Left to itself, delta-rs puts a commit on top of another writer's without looking at what that one added, and a day
that two runs replace at once would hold the rows of both."""

KEEP_LOG = {"delta.enableExpiredLogCleanup": "false"}
"""Else delta-rs deletes commits older than 30 days, and no version that a model in production names could be read."""

TIME = pl.Datetime("ms", "UTC")

STORED_TIME = pl.Datetime("us", "UTC")
"""Delta knows microseconds only; the contract's milliseconds are restored on reading."""

ROW_GROUP_ROWS = 65_536
"""Small enough that a reader of one bucket skips most of a large day."""


@dataclass(frozen=True)
class StagedFile:
    """A Parquet file in a table's folder that no commit names yet.

    Attributes:
        path: Relative to the table.
        partition: The partition columns' values, which the file itself does not hold.
    """

    path: str
    partition: Mapping[str, str]
    rows: int
    bytes: int


def write_file(
    place: str, name: str, frame: pl.DataFrame, partition: Mapping[str, str], options: dict[str, str] | None
) -> StagedFile:
    """Writes a file of one partition for the table at `place`.

    Args:
        name: Of the file, within the partition's folder.
        frame: Its rows; it may hold the partition's columns, the file does not.
        options: Of the object store, as delta-rs names them.
    """
    path = "/".join([*(f"{column}={value}" for column, value in partition.items()), name])
    # Each call of Polars costs as much as some rows, and of sparse days there are thousands.
    held = [column for column in partition if column in frame.columns]
    rows, folder = stored(frame.drop(held) if held else frame), folder_of(place)
    target = f"{place.rstrip('/')}/{path}" if folder is None else str(folder / path)
    if folder is not None:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(
        target, compression="zstd", compression_level=1, row_group_size=ROW_GROUP_ROWS, storage_options=options
    )
    size = object_bytes(target, options) if folder is None else os.path.getsize(target)
    return StagedFile(path, dict(partition), frame.height, size)


def stored(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` in the types that a Delta table holds."""
    has_times = any(dtype == TIME for dtype in frame.dtypes)
    return frame.with_columns(cs.by_dtype(TIME).cast(STORED_TIME)) if has_times else frame


@dataclass(frozen=True)
class Commit:
    """What is to become part of a table.

    Attributes:
        like: A frame with the table's columns; its rows do not matter.
    """

    files: Sequence[StagedFile]
    like: pl.DataFrame
    partition_by: Sequence[str] = ()

    def create(self, place: str, options: dict[str, str] | None) -> bool:
        """Makes a new table at a folder or URI; False where another writer was faster."""
        try:
            create_table_with_add_actions(
                new_location(place),
                self.schema,
                self._actions(),
                partition_by=list(self.partition_by),
                configuration=KEEP_LOG,
                storage_options=options,
                commit_properties=ALONE,
            )
        except DeltaError:
            if has_table(place, options):
                return False
            raise
        return True

    def replace(self, log: DeltaTable, partitions: Mapping[str, Sequence[str]] | None) -> int:
        """Puts the files in the place of what `log` knows; returns the new version.

        Args:
            log: The table as it is now.
            partitions: Partition column to the values that are replaced; None replaces everything.

        Raises:
            CommitFailedError: the table is not as `log` knows it.
        """
        filters = None if partitions is None else [(name, "in", list(values)) for name, values in partitions.items()]
        log.create_write_transaction(
            [*self._actions()],
            mode="overwrite",
            schema=self.schema if partitions is None else self._grown(log),
            partition_by=list(self.partition_by),
            partition_filters=filters,
            commit_properties=ALONE,
        )
        return log.version() + 1

    def append(self, log: DeltaTable, gone: Sequence[str] = ()) -> int:
        """Adds the files; returns the new version.

        Args:
            gone: Paths of files that they take the place of, as the log has them.

        Raises:
            CommitFailedError: the table is not as `log` knows it.
        """
        now = time.time_ns() // 1_000_000
        log.create_write_transaction(
            [*(RemoveAction(path, True, now) for path in gone), *self._actions()],
            mode="append",
            schema=self._grown(log),
            partition_by=list(self.partition_by),
            commit_properties=ALONE,
        )
        return log.version() + 1

    @property
    def schema(self) -> Schema:
        """The table's columns and types as Delta knows them."""
        return Schema.from_arrow(stored(self.like.head(0)).to_arrow().schema)

    def _grown(self, log: DeltaTable) -> Schema:
        """The table's columns as `log` knows them, and behind them those of the new files that it does not have."""
        there = log.schema().fields
        known = {field.name for field in there}
        return Schema([*there, *(field for field in self.schema.fields if field.name not in known)])

    def _actions(self) -> list[AddAction]:
        now = time.time_ns() // 1_000_000
        return [
            AddAction(file.path, file.bytes, dict(file.partition), now, True, json.dumps({"numRecords": file.rows}))
            for file in self.files
        ]
