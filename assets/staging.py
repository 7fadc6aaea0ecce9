"""Files of a run that no table names yet, and what becomes of them when the run is killed.

Every file that a run writes carries the run's token in its name, and the run holds a lock of that name while it lives.
A later run that finds a lock which nobody holds deletes that token's files, except those that a commit made part of a
table. On an object store, where there are no locks, the retention job removes files that no table names.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self
from uuid import uuid4

import polars as pl
from polars.exceptions import PolarsError

from models.commit import StagedFile, write_file
from models.sequence_store import BUCKETS_FOLDER, SEQUENCES_TABLE, named_files

if TYPE_CHECKING:
    from assets.lake import Lake

STAGING = "staging"
LOCK = ".lock"
DOOR = "door"
"""Who begins a run or sweeps passes here one at a time, so that no sweeper meets a lock that is not held yet."""


class Staging:
    """Writes files for a later commit; use it as a context that ends after the commit.

    Args:
        lake: Whose tables they are meant for.
        token: Of the run whose lock somebody else holds, as in a remote task; None begins a run of its own.
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
            with _held(folder / DOOR):
                sweep(self.lake)
                self._lock = _locked(folder / f"{self.token}{LOCK}")
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
        groups = frame.partition_by(list(partition_by), as_dict=True, maintain_order=True)
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


def sweep(lake: Lake) -> list[Path]:
    """Deletes what killed runs left behind; returns what was deleted."""
    locks = {path: _locked(path, wait=False) for path in lake.folder(STAGING).glob(f"*{LOCK}")}
    dead = {path: lock for path, lock in locks.items() if lock is not None}
    deleted = remove_uncommitted(lake, *(path.name.removesuffix(LOCK) for path in dead))
    if len(dead) == len(locks):
        deleted += _remove_drafts(lake)
    for path, lock in dead.items():
        path.unlink(missing_ok=True)
        lock.close()
    return deleted


def remove_uncommitted(lake: Lake, *tokens: str) -> list[Path]:
    """Deletes the files of runs that did not become part of a table; returns them."""
    tables = list(Path(lake.root, "tables").glob("*"))
    left = _removed(path for table in tables for token in tokens for path in _orphans(table, token))
    buckets = _removed(path for token in tokens for path in _orphan_buckets(lake, token))
    for scratch in [path for token in tokens for path in lake.folder(STAGING).glob(f"{token}-*")]:
        shutil.rmtree(scratch, ignore_errors=True)
    return left + buckets


def _remove_drafts(lake: Lake) -> list[Path]:
    """Commits that were being written when a run was killed; while no run lives, they are nobody's.

    The store that delta-rs writes local files with calls the draft of a file `file#1`, `file#2` and so on.
    """
    return _removed(Path(lake.root, "tables").glob("*/_delta_log/*#*"))


def _removed(paths: Iterable[Path]) -> list[Path]:
    removed = list(paths)
    for path in removed:
        path.unlink(missing_ok=True)
    return removed


def _orphans(table: Path, token: str) -> list[Path]:
    found = [path for path in table.rglob(f"*{token}*") if path.is_file() and "_delta_log" not in path.parts]
    committed = _committed(table, token) if found else set()
    return [path for path in found if path.name not in committed]


def _orphan_buckets(lake: Lake, token: str) -> list[Path]:
    """Files of sequences that no committed version of their ledger names."""
    found = list(Path(lake.root, BUCKETS_FOLDER).glob(f"*{token}*"))
    table = Path(lake.uri(SEQUENCES_TABLE))
    # Another run may be writing a ledger right now, and half a file cannot be read.
    committed = _committed(table, "") if found else set()
    ledgers = [path for path in table.glob("*.parquet") if path.name in committed]
    named = named_files(ledgers)
    return [path for path in found if path.name not in named]


def _committed(table: Path, token: str) -> set[str]:
    """Names of the files with `token` that some commit made part of the table."""
    texts = (log.read_text() for log in (table / "_delta_log").glob("*.json"))
    return {Path(part).name for text in texts if token in text for part in text.split('"') if token in part}


@contextmanager
def _held(path: Path) -> Iterator[None]:
    lock = _locked(path)
    try:
        yield
    finally:
        if lock is not None:
            lock.close()


def _locked(path: Path, wait: bool = True) -> IO[str] | None:
    """The open lock file, or None where a living run holds it."""
    lock = open(path, "a")  # noqa: SIM115 (it is held until the run ends)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
