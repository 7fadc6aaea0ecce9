"""Staged files made part of a Delta table in one commit that knows every commit before it."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from assets.staging import StagedFile, stored

ALONE = CommitProperties(max_commit_retries=0)
"""Left to itself, delta-rs puts a commit on top of another writer's without looking at what that one added, and a day
that two runs replace at once would hold the rows of both."""

KEEP_LOG = {"delta.enableExpiredLogCleanup": "false"}
"""Else delta-rs deletes commits older than 30 days, and no version that a model in production names could be read."""


@dataclass(frozen=True)
class Commit:
    """What is to become part of a table.

    Attributes:
        like: A frame with the table's columns; its rows do not matter.
    """

    files: Sequence[StagedFile]
    like: pl.DataFrame
    partition_by: Sequence[str] = ()

    def create(self, uri: str, options: dict[str, str] | None) -> bool:
        """Makes a new table; False where another writer was faster."""
        try:
            create_table_with_add_actions(
                uri,
                self._schema(),
                self._actions(),
                partition_by=list(self.partition_by),
                configuration=KEEP_LOG,
                storage_options=options,
                commit_properties=ALONE,
            )
        except DeltaError:
            if DeltaTable.is_deltatable(uri, options):
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
            schema=self._schema(),
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
            schema=self._schema(),
            partition_by=list(self.partition_by),
            commit_properties=ALONE,
        )
        return log.version() + 1

    def _schema(self) -> Schema:
        return Schema.from_arrow(stored(self.like.head(0)).to_arrow().schema)

    def _actions(self) -> list[AddAction]:
        now = time.time_ns() // 1_000_000
        return [
            AddAction(file.path, file.bytes, dict(file.partition), now, True, json.dumps({"numRecords": file.rows}))
            for file in self.files
        ]
