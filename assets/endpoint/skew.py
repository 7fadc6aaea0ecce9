"""What the champion was trained on, against what the endpoint reads for it: the same users, the same moment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.training.dataset import read_dataset
from assets.validation.expectation import Expectation, Severity, between, with_overrides
from assets.validation.settings import SkewSettings
from assets.vectors.new_items import as_served
from assets.versions import DATASETS, artifact_of
from models.columns import ACTIONS
from models.interactions import Interactions
from models.manifest import Manifest, read_manifest
from serving.history import UserHistories, histories_of
from storage.lake import Lake
from storage.sequence_store import SEQUENCES_TABLE

if TYPE_CHECKING:
    from models.artifact import Artifact

ENDPOINT = "endpoint"

USERS_READ_OTHERWISE = "users_read_otherwise"
CHANGED_SHARE = "changed_share"
LENGTH_DISTANCE = "history_length_distance"
ACTION_DISTANCE = "action_mix_distance"
UNKNOWN_ITEM_SHARE = "unknown_item_share"

OF_TRAINING_SET = (USERS_READ_OTHERWISE, LENGTH_DISTANCE)
"""What cannot be measured without the training set, which is deleted when a person is forgotten: it names nobody, so
nobody can be taken out of it."""

HELD_OUT = 2
"""Of a user's interactions before the cutoff, those of so many moments at most were kept from training: of the last one
for the evaluation, and of the one before it for the learning curve."""

ACTION_BITS = 31
LENGTH_BINS = 32

NOTHING_NEW = "nothing new since the cutoff"


@dataclass(frozen=True)
class Served:
    """What the endpoint reads of each user who had done something before the cutoff, ascending by user."""

    users: pl.Series
    before: Interactions


def skew_expectations(rules: SkewSettings, severity: dict[str, Severity] | None = None) -> list[Expectation]:
    """The suite on training/serving skew. The names of the checks do not depend on the rules."""

    def at_most(column: str, high: float, why: str, severity: Severity = "warn", name: str = "") -> Expectation:
        return between(column, 0, high, why, severity, "versions", NOTHING_NEW, name)

    suite = [
        at_most(
            USERS_READ_OTHERWISE,
            0,
            "The endpoint reads histories exactly as training read them",
            "block",
            "histories_read_as_trained",
        ),
        at_most(CHANGED_SHARE, rules.max_changed_share, "Few histories changed behind the cutoff since training"),
        at_most(LENGTH_DISTANCE, rules.max_history_length_distance, "Interactions are about as long as in training"),
        at_most(ACTION_DISTANCE, rules.max_action_mix_distance, "Actions are mixed as they were before the cutoff"),
        at_most(UNKNOWN_ITEM_SHARE, rules.max_unknown_item_share, "The model knows most of what is interacted with"),
    ]
    return with_overrides(suite, ENDPOINT, severity or {})


def has_training_set(lake: Lake, version: str) -> bool:
    """Whether what `version` was trained on is still there."""
    return _training_set(lake, read_manifest(artifact_of(lake, version))) is not None


def measure_skew(lake: Lake, version: str) -> pl.DataFrame:
    """The differences, in one row, between what `version` was trained on and what is served now.

    Columns:
        users_read_otherwise: Users of whom the endpoint reads, from the sequences of the training and up to the cutoff,
            another history than stands in the training set; null without a training set.
        changed_share: Of users whose history up to the cutoff is another in the newest sequences: late events, people
            who were forgotten.
        history_length_distance: Jensen-Shannon distance (base 2, 0..1) of the training set's lengths to those of now;
            null without a training set.
        action_mix_distance: The same of all actions before the cutoff to those since; null without any since.
        unknown_item_share: Of positive interactions since the cutoff, with items that the endpoint does not know; null
            without any.

    Raises:
        TableMissing: there are no sequences.
    """
    from models.artifact import load_artifact

    artifact = load_artifact(artifact_of(lake, version))
    folder = _training_set(lake, artifact.manifest)
    trained = read_dataset(folder).histories if folder else None
    then = _served(_loaded(lake, artifact, artifact.manifest.table_versions[SEQUENCES_TABLE]), artifact)
    now = _loaded(lake, as_served(lake, artifact), None)
    return pl.DataFrame(
        {
            "version": version,
            USERS_READ_OTHERWISE: int(read_otherwise(trained, then.before).sum()) if trained is not None else None,
            CHANGED_SHARE: _changed_share(then, _served(now, artifact)),
            LENGTH_DISTANCE: _distance(_length_counts(trained), _length_counts(_as_read(now, artifact)))
            if trained is not None
            else None,
            ACTION_DISTANCE: _distance(*_action_counts(lake, _cutoff_ms(artifact))),
            UNKNOWN_ITEM_SHARE: _unknown_share(now, _cutoff_ms(artifact)),
        },
        schema_overrides={
            USERS_READ_OTHERWISE: pl.Int64,
            **dict.fromkeys((LENGTH_DISTANCE, ACTION_DISTANCE, UNKNOWN_ITEM_SHARE), pl.Float64),
        },
    )


def read_otherwise(trained: Interactions, served: Interactions) -> np.ndarray:
    """(B,) bool: whose trained history is not the served one, but for up to HELD_OUT of its last moments.

    Where the two hold different numbers of users, nobody can be told apart and all differ.
    """
    if len(trained) != len(served):
        return np.ones(max(len(trained), len(served)), bool)
    held_out = served.lengths - trained.lengths
    return _differ(trained, served, held_out) | (_last_moments(served, held_out) > HELD_OUT)


def _last_moments(interactions: Interactions, last: np.ndarray) -> np.ndarray:
    """(B,) int64 at how many different times the `last` (B,) interactions of each user happened."""
    owner = np.repeat(np.arange(len(interactions)), interactions.lengths)
    to_end = interactions.offsets[owner + 1] - 1 - np.arange(len(owner))
    ends = to_end == 0
    ends[:-1] |= interactions.timestamps[:-1] != interactions.timestamps[1:]
    return np.bincount(owner[ends & (to_end < last[owner])], minlength=len(interactions))


def _differ(some: Interactions, whole: Interactions, left_out: np.ndarray) -> np.ndarray:
    """(B,) bool: whether `some` is another history than `whole` without its `left_out` (B,) last interactions."""
    differ = left_out < 0
    comparable = np.flatnonzero(~differ)
    ours, theirs = some.take(comparable), whole.take(comparable, skipped=left_out[comparable])
    unequal = (ours.item_index != theirs.item_index) | (ours.timestamps != theirs.timestamps)
    differ[np.repeat(comparable, ours.lengths)[unequal]] = True
    return differ


def _training_set(lake: Lake, manifest: Manifest) -> Path | None:
    folder = lake.folder(DATASETS) / manifest.training_set
    return folder if manifest.training_set and folder.is_dir() else None


def _loaded(lake: Lake, artifact: Artifact, version: int | None) -> UserHistories:
    """The histories as the endpoint loads them."""
    return histories_of(lake.interactions(version), artifact)


def _served(loaded: UserHistories, artifact: Artifact) -> Served:
    from models.inference import as_read

    whole = _packed(loaded)
    before = whole.before(_cutoff_ms(artifact))
    some = np.flatnonzero(before.lengths > 0)
    return Served(loaded.users.gather(some), as_read(artifact, before.take(some)))


def _as_read(loaded: UserHistories, artifact: Artifact) -> Interactions:
    from models.inference import as_read

    return as_read(artifact, _packed(loaded))


def _packed(loaded: UserHistories) -> Interactions:
    """All users in the order of `loaded.users`."""
    return loaded.interactions.take(loaded.positions)


def _changed_share(then: Served, now: Served) -> float:
    """Of the users of `then`, how many have another history now, or none."""
    places = then.users.to_frame("user").join(
        now.users.to_frame("user").with_row_index("place"), on="user", how="left", maintain_order="left"
    )["place"]
    there = np.flatnonzero(places.is_not_null().to_numpy())
    before, after = then.before.take(there), now.before.take(places.drop_nulls().to_numpy().astype(np.int64))
    more = after.lengths - before.lengths
    unchanged = len(there) - int((_differ(before, after, more) | (more > 0)).sum())
    return 1 - unchanged / max(1, len(then.users))


def _length_counts(histories: Interactions) -> np.ndarray:
    """(LENGTH_BINS,) users by the power of two of how much they did."""
    lengths = histories.lengths[histories.lengths > 0]
    return np.bincount(np.log2(lengths).astype(np.int64), minlength=LENGTH_BINS)


def _action_counts(lake: Lake, cutoff_ms: int) -> tuple[np.ndarray, np.ndarray]:
    """(ACTION_BITS,) interactions that carry each action, before the cutoff and since."""
    before, since = np.zeros(ACTION_BITS, np.int64), np.zeros(ACTION_BITS, np.int64)
    for part in lake.interactions().parts():
        later, masks = part.interactions.timestamps >= cutoff_ms, part.interactions.column(ACTIONS)
        for counts, side in ((before, masks[~later]), (since, masks[later])):
            counts += [np.count_nonzero(side & (1 << bit)) for bit in range(ACTION_BITS)]
    return before, since


def _unknown_share(now: UserHistories, cutoff_ms: int) -> float | None:
    since = now.interactions.item_index[now.interactions.timestamps >= cutoff_ms]
    return float((since == 0).mean()) if len(since) else None


def _distance(before: np.ndarray, after: np.ndarray) -> float | None:
    from scipy.spatial.distance import jensenshannon

    return float(jensenshannon(before, after, base=2)) if before.sum() and after.sum() else None


def _cutoff_ms(artifact: Artifact) -> int:
    return int(artifact.manifest.cutoff.timestamp() * 1000)
