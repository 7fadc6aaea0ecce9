"""The table `sequences`: which file holds each bucket, and which events went into all of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from models.columns import ACTIONS, BUCKET, SURFACE
from models.declared import DeclaredColumns
from storage.lake import Lake
from storage.schema import Schema
from storage.sequence_store import (
    BUCKETS_FOLDER,
    DECLARED,
    DECLARED_COLUMNS,
    FILE,
    SEQUENCES_TABLE,
    SURFACE_NAMES,
    BucketSequences,
    declared_in,
    read_bucket,
)

LENGTH_BINS = 32

REQUEST_GAP_MS = "request_gap_ms"

LEDGER_SCHEMA: Schema = {
    BUCKET: pl.Int32(),
    FILE: pl.String(),
    "users": pl.Int64(),
    "interactions": pl.Int64(),
    "longest": pl.Int64(),
    "lengths": pl.List(pl.Int64()),
    "events_version": pl.Int64(),
    REQUEST_GAP_MS: pl.Int64(),
    ACTIONS: pl.List(pl.String()),
    SURFACE_NAMES: pl.List(pl.String()),
    DECLARED: DECLARED_COLUMNS,
}
"""One row per bucket. `lengths` counts users by the binary logarithm of their number of interactions; the last five
columns, the same in all rows, are what the sequences were made from; ledgers of earlier versions have no gap and no
declared columns."""


@dataclass(frozen=True)
class Built:
    """A bucket's file that was just written."""

    bucket: int
    file: str
    users: int
    interactions: int
    longest: int
    lengths: list[int]

    @classmethod
    def of(cls, number: int, file: str, sequences: BucketSequences) -> "Built":
        lengths = sequences.lengths
        logarithms = np.log2(np.maximum(lengths, 1)).astype(np.int64)
        bins = np.bincount(logarithms, minlength=LENGTH_BINS).tolist()
        return cls(number, file, len(lengths), int(lengths.sum()), int(lengths.max(initial=0)), bins)

    def row(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class State:
    """What the sequences were made from: a version of the events, what ends a request, what numbers stand for."""

    events_version: int
    request_gap_ms: int | None
    actions: list[str]
    declared: DeclaredColumns
    categories: dict[str, list[str]]
    buckets: int

    def made_like(
        self, buckets: int, actions: Sequence[str], request_gap: timedelta, declared: DeclaredColumns
    ) -> bool:
        """Whether new events can be folded into what is there."""
        same_gap = self.request_gap_ms == request_gap // timedelta(milliseconds=1)
        same_columns = self.declared == dict(declared) and self.actions == list(actions)
        return same_gap and same_columns and self.buckets == buckets


def read_ledger(lake: Lake, version: int | None = None) -> pl.DataFrame:
    """The rows of the table, by bucket; none before the first."""
    if not lake.exists(SEQUENCES_TABLE):
        return pl.DataFrame(schema=LEDGER_SCHEMA)
    return lake.scan(SEQUENCES_TABLE, version).sort(BUCKET).collect()


def state_of(ledger: pl.DataFrame) -> State | None:
    """The state that a ledger records; None where there are no sequences yet."""
    if ledger.is_empty():
        return None
    row = ledger.row(0, named=True)
    declared, names = declared_in(row)
    categories = {SURFACE: row[SURFACE_NAMES], **names}
    return State(row["events_version"], row.get(REQUEST_GAP_MS), row[ACTIONS], declared, categories, ledger.height)


def carry_over(lake: Lake, events_before: int | None, events_now: int | None) -> int | None:
    """A new version of the ledger with the counts of the files as they are; returns it, None without sequences.

    Where the sequences were up to date with `events_before` they are so with `events_now`: the caller says that the
    two versions differ in nothing but what it took out of the sequences, too.
    """
    ledger, state = read_ledger(lake), state_of(read_ledger(lake))
    if state is None:
        return None
    version = events_now if events_now is not None and state.events_version == events_before else state.events_version
    rows = [row | _counts(lake, row[BUCKET], row[FILE]) | {"events_version": version} for row in ledger.to_dicts()]
    return lake.overwrite(SEQUENCES_TABLE, pl.DataFrame(rows, schema=LEDGER_SCHEMA))


def _counts(lake: Lake, bucket: int, file: str) -> dict[str, object]:
    return Built.of(bucket, file, read_bucket(f"{lake.root.rstrip('/')}/{BUCKETS_FOLDER}/{file}", lake.options)).row()
