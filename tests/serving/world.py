"""A tiny world on disk: artifacts with random weights and the two tables that the endpoint reads."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from deltalake import DeltaTable, write_deltalake

from models.artifact import save_artifact
from models.config.model import HstuConfig, ModelConfig
from models.families.family import ITEM_VECTORS, RETRIEVAL_VECTORS
from models.families.registry import build
from models.interactions import Interactions
from models.manifest import Manifest
from models.vocabulary import Vocabulary
from serving.settings import ReleaseConfig, SequencesVersion, TableVersion
from tests.models.fitted.worlds import CONFIGS, CUTOFF_MS, fitted
from tests.sequence_files import write_sequences

START = datetime(2026, 1, 1, tzinfo=UTC)
VIEW, LIKE = 1, 2
"""The bits of two actions; only likes are positive."""

OLD = [CUTOFF_MS - hours * 3_600_000 for hours in (30, 20, 10)]
"""Times of what simple models learn from."""


@dataclass(frozen=True)
class World:
    """Items 1..n of which item i has popularity i, category "even" or "odd", and title "Item i".

    User 100 liked 1, 2, 3 and viewed 4; user 200 only viewed 5; user 300 liked 999, which no model knows.
    The last item is announced for the year 2100.
    """

    root: Path
    items: int = 12

    def release(
        self, version: str, seed: int = 0, id_type: type[int] | type[str] = int, repeats: bool = False
    ) -> ReleaseConfig:
        """Writes an artifact and the tables, and says where they are."""
        ids = [id_type(i) for i in range(1, self.items + 1)]
        return ReleaseConfig(
            version=version,
            artifact=self.artifact(version, seed, pl.Series(ids), repeats=repeats),
            sequences=self.histories(self.sequences(id_type)),
            items=self.table("items", self.catalogue(id_type)),
        )

    def artifact(
        self, version: str, seed: int, ids: pl.Series, tables: Mapping[str, int] | None = None, repeats: bool = False
    ) -> Path:
        """A version of random weights, which says that it learned from `tables`: name to version."""
        torch.manual_seed(seed)
        backbone = HstuConfig(layers=1, heads=1, head_dim=8)
        model = build(ModelConfig(width=8, max_length=4, backbone=backbone), items=len(ids))
        torch.nn.init.normal_(model.items.ids.weight)
        popularity = np.arange(len(ids) + 1, dtype=np.float32)
        cutoff = START + timedelta(days=7)
        manifest = Manifest(
            version=version,
            created=START,
            cutoff=cutoff,
            data_end=cutoff,
            positive_actions=["like"],
            table_versions=dict(tables or {}),
            repeats=repeats,
        )
        vocabulary = Vocabulary(ids, np.arange(1, len(ids) + 1), popularity)
        return save_artifact(self.root / "artifacts", manifest, model, vocabulary)

    def simple(self, version: str, family: str) -> ReleaseConfig:
        """A release of a simple model, fitted to twenty users who chose neighbours on a ring of items."""
        training = Interactions.of([([1 + (u + step) % (self.items - 1) for step in range(3)], OLD) for u in range(20)])
        artifact = fitted(CONFIGS[family], training, self.items)
        vocabulary = replace(artifact.vocabulary, item_ids=pl.Series(range(1, self.items + 1)))
        manifest = artifact.manifest.model_copy(update={"version": version, "positive_actions": ["like"]})
        return ReleaseConfig(
            version=version,
            artifact=save_artifact(self.root / "artifacts", manifest, artifact.model, vocabulary),
            sequences=self.histories(self.sequences(int)),
            items=self.table("items", self.catalogue(int)),
        )

    def of_model(self, version: str, model: Any, positive_actions: list[str]) -> ReleaseConfig:
        """A release of any model of these items."""
        cutoff = START + timedelta(days=7)
        manifest = Manifest(
            version=version, created=START, cutoff=cutoff, data_end=cutoff, positive_actions=positive_actions
        )
        ids = pl.Series(range(1, self.items + 1))
        vocabulary = Vocabulary(ids, np.arange(1, self.items + 1), np.arange(self.items + 1, dtype=np.float32))
        return ReleaseConfig(
            version=version,
            artifact=save_artifact(self.root / "artifacts", manifest, model, vocabulary),
            sequences=self.histories(self.sequences(int)),
            items=self.table("items", self.catalogue(int)),
        )

    def new_items(self, version: str, vectors: Mapping[int | str, Mapping[str, torch.Tensor]]) -> TableVersion:
        """The table of items that came after `version` was trained: id to its vectors by name."""
        rows = [
            {"version": version, "item_id": item, **{name: one.tolist() for name, one in of.items()}}
            for item, of in vectors.items()
        ]
        lists = dict.fromkeys((ITEM_VECTORS, RETRIEVAL_VECTORS), pl.List(pl.Float32))
        return self.table("new_item_vectors", pl.DataFrame(rows, schema_overrides=lists))

    def histories(self, frame: pl.DataFrame) -> SequencesVersion:
        return SequencesVersion(root=str(self.root), version=write_sequences(self.root, frame))

    def table(self, name: str, frame: pl.DataFrame) -> TableVersion:
        uri = str(self.root / "tables" / name)
        write_deltalake(uri, frame.to_arrow(), mode="overwrite")
        return TableVersion(uri=uri, version=DeltaTable(uri).version())

    def sequences(self, id_type: type[int] | type[str]) -> pl.DataFrame:
        histories = [
            (300, [(999, LIKE)]),
            (100, [(1, LIKE), (2, VIEW | LIKE), (3, LIKE), (4, VIEW)]),
            (200, [(5, VIEW)]),
        ]
        rows = [
            {
                "user_id": id_type(user),
                "item_ids": [id_type(item) for item, _ in history],
                "timestamps": [START + timedelta(hours=hour) for hour in range(len(history))],
                "actions": [actions for _, actions in history],
            }
            for user, history in histories
        ]
        lists = {"timestamps": pl.List(pl.Datetime("ms", "UTC")), "actions": pl.List(pl.Int32)}
        return pl.DataFrame(rows, schema_overrides=lists)

    def catalogue(self, id_type: type[int] | type[str]) -> pl.DataFrame:
        """Every item on the first day, and item 3 once more on the second, with a better title."""
        rows: list[tuple[object, ...]] = [
            (id_type(i), f"Item {i}", ["even" if i % 2 == 0 else "odd"], self.available(i), date(2026, 1, 1))
            for i in range(1, self.items + 1)
        ]
        rows.append((id_type(3), "Item 3, renamed", ["odd", None, "new"], self.available(3), date(2026, 1, 2)))
        schema = {
            "item_id": pl.Int64 if id_type is int else pl.String,
            "title": pl.String,
            "categories": pl.List(pl.String),
            "available_from": pl.Datetime("ms", "UTC"),
            "day": pl.Date,
        }
        return pl.DataFrame(rows, schema=schema, orient="row")

    def available(self, item: int) -> datetime:
        return datetime(2100, 1, 1, tzinfo=UTC) if item == self.items else START
