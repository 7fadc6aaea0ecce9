"""A small lake with sequences and a catalogue, and versions trained on it by nobody: random weights."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from assets.sequences.item_rows import catalogue_with_rows
from assets.splits.settings import EvaluationSettings
from assets.splits.split import SplitRule, split
from assets.training.dataset import write_training_set
from assets.training.simple_models import Floor
from assets.versions import ARTIFACTS, DATASETS
from models.artifact import save_artifact
from models.config.model import ModelConfig
from models.families.registry import build
from models.fitted.config import IalsConfig, ItemKnnConfig, PopularityConfig
from models.manifest import Manifest, read_manifest
from models.vocabulary import Vocabulary
from storage.lake import Lake
from storage.schema import ITEMS_TABLE, items_schema, sequences_schema
from storage.sequence_store import SEQUENCES_TABLE
from storage.staged_files import Staging
from tests.sequence_files import write_sequences
from tests.training_sets import put_training_set

CUTOFF = datetime(2026, 3, 10, tzinfo=UTC)
CLICK = 4
USERS = 30
ITEMS = 12
COLD_ITEM = 12


def write_world(lake: Lake) -> None:
    """Thirty users click items 1..11 before the cutoff; after it one more, and every third user the new item 12."""
    generator = np.random.default_rng(5)
    users = []
    for user in range(USERS):
        items = (1 + generator.permutation(ITEMS - 1)[:6]).tolist() + ([COLD_ITEM] if user % 3 == 0 else [])
        hours = [-30, -20, -10, -5, -2, 3, 4][: len(items)]
        users.append(
            {
                "user_id": user,
                "item_ids": items,
                "timestamps": [CUTOFF + timedelta(hours=h) for h in hours],
                "actions": [CLICK] * len(items),
                "values": [None] * len(items),
                "surfaces": [None] * len(items),
                "bucket": 0,
            }
        )
    write_sequences(lake.root, pl.DataFrame(users, schema=sequences_schema("int64")))
    first = [(item, CUTOFF - timedelta(days=9), date(2026, 3, 1)) for item in range(1, ITEMS)]
    rows = [*first, (COLD_ITEM, CUTOFF, date(2026, 3, 10))]
    catalogue = pl.DataFrame(
        {"item_id": [r[0] for r in rows], "available_from": [r[1] for r in rows], "day": [r[2] for r in rows]}
    )
    missing = {name: dtype for name, dtype in items_schema("int64").items() if name not in catalogue.columns}
    whole = catalogue.with_columns(pl.lit(None, dtype=dtype).alias(name) for name, dtype in missing.items())
    lake.overwrite(ITEMS_TABLE, whole.select(pl.col(n).cast(d) for n, d in items_schema("int64").items()))


SHAPE = ModelConfig(width=8, max_length=8)


def write_version(
    lake: Lake,
    version: str,
    *,
    seed: int = 0,
    cutoff: datetime = CUTOFF,
    folder: str = "artifacts",
    shape: ModelConfig = SHAPE,
) -> Path:
    """A version that knows every item, of which the last was not trained; weights drawn by `seed`."""
    torch.manual_seed(seed)
    catalogue_with_rows(lake)
    items = lake.interactions().item_ids()
    trained = np.flatnonzero(items < ITEMS) + 1
    vocabulary = Vocabulary(items, trained, np.ones(ITEMS + 1, np.float32))
    training_set = _write_training_set(lake, cutoff) if folder == ARTIFACTS else ""
    manifest = Manifest(
        version=version,
        created=cutoff + timedelta(hours=30, seconds=seed),
        cutoff=cutoff,
        data_end=cutoff + timedelta(days=1),
        positive_actions=["click"],
        held_out_users=10,
        training_set=training_set,
        table_versions={SEQUENCES_TABLE: lake.version(SEQUENCES_TABLE)},
    )
    model = build(shape, ITEMS, torch.from_numpy(trained))
    return save_artifact(lake.folder(folder), manifest, model, vocabulary)


def fit_simple_models(lake: Lake, folder: Path) -> dict[str, Path]:
    """Versions of the simple models, fitted to the training set of the version in `folder`, by family."""
    made_for = read_manifest(folder)

    def begun(family: str, **told: Any) -> Manifest:
        return made_for.model_copy(update={"version": f"{made_for.version}-{family}"})

    floor = Floor(lake.folder(DATASETS) / made_for.training_set, begun)
    configs = (PopularityConfig(half_life_days=3), ItemKnnConfig(), IalsConfig(factors=4, iterations=3))
    return {config.family: floor.write(lake, config).folder for config in configs}


def _write_training_set(lake: Lake, cutoff: datetime) -> str:
    rule = SplitRule(cutoff, timedelta(days=1), CLICK, 10, max_users=EvaluationSettings().max_users)
    with Staging(lake) as staging:
        draft = write_training_set(
            staging.scratch / "set",
            split(lake.interactions(), rule),
            catalogue_with_rows(lake),
            None,
            half_life_days=7,
            cold_start=timedelta(0),
            validation_users=0,
            seed=0,
        )
        return put_training_set(lake, draft, cutoff, leave_one_out_users=10)
