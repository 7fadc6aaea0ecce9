"""The ledger of landing files: which files make up a day. `raw_events` and `raw_items` are its two tables."""

import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

from assets.sources.source import LandedFile, RawTable, SourceError
from models.columns import DAY, SOURCE_FILE
from storage.lake import Lake
from storage.schema import LANDED_SCHEMA, RAW_EVENTS_TABLE, RAW_ITEMS_TABLE

LEDGERS: dict[RawTable, str] = {"events": RAW_EVENTS_TABLE, "items": RAW_ITEMS_TABLE}

HASHED_BYTES = 64 * 2**20
"""Larger files are told apart by size and time of change, because reading them again would cost too much."""


def ledger_frame(files: Sequence[LandedFile]) -> pl.DataFrame:
    """`files` as rows of `LANDED_SCHEMA`."""
    rows = [(file.day, file.path, file.bytes, file.modified) for file in files]
    return pl.DataFrame(rows, schema=LANDED_SCHEMA, orient="row").sort(DAY, SOURCE_FILE)


def landed_files(lake: Lake, table: RawTable, days: Sequence[date]) -> list[LandedFile]:
    """The landing files of `days`, by day and name.

    Raises:
        SourceError: a day has no landed file.
        TableMissing: nothing was landed yet.
    """
    ledger = LEDGERS[table]
    rows = lake.scan(ledger).filter(pl.col(DAY).is_in(list(days))).sort(DAY, SOURCE_FILE).collect()
    missing = sorted(set(days) - set(rows[DAY]))
    if missing:
        others = f" (and {len(missing) - 1} more days)" if len(missing) > 1 else ""
        raise SourceError(f"no landed {table} file for {missing[0]}{others}: materialize the asset '{ledger}' for it")
    return [LandedFile(*row) for row in rows.select(*LANDED_SCHEMA).iter_rows()]


def landing_folders(lake: Lake, table: RawTable) -> list[str]:
    """The folders that the landed files of all days lie in; empty where nothing was landed."""
    ledger = LEDGERS[table]
    if not lake.exists(ledger):
        return []
    files = lake.scan(ledger).select(pl.col(SOURCE_FILE).unique()).collect()
    return sorted({str(Path(file).parent) for file in files[SOURCE_FILE]})


def fingerprint(files: Sequence[LandedFile]) -> str:
    """Equal for equal days, names and contents; what Dagster takes as the version of the landed data."""
    digest = hashlib.blake2b(digest_size=16)
    # A file of thousands of days is read once.
    contents = {path: _content(file) for path, file in {file.path: file for file in files}.items()}
    for file in sorted(files, key=lambda file: (file.day, file.path)):
        digest.update(f"{file.day} {Path(file.path).name} {contents[file.path]}\n".encode())
    return digest.hexdigest()


def _content(file: LandedFile) -> str:
    if file.bytes > HASHED_BYTES:
        return f"{file.bytes} {file.modified.isoformat()}"
    with open(file.path, "rb") as content:
        return hashlib.file_digest(content, "blake2b").hexdigest()
