"""Delta tables under one root: a local folder by default, an object-store URI in production.

Every write is one atomic commit of files that were written before, so a reader never sees half a table and a killed
run leaves the last good version.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from models.actions import action_bits
from models.columns import DAY, HASH_SLOT
from storage.commit import STORED_TIME, Commit, StagedFile
from storage.object_store import object_output
from storage.places import is_uri
from storage.schema import REMOVE, TIME, require_same
from storage.sequence_store import SEQUENCES_TABLE, SequenceFiles, action_vocabulary, open_sequences, scan_sequences
from storage.staged_files import Staging
from storage.tables import has_table, open_table, scan_table

COMMIT_ATTEMPTS = 10

FORMER_HASH_SLOT = "slot"
"""What the hash slot is called in tables of earlier versions."""


class TableMissing(LookupError):
    """A table was read before anything was written to it."""


@dataclass(frozen=True)
class Lake:
    """The tables and folders of one profile.

    Args:
        root: Folder or URI that holds every table.
        storage_options: Credentials and endpoint of an object store, as delta-rs names them.
        artifacts: Folder for what is not a table; empty: the root, which is a folder then.
        family: Family of the models that find items: whose versions the line makes, and whose champion it serves.
    """

    root: str
    storage_options: dict[str, str] = field(default_factory=dict)
    artifacts: str = ""
    family: str = "hstu"

    @property
    def is_local(self) -> bool:
        return not is_uri(self.root)

    @property
    def options(self) -> dict[str, str] | None:
        return self.storage_options or None

    def uri(self, table: str) -> str:
        return f"{self.root.rstrip('/')}/tables/{table}"

    def folder(self, name: str) -> Path:
        """A local folder beside the tables, for things that are not tables: artifacts, reports, checkpoints."""
        if not (self.artifacts or self.is_local):
            raise ValueError(
                f"the lake root {self.root} is an object store, but '{name}' needs a folder: "
                "set lake.artifacts in the profile to a mounted path"
            )
        path = Path(self.artifacts or self.root).absolute() / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def exists(self, table: str) -> bool:
        return has_table(self.uri(table), self.options)

    def delta(self, table: str, version: int | None = None) -> DeltaTable:
        """The table's log.

        Raises:
            TableMissing: nothing was written to `table` yet.
        """
        if not self.exists(table):
            raise TableMissing(f"table '{table}' is not in {self.root} yet: materialize the asset '{table}' first")
        return open_table(self.uri(table), version, self.options)

    def scan(self, table: str, version: int | None = None) -> pl.LazyFrame:
        """Lazily reads `table`, optionally as of an earlier version.

        Raises:
            TableMissing: nothing was written to `table` yet.
        """
        self.delta(table, version)
        return restored(scan_table(self.uri(table), version, self.options))

    def sequences(self, version: int | None = None) -> pl.LazyFrame:
        """Users and their interactions (`storage.sequence_store.scan_sequences`), optionally as of an earlier version.

        Raises:
            TableMissing: there are no sequences yet.
        """
        self.delta(SEQUENCES_TABLE, version)
        return scan_sequences(self.root, version, self.storage_options)

    def interactions(self, version: int | None = None) -> SequenceFiles:
        """The same as an `InteractionLog`: without lists and ids, for whoever reads every interaction.

        Raises:
            TableMissing: there are no sequences yet.
        """
        self.delta(SEQUENCES_TABLE, version)
        return open_sequences(self.root, version, self.storage_options)

    def action_bits(self, actions: Sequence[str], version: int | None = None) -> int:
        """The mask of `actions` in a version of the sequences (`models.actions.action_bits`)."""
        return action_bits(action_vocabulary(self.root, version, self.storage_options), actions)

    def output(self, path: str) -> pa.NativeFile:
        """A new file at `path` below the root, to be written and closed."""
        if self.is_local:
            target = Path(self.root).absolute() / path
            target.parent.mkdir(parents=True, exist_ok=True)
            return pa.OSFile(str(target), "wb")
        return object_output(self.root, path, self.options)

    def version(self, table: str) -> int:
        """The number of the table's newest commit: what a manifest records to say what it was made from."""
        return self.delta(table).version()

    def files(self, table: str, version: int | None = None) -> pl.DataFrame:
        """The files that make up `table`: `path`, `num_records`, and `partition.<column>` of each partition column."""
        actions = pa.table(self.delta(table, version).get_add_actions(flatten=True))
        return pl.DataFrame(pl.from_arrow(actions)).select("path", "num_records", cs.starts_with("partition."))

    def rows(self, table: str) -> int:
        """Number of rows of the whole table."""
        return int(self.files(table)["num_records"].sum())

    def days(self, table: str) -> list[date]:
        """The days that hold rows, ascending; empty where the table does not exist."""
        if not self.exists(table):
            return []
        return sorted(set(self.files(table)[f"partition.{DAY}"]))

    def overwrite(self, table: str, frame: pl.DataFrame, partition_by: Sequence[str] = ()) -> int:
        """Replaces the whole table; returns its new version."""
        with Staging(self) as staging:
            files = staging.write_partitions(table, frame, partition_by)
            return self.commit(table, files, frame, partition_by, replace=None)

    def replace_days(
        self, table: str, frame: pl.DataFrame, days: Sequence[date], where: Mapping[str, str] | None = None
    ) -> int:
        """Replaces the partitions of `days` (within `where`, more partition columns and their values) by `frame`.

        Raises:
            ValueError: `frame` holds a row outside the partitions that it replaces.
        """
        where = where or {}
        outside = frame.filter(
            ~pl.all_horizontal(pl.col(DAY).is_in(list(days)), *(pl.col(k) == v for k, v in where.items()))
        )
        if outside.height:
            raise ValueError(
                f"table {table}: {outside.height} rows lie outside the partitions being replaced, "
                f"the first on day {outside[DAY][0]}; no row was written"
            )
        with Staging(self) as staging:
            files = staging.write_partitions(table, frame, [*where, DAY])
            return self.commit_days(table, files, frame, days, where)

    def commit_days(
        self,
        table: str,
        files: Sequence[StagedFile],
        like: pl.DataFrame,
        days: Sequence[date],
        where: Mapping[str, str] | None = None,
    ) -> int:
        """Puts staged `files` in the place of the partitions of `days` in one commit; returns the new version.

        Args:
            like: A frame with the table's columns; its rows do not matter.
        """
        where = where or {}
        replace = {DAY: [day.isoformat() for day in days]} | {name: [value] for name, value in where.items()}
        return self.commit(table, files, like, [*where, DAY], replace)

    def commit(
        self,
        table: str,
        files: Sequence[StagedFile],
        like: pl.DataFrame,
        partition_by: Sequence[str],
        replace: Mapping[str, Sequence[str]] | None,
    ) -> int:
        """Makes staged files part of the table, in the place of those whose partition values are in `replace`.

        Another writer's commit in between is not undone: ours is made again on top of it.

        Args:
            like: A frame with the table's columns.
            replace: Partition column to its values; None replaces the whole table.

        Raises:
            ValueError: the table has other columns or types and is not replaced whole.
        """
        commit = Commit(files, like, partition_by)
        if not self.exists(table) and commit.create(self.uri(table), self.options):
            return 0
        if replace is not None:
            self._require_schema(table, commit)
        for attempt in range(COMMIT_ATTEMPTS - 1):
            with suppress(CommitFailedError):
                return commit.replace(self.delta(table), replace)
            time.sleep(0.05 * 2**attempt)
        return commit.replace(self.delta(table), replace)

    def append(self, table: str, frame: pl.DataFrame, after: int | None) -> int:
        """Adds rows to an unpartitioned table; returns its new version.

        Args:
            after: The version that the rows were made for; None where the table was not there.

        Raises:
            CommitFailedError: another writer changed the table since; no row was added.
            ValueError: the table has other columns or types.
        """
        with Staging(self) as staging:
            commit = Commit([staging.write(table, frame, {})], frame)
            if after is not None:
                self._require_schema(table, commit)
                return commit.append(self.delta(table, after))
            if not commit.create(self.uri(table), self.options):
                raise CommitFailedError(f"table '{table}' was made by another writer meanwhile: append to that")
            return 0

    def _require_schema(self, table: str, commit: Commit) -> None:
        there, wanted = self.delta(table), restored(pl.LazyFrame(schema=pl.Schema(commit.schema)))
        require_same(self.uri(table), self.scan(table).collect_schema(), wanted.collect_schema())
        parts = there.metadata().partition_columns
        if parts != list(commit.partition_by):
            raise ValueError(
                f"table '{table}' in {self.root} is kept by {', '.join(parts) or 'nothing'}, the rows to be written by "
                f"{', '.join(commit.partition_by) or 'nothing'}: {REMOVE.format(self.uri(table))}"
            )


def restored(rows: pl.LazyFrame) -> pl.LazyFrame:
    """`rows` of a table in the types of the contract and under its names, also where an earlier version wrote them."""
    there = rows.collect_schema()
    if FORMER_HASH_SLOT in there:
        slots = [pl.col(name) for name in (HASH_SLOT, FORMER_HASH_SLOT) if name in there]
        rows = rows.with_columns(pl.coalesce(slots).alias(HASH_SLOT)).drop(FORMER_HASH_SLOT)
    return rows.with_columns(cs.by_dtype(STORED_TIME).cast(TIME))
