"""Artifacts of the families that are fitted, of small made-up interactions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import polars as pl

from models.artifact import Artifact
from models.config.model import FamilyConfig
from models.evaluation.model_scorer import ModelScorer
from models.families.registry import fitted_families
from models.fitted.config import IalsConfig, ItemKnnConfig, PopularityConfig
from models.interactions import Interactions
from models.item_counts import ItemCounts
from models.manifest import Manifest
from models.vocabulary import Vocabulary

CUTOFF = datetime(2026, 1, 2, tzinfo=UTC)
CUTOFF_MS = int(CUTOFF.timestamp() * 1000)

CONFIGS: Mapping[str, FamilyConfig] = {
    "popularity": PopularityConfig(half_life_days=2.0),
    "item_knn": ItemKnnConfig(neighbours=5, shrinkage=1.0),
    "ials": IalsConfig(factors=4, iterations=3),
}
"""One of each family."""


def vocabulary_of(training: Interactions, items: int, unlisted: Sequence[int] = ()) -> Vocabulary:
    """Items "item 1" to "item n"; all but the `unlisted` ones are known, and those of the `training` trained."""
    counts = ItemCounts(items, CUTOFF_MS, half_life_days=2.0)
    counts.add(training.known())
    ids = pl.Series([f"item {number}" for number in range(1, items + 1)])
    listed = np.setdiff1d(np.arange(items), np.array(unlisted, np.int64) - 1)
    return counts.vocabulary(ids, ids.gather(pl.Series(listed, dtype=pl.Int64)))


def fitted(config: FamilyConfig, training: Interactions, items: int, unlisted: Sequence[int] = ()) -> Artifact:
    """A version fitted to the interactions `training`."""
    return fitted_to(config, training, vocabulary_of(training, items, unlisted))


def fitted_to(config: FamilyConfig, training: Interactions, vocabulary: Vocabulary) -> Artifact:
    """The same, for items of a vocabulary."""
    return Artifact.of(manifest(), fitted_families()[config.family].fit(config, training, vocabulary), vocabulary)


def scorer(config: FamilyConfig, training: Interactions, vocabulary: Vocabulary) -> ModelScorer:
    """The same, as the evaluation asks it."""
    return ModelScorer(config.family, fitted_to(config, training, vocabulary), vocabulary)


def manifest(version: str = "v1") -> Manifest:
    return Manifest(version=version, created=CUTOFF, cutoff=CUTOFF, data_end=CUTOFF, positive_actions=["click"])


def some_interactions(users: int = 40, items: int = 12, seed: int = 0) -> Interactions:
    """Of `users` users in the days before the cutoff; some repeat an item, the last two items are nobody's."""
    random = np.random.default_rng(seed)
    histories = []
    for _ in range(users):
        length = int(random.integers(1, 9))
        times = np.sort(random.integers(CUTOFF_MS - 30 * 86_400_000, CUTOFF_MS, length))
        histories.append((random.integers(1, items - 1, length), times))
    return Interactions.of(histories)
