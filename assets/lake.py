"""Delta tables under one root: a local folder by default, an object-store URI in production.

Every write is one atomic commit, so a reader never sees half a table and a killed run leaves the last good version.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl
import polars.selectors as cs
from deltalake import DeltaTable, write_deltalake

from assets.schema import TIME
from models.columns import DAY

STORED_TIME = pl.Datetime("us", "UTC")
"""Delta knows microseconds only; the contract's milliseconds are restored on reading."""


class TableMissing(LookupError):
    """A table was read before anything was written to it."""


@dataclass(frozen=True)
class Lake:
    """The tables and folders of one profile.

    Args:
        root: Folder or URI that holds every table.
        storage_options: Credentials and endpoint of an object store, as delta-rs names them.
    """

    root: str
    storage_options: dict[str, str] = field(default_factory=dict)

    def uri(self, table: str) -> str:
        return f"{self.root.rstrip('/')}/tables/{table}"

    def folder(self, name: str) -> Path:
        """A local folder beside the tables, for things that are not tables: artifacts, reports, checkpoints."""
        if "://" in self.root:
            raise ValueError(
                f"the lake root {self.root} is an object store, but '{name}' needs a folder: "
                "set `artifacts` in the profile to a mounted path"
            )
        path = Path(self.root).absolute() / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def exists(self, table: str) -> bool:
        return DeltaTable.is_deltatable(self.uri(table), self.storage_options or None)

    def scan(self, table: str, version: int | None = None) -> pl.LazyFrame:
        """Lazily reads `table`, optionally as of an earlier version.

        Raises:
            TableMissing: nothing was written to `table` yet.
        """
        self._require(table)
        rows = pl.scan_delta(self.uri(table), version=version, storage_options=self.storage_options or None)
        return rows.with_columns(cs.by_dtype(STORED_TIME).cast(TIME))

    def version(self, table: str) -> int:
        """The number of the table's newest commit: what a manifest records to say what it was made from."""
        self._require(table)
        return DeltaTable(self.uri(table), storage_options=self.storage_options or None).version()

    def days(self, table: str) -> list[date]:
        """The days that hold rows, ascending; empty where the table does not exist."""
        if not self.exists(table):
            return []
        return self.scan(table).select(pl.col(DAY).unique().sort()).collect()[DAY].to_list()

    def overwrite(self, table: str, frame: pl.DataFrame, partition_by: Sequence[str] = ()) -> int:
        """Replaces the whole table; returns its new version."""
        return self._write(table, frame, partition_by, predicate=None)

    def replace_days(
        self, table: str, frame: pl.DataFrame, days: Sequence[date], where: dict[str, str] | None = None
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
        listed = ", ".join(f"'{day.isoformat()}'" for day in days)
        predicate = " AND ".join([f"{DAY} IN ({listed})", *(f"{k} = '{v}'" for k, v in where.items())])
        return self._write(table, frame, [*where, DAY], predicate)

    def append(self, table: str, frame: pl.DataFrame) -> int:
        write_deltalake(self.uri(table), frame.to_arrow(), mode="append", storage_options=self.storage_options or None)
        return self.version(table)

    def _write(self, table: str, frame: pl.DataFrame, partition_by: Sequence[str], predicate: str | None) -> int:
        first = not self.exists(table)
        write_deltalake(
            self.uri(table),
            frame.to_arrow(),
            mode="overwrite",
            predicate=None if first else predicate,
            partition_by=list(partition_by) or None,
            schema_mode=None if predicate else "overwrite",
            storage_options=self.storage_options or None,
        )
        return self.version(table)

    def _require(self, table: str) -> None:
        if not self.exists(table):
            raise TableMissing(f"table '{table}' is not in {self.root} yet: materialize the asset '{table}' first")
