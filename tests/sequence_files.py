"""Sequences on disk for tests that begin behind the data plane."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from deltalake import DeltaTable, write_deltalake

from models.columns import ACTIONS, BUCKET, ITEM_ID, ITEM_IDS, ROW, TIMESTAMPS, USER_ID
from storage.sequence_store import (
    BUCKETS_FOLDER,
    FILE,
    ITEM_ROWS_TABLE,
    SEQUENCES_TABLE,
    SURFACE_NAMES,
    BucketSequences,
    write_bucket,
)

ACTION_NAMES = ("view", "like", "click")


def write_sequences(root: str | Path, frame: pl.DataFrame, actions: Sequence[str] = ACTION_NAMES) -> int:
    """Writes `frame` (`user_id`, `item_ids`, `timestamps`, `actions`) as one bucket below `root`.

    Args:
        actions: The vocabulary whose positions are the bits in the column `actions`.

    Returns the version of the table `sequences`.
    """
    tables = Path(root) / "tables"
    items = frame[ITEM_IDS].explode().drop_nulls()
    rows = _item_rows(str(tables / ITEM_ROWS_TABLE), items)
    table = str(tables / SEQUENCES_TABLE)
    version = DeltaTable(table).version() + 1 if DeltaTable.is_deltatable(table) else 0
    name = f"bucket-{version}.arrow"
    folder = Path(root) / BUCKETS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    write_bucket(_bucket(frame, items, rows), str(folder / name))
    named = {ACTIONS: [list(actions)], SURFACE_NAMES: [[]]}
    ledger = pl.DataFrame({BUCKET: [0], FILE: [name]} | named, schema_overrides=LEDGER)
    write_deltalake(table, ledger.to_arrow(), mode="overwrite")
    return version


LEDGER: dict[str, pl.DataType] = {BUCKET: pl.Int32(), SURFACE_NAMES: pl.List(pl.String)}


def _item_rows(table: str, items: pl.Series) -> dict[object, int]:
    there = pl.read_delta(table)[ITEM_ID] if DeltaTable.is_deltatable(table) else items.clear()
    every = pl.concat([there.alias(ITEM_ID), items.alias(ITEM_ID)]).unique(maintain_order=True)
    numbered = pl.DataFrame({ITEM_ID: every, ROW: range(1, len(every) + 1)}, schema_overrides={ROW: pl.Int32})
    write_deltalake(table, numbered.to_arrow(), mode="overwrite")
    return dict(numbered.iter_rows())


def _bucket(frame: pl.DataFrame, items: pl.Series, rows: dict[object, int]) -> BucketSequences:
    lengths = frame[ITEM_IDS].list.len().to_numpy()
    count = len(items)
    filled = frame.filter(pl.col(ITEM_IDS).list.len() > 0)
    times = filled[TIMESTAMPS].explode().dt.epoch("ms").to_numpy().astype(np.int64)
    return BucketSequences(
        frame[USER_ID],
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        {
            "item_row": np.array([rows[item] for item in items], np.int32),
            "started": times,
            "timestamp": times,
            "actions": filled[ACTIONS].explode().to_numpy().astype(np.int32),
            "value": np.full(count, np.nan, np.float32),
            "surface": np.full(count, -1, np.int16),
            "request_group": np.arange(count),
            "arrival": np.arange(count),
        },
    )
