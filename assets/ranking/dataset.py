"""What a ranker reads: all interactions of all users, with what was shown and what was done with it."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from assets.ranking.settings import RankingSettings
from assets.training.dataset import Dataset
from models.actions import require_declared
from models.columns import ACTIONS, ITEM_ID, STARTED
from models.content import content_matrix
from models.interactions import Interactions
from models.item_counts import ItemCounts
from models.vocabulary import Vocabulary
from storage.lake import Lake
from storage.sequence_store import SequenceFiles
from storage.user_interactions import concatenated


def vocabulary_before(log: SequenceFiles, catalogue: pl.DataFrame, cutoff_ms: int, half_life_days: float) -> Vocabulary:
    """The vocabulary of all interactions before the cutoff, of whatever action.

    Raises:
        ValueError: there is no such interaction.
    """
    item_ids = log.item_ids()
    counts = ItemCounts(len(item_ids), cutoff_ms, half_life_days)
    for part in log.parts():
        counts.add(part.interactions.before(cutoff_ms))
    vocabulary = counts.vocabulary(item_ids, catalogue[ITEM_ID])
    if not len(vocabulary.trained):
        raise ValueError("there is no interaction before the cutoff: materialize `sequences` for earlier days first")
    return vocabulary


def all_interactions(log: SequenceFiles, vocabulary: Vocabulary, exposure: str, actions: Sequence[str]) -> Interactions:
    """Every interaction of every user, users by their id, with `actions` and `started`.

    Masks are by the ranker's own list: bit k is `actions[k]`, and the bit after the last one says that it was shown.

    Raises:
        ValueError: an action is not in the vocabulary of the sequences.
    """
    wanted = [*actions, exposure]
    require_declared(log.actions, wanted)
    read = concatenated(list(log.parts([STARTED])))
    given = read.interactions.column(ACTIONS)
    masks = np.zeros(len(given), np.int64)
    for bit, action in enumerate(wanted):
        masks |= (((given >> log.actions.index(action)) & 1) << bit).astype(np.int64)
    everyone = read.interactions.renumbered(vocabulary.index_by_row(log.item_ids())).with_columns({ACTIONS: masks})
    # Buckets follow from a hash and from how much there is; batches must not depend on it.
    return everyone.take(read.users.arg_sort().to_numpy().astype(np.int64))


def make_ranking_dataset(
    lake: Lake,
    version: int,
    settings: RankingSettings,
    catalogue: pl.DataFrame,
    content: pl.DataFrame | None,
    cutoff: datetime,
    half_life_days: float,
) -> Dataset:
    """What was over before `cutoff`; some users are left to the learning curve.

    Args:
        half_life_days: Age at which an interaction counts half in an item's popularity.

    Raises:
        ValueError: nothing was shown before it, or an action is not declared.
    """
    log, cutoff_ms = lake.interactions(version), int(cutoff.timestamp() * 1000)
    vocabulary = vocabulary_before(log, catalogue, cutoff_ms, half_life_days)
    everything = all_interactions(log, vocabulary, settings.exposure, settings.model.actions)
    before = everything.before(cutoff_ms)
    shown = before.carrying(1 << len(settings.model.actions))
    owners = np.repeat(np.arange(len(before)), before.lengths)
    eligible = np.unique(owners[shown])
    if len(eligible) < 2:
        raise ValueError(
            f"before {cutoff:%Y-%m-%d} something was shown to {len(eligible)} users: a ranker needs two, one to learn "
            f"from and one to be measured on; does the source log the action {settings.exposure!r} (ranking.exposure)?"
        )
    drawn = np.random.default_rng(settings.optimisation.seed).permutation(eligible)
    held_out = np.sort(drawn[: min(settings.validation_users, max(1, len(eligible) // 10))])
    rest = np.setdiff1d(np.flatnonzero(before.lengths > 0), held_out)
    nothing = np.empty(0, np.int64)
    return Dataset(
        vocabulary=vocabulary,
        histories=before.take(rest),
        validation=before.take(held_out),
        validation_targets=nothing,
        validation_times=nothing,
        content=content_matrix(vocabulary, content),
        cold_share=0.0,
    )
