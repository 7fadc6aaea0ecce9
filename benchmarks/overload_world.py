"""A release to put under load: a model as large as the demo's over more items and users, with random weights."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import torch
from deltalake import write_deltalake

from models.artifact import save_artifact
from models.columns import (
    ACTIONS,
    AVAILABLE_FROM,
    BUCKET,
    CATEGORIES,
    DAY,
    ITEM_ID,
    ROW,
    TITLE,
)
from models.config.model import HstuConfig, ModelConfig
from models.families.registry import build
from models.manifest import Manifest
from models.vocabulary import Vocabulary
from serving.settings import ReleaseConfig, SequencesVersion, TableVersion
from storage.sequence_store import (
    BUCKETS_FOLDER,
    FILE,
    ITEM_ROWS_TABLE,
    SEQUENCES_TABLE,
    SURFACE_NAMES,
    BucketSequences,
    write_bucket,
)

ITEMS, USERS, HISTORY = 5_000, 2_000, 64
START = datetime(2026, 1, 1, tzinfo=UTC)
CATEGORY_NAMES = ("books", "films", "games", "music")


def overload_release(root: Path, profile: str) -> ReleaseConfig:
    """Writes the release below `root`: users 1..USERS who clicked on HISTORY items each."""
    return ReleaseConfig(
        profile=profile,
        version="bench",
        artifact=_artifact(root / "artifacts"),
        sequences=_sequences(root),
        items=_items(str(root / "tables" / "items")),
    )


def _artifact(folder: Path) -> Path:
    torch.manual_seed(0)
    config = ModelConfig(width=64, max_length=HISTORY, backbone=HstuConfig(layers=2, heads=2, head_dim=32))
    ids = pl.Series(range(1, ITEMS + 1), dtype=pl.Int64)
    manifest = Manifest(
        version="bench",
        created=START,
        cutoff=START,
        data_end=START,
        positive_actions=["click"],
    )
    vocabulary = Vocabulary(ids, np.arange(1, ITEMS + 1), np.arange(ITEMS + 1, dtype=np.float32))
    return save_artifact(folder, manifest, build(config, ITEMS), vocabulary)


def _items(uri: str) -> TableVersion:
    ids = list(range(1, ITEMS + 1))
    table = pl.DataFrame(
        {
            ITEM_ID: ids,
            TITLE: [f"Item {item}" for item in ids],
            CATEGORIES: [[CATEGORY_NAMES[item % len(CATEGORY_NAMES)]] for item in ids],
            AVAILABLE_FROM: pl.Series([START] * ITEMS, dtype=pl.Datetime("ms", "UTC")),
            DAY: [date(2026, 1, 1)] * ITEMS,
        }
    )
    write_deltalake(uri, table.to_arrow())
    return TableVersion(uri=uri, version=0)


def _sequences(root: Path) -> SequencesVersion:
    count = USERS * HISTORY
    times = int(START.timestamp() * 1000) + np.tile(np.arange(HISTORY), USERS) * timedelta(minutes=7).seconds * 1000
    bucket = BucketSequences(
        pl.Series(range(1, USERS + 1), dtype=pl.Int64),
        np.arange(USERS + 1, dtype=np.int64) * HISTORY,
        {
            "item_row": np.random.default_rng(0).integers(1, ITEMS + 1, count).astype(np.int32),
            "started": times.astype(np.int64),
            "timestamp": times.astype(np.int64),
            "actions": np.ones(count, np.int32),
            "value": np.full(count, np.nan, np.float32),
            "surface": np.full(count, -1, np.int16),
            "request_group": np.arange(count),
            "arrival": np.arange(count),
        },
    )
    (root / BUCKETS_FOLDER).mkdir(parents=True)
    write_bucket(bucket, str(root / BUCKETS_FOLDER / "bucket.arrow"))
    numbers = pl.DataFrame(
        {ITEM_ID: range(1, ITEMS + 1), ROW: range(1, ITEMS + 1)}, schema={ITEM_ID: pl.Int64, ROW: pl.Int32}
    )
    write_deltalake(str(root / "tables" / ITEM_ROWS_TABLE), numbers.to_arrow())
    named = {BUCKET: [0], FILE: ["bucket.arrow"], ACTIONS: [["click"]], SURFACE_NAMES: [[]]}
    ledger = pl.DataFrame(named, schema_overrides={BUCKET: pl.Int32, SURFACE_NAMES: pl.List(pl.String)})
    write_deltalake(str(root / "tables" / SEQUENCES_TABLE), ledger.to_arrow())
    return SequencesVersion(root=str(root), version=0)
