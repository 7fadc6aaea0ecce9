"""What a killed run left behind is deleted by a later one.

A lock that nobody holds is that of a killed run. The files with its token go, except those that a commit made part of a
table. On an object store, where there are no locks, the retention job removes files that no table names.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from storage.sequence_store import BUCKETS_FOLDER, SEQUENCES_TABLE, named_files
from storage.tables import LOG

if TYPE_CHECKING:
    from storage.lake import Lake

STAGING = "staging"
LOCK = ".lock"
DOOR = "door"
"""Who begins a run or sweeps passes here one at a time, so that no sweeper meets a lock that is not held yet."""


def sweep(lake: Lake) -> list[Path]:
    """Deletes what killed runs left behind; returns what was deleted."""
    locks = {path: locked(path, wait=False) for path in lake.folder(STAGING).glob(f"*{LOCK}")}
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
    found = list(_data_files(table, token))
    committed = _committed(table, token) if found else set()
    return [path for path in found if path.name not in committed]


def _data_files(table: Path, token: str) -> Iterator[Path]:
    for folder, folders, names in os.walk(table):
        if LOG in folders:
            folders.remove(LOG)
        yield from (Path(folder, name) for name in names if token in name)


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
def held(path: Path) -> Iterator[None]:
    """Holds a lock file, once nobody else does, for the length of the block."""
    lock = locked(path)
    try:
        yield
    finally:
        if lock is not None:
            lock.close()


def locked(path: Path, wait: bool = True) -> IO[str] | None:
    """The open lock file, or None where a living run holds it."""
    lock = open(path, "a")  # noqa: SIM115 (it is held until the run ends)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        lock.close()
        return None
    return lock
