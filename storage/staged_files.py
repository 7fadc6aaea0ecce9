"""Files of a run that no table names yet: a commit makes them part of one.

Every file that a run writes carries the run's token in its name, and the run holds a lock of that name while it lives,
so that a later run knows what a killed one left behind (`storage.sweeper`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self
from uuid import uuid4

import polars as pl
from polars.exceptions import PolarsError

from storage.commit import StagedFile, stored, write_file
from storage.sweeper import DOOR, LOCK, STAGING, held, locked, remove_uncommitted, sweep

if TYPE_CHECKING:
    from storage.lake import Lake


class Staging:
    """Writes files for a later commit; use it as a context that ends after the commit.

    Args:
        lake: Whose tables they are meant for.
        token: Of the run whose lock another process holds, as in a remote task; None begins a run of its own.
    """

    def __init__(self, lake: Lake, token: str | None = None) -> None:
        self.lake = lake
        self.token = token or uuid4().hex[:12]
        self._owner = token is None
        self._lock: IO[str] | None = None
        self._scratch: Path | None = None

    def __enter__(self) -> Self:
        if self._owner and self.lake.is_local:
            folder = self.lake.folder(STAGING)
            with held(folder / DOOR):
                sweep(self.lake)
                self._lock = locked(folder / f"{self.token}{LOCK}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        if self._lock is not None:
            # A run that ends well has such files too: those of a remote task that was lost and done again.
            remove_uncommitted(self.lake, self.token)
            Path(self._lock.name).unlink(missing_ok=True)
            self._lock.close()

    @property
    def scratch(self) -> Path:
        """A folder on this machine for what is needed during the run alone."""
        if self._scratch is None:
            parent = self.lake.folder(STAGING) if self.lake.is_local else None
            self._scratch = Path(tempfile.mkdtemp(prefix=f"{self.token}-", dir=parent))
        return self._scratch

    def name(self, part: int, suffix: str) -> str:
        """A file name that no other file has, in the order of `part`."""
        return f"part-{part:05d}-{self.token}-{uuid4().hex[:8]}.{suffix}"

    def write(self, table: str, frame: pl.DataFrame, partition: Mapping[str, str], part: int = 0) -> StagedFile:
        """Writes one file of one partition; `frame` may hold the partition's columns, the file does not.

        Raises:
            OSError: it cannot be written.
        """
        name, table_place = self.name(part, "parquet"), self.lake.uri(table)
        with writing(f"{table_place}/{name}"):
            return write_file(table_place, name, frame, partition, self.lake.options)

    def write_partitions(
        self, table: str, frame: pl.DataFrame, partition_by: Sequence[str], part: int = 0
    ) -> list[StagedFile]:
        """Writes `frame` as one file for each combination of values of `partition_by`."""
        if not partition_by:
            return [self.write(table, frame, {}, part)]
        groups = stored(frame).partition_by(list(partition_by), as_dict=True, maintain_order=True, include_key=False)
        return [
            self.write(table, rows, dict(zip(partition_by, map(_plain, values), strict=True)), part)
            for values, rows in groups.items()
        ]


@contextmanager
def writing(place: str | Path) -> Iterator[None]:
    """Says of a file that cannot be written which one it is, and what to do.

    Raises:
        OSError: the block failed to write it.
    """
    try:
        yield
    except (PolarsError, OSError) as error:
        raise OSError(f"{place} cannot be written ({error}): make room or mend the store, then run again") from error


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
