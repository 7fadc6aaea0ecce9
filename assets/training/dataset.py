"""What a trainer reads: flat arrays in a folder, memory-mapped, no Python object per user."""

import hashlib
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from models.cold_start import cold_share
from models.columns import DAY, ID_MASKED, ITEM_ID, ITEM_IDS, TIMESTAMP, TIMESTAMPS, USER_ID
from models.content import content_matrix
from models.interaction_frames import interactions_in
from models.interactions import Interactions
from models.merging import Merging
from models.vocabulary import Vocabulary

CONTENT = "content.npy"
VOCABULARY = "vocabulary.parquet"


@dataclass(frozen=True)
class Dataset:
    """One training run's input.

    Attributes:
        vocabulary: Every item of the catalogue, those seen in training first.
        histories: Training interactions per user.
        validation: Interactions of the learning curve's users, without their last interaction.
        validation_targets: (B,) int64 the row of that last interaction.
        validation_times: (B,) int64 ms when it happened.
        content: (n + 1, content_dim) float32, row 0 zero; content_dim may be 0.
        cold_share: Share of the catalogue that is too new to have an ID when a version is served.
    """

    vocabulary: Vocabulary
    histories: Interactions
    validation: Interactions
    validation_targets: np.ndarray
    validation_times: np.ndarray
    content: np.ndarray
    cold_share: float


def make_dataset(
    training: pl.DataFrame,
    catalogue: pl.DataFrame,
    content: pl.DataFrame | None,
    *,
    cutoff: datetime,
    half_life_days: float,
    cold_start: timedelta,
    validation_users: int,
    seed: int,
    hold_out_ties: bool = False,
    merge_adjacent: Merging | None = None,
) -> Dataset:
    """Puts a training split in the model's terms.

    Args:
        training: `user_id`, `item_ids`, `timestamps`: positives before `cutoff`, oldest first; one that is not is
            refused, as it would be counted and learned from without being seen in production.
        catalogue: `item_id` and the `day` from which it can be shown, of every row of `items`; an item of `training`
            that is not in it still gets a row. Items known from `cutoff` on get one too, so that they can be
            recommended, and change nothing else.
        content: `item_id`, `vector`; None trains without content.
        cutoff: The moment for which popularity is counted.
        half_life_days: Age at which an interaction counts half in it.
        cold_start: Time between a model's cutoff and what it serves. An interaction that lies within it of its item's
            first one is marked `id_masked`: a model of that time would not have had an ID for the item.
        validation_users: Users whose last training interaction is what the learning curve asks for.
        seed: Chooses them.
        hold_out_ties: Whether that interaction may have happened at the time of the one before it.
        merge_adjacent: What adjacent interactions are merged by; by kind `training` holds `actions`, too.

    Raises:
        ValueError: there is no training interaction, or one that does not lie before `cutoff`.
    """
    _refuse_the_future(training, cutoff)
    # Tables are read in parallel, so users come in any order; batches must not depend on it.
    training = training.sort(USER_ID)
    vocabulary = make_vocabulary(training, catalogue, cutoff, half_life_days)
    histories = interactions_in(training, vocabulary)
    first_seen = _first_seen(histories, vocabulary.trained)
    histories = histories.merged(merge_adjacent).only()
    age_ms = histories.timestamps - first_seen[histories.item_index]
    histories = histories.with_columns({ID_MASKED: age_ms < cold_start // timedelta(milliseconds=1)})
    chosen = _validation_users(histories, validation_users, seed, hold_out_ties)
    full = histories.take(chosen)
    last = np.zeros(len(full.item_index), bool)
    last[full.offsets[1:] - 1] = True
    asked = full.where(last)
    return Dataset(
        vocabulary=vocabulary,
        histories=_without_last(histories, chosen),
        validation=full.where(~last),
        validation_targets=asked.item_index,
        validation_times=asked.timestamps,
        content=content_matrix(vocabulary, content),
        cold_share=_cold_share(vocabulary, first_seen, catalogue, cutoff, cold_start),
    )


def make_vocabulary(
    training: pl.DataFrame, catalogue: pl.DataFrame, cutoff: datetime, half_life_days: float
) -> Vocabulary:
    """Items seen in training, by first appearance of their id in sorted order, then the rest of the catalogue."""
    age_days = (pl.lit(cutoff) - pl.col(TIMESTAMP)).dt.total_seconds() / 86_400
    seen = (
        training.lazy()
        .select(pl.col(ITEM_IDS).alias(ITEM_ID), pl.col(TIMESTAMPS).alias(TIMESTAMP))
        .explode(ITEM_ID, TIMESTAMP)
        .group_by(ITEM_ID)
        .agg((0.5 ** (age_days / half_life_days)).sum().cast(pl.Float32).alias("popularity"))
        .sort(ITEM_ID)
        .collect()
    )
    if not seen.height:
        raise ValueError(f"there is no positive interaction before {cutoff:%Y-%m-%d %H:%M}: nothing to train on")
    cold = catalogue.select(ITEM_ID).unique().join(seen, on=ITEM_ID, how="anti").sort(ITEM_ID)
    popularity = np.zeros(seen.height + cold.height + 1, np.float32)
    popularity[1 : seen.height + 1] = seen["popularity"].to_numpy()
    return Vocabulary(pl.concat([seen[ITEM_ID], cold[ITEM_ID]]), seen.height, popularity)


def write_dataset(dataset: Dataset, folder: Path) -> Path:
    """Writes `dataset` to `folder` as plain arrays that workers map into memory."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    dataset.vocabulary.write(folder / VOCABULARY)
    np.save(folder / CONTENT, dataset.content)
    for name, part in (("histories", dataset.histories), ("validation", dataset.validation)):
        np.save(folder / f"{name}.offsets.npy", part.offsets)
        for column, values in part.columns.items():
            np.save(folder / f"{name}.{column}.npy", values)
    np.save(folder / "validation_targets.npy", dataset.validation_targets)
    np.save(folder / "validation_times.npy", dataset.validation_times)
    np.save(folder / "cold_share.npy", dataset.cold_share)
    return folder


def read_dataset(folder: Path) -> Dataset:
    """Maps what `write_dataset` wrote."""

    def array(name: str) -> np.ndarray:
        mapped: np.ndarray = np.load(folder / f"{name}.npy", mmap_mode="r")
        return mapped

    def jagged(name: str) -> Interactions:
        columns = {path.name.split(".")[1] for path in folder.glob(f"{name}.*.npy")} - {"offsets"}
        return Interactions(array(f"{name}.offsets"), {column: array(f"{name}.{column}") for column in sorted(columns)})

    return Dataset(
        vocabulary=Vocabulary.read(folder / VOCABULARY),
        histories=jagged("histories"),
        validation=jagged("validation"),
        validation_targets=array("validation_targets"),
        validation_times=array("validation_times"),
        content=array("content"),
        cold_share=float(array("cold_share")),
    )


def content_digest(folder: Path) -> str:
    """Equal for training sets with the same content, whatever they are called."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.iterdir()):
        with open(path, "rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def _refuse_the_future(training: pl.DataFrame, cutoff: datetime) -> None:
    late = training.filter(pl.col(TIMESTAMPS).list.max() >= cutoff)
    if late.height:
        raise ValueError(
            f"user {late[USER_ID][0]!r} has a training interaction at {late[TIMESTAMPS][0].max()}, but training ends "
            f"before {cutoff}: cut the interactions there first"
        )


def _validation_users(histories: Interactions, limit: int, seed: int, ties: bool) -> np.ndarray:
    """At most `limit` users with a history before their last interaction, strictly before but for `ties`; ascending."""
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(histories.lengths >= 3))
    last = histories.offsets[drawn + 1] - 1
    alone = histories.timestamps[last] > histories.timestamps[last - 1]
    return np.sort(drawn[alone | ties][:limit])


def _without_last(histories: Interactions, users: np.ndarray) -> Interactions:
    """The learning curve asks for these users' last interaction, so training must not see it."""
    keep = np.ones(len(histories.item_index), bool)
    keep[histories.offsets[users + 1] - 1] = False
    return histories.where(keep)


def _cold_share(
    vocabulary: Vocabulary, first_seen: np.ndarray, catalogue: pl.DataFrame, cutoff: datetime, cold_start: timedelta
) -> float:
    """`models.cold_start.cold_share` of the items that the catalogue or the log names before the cutoff."""
    known = vocabulary.rows(catalogue.filter(pl.col(DAY) < cutoff.date())[ITEM_ID].unique())
    known = np.union1d(known, np.arange(1, vocabulary.trained + 1))
    return cold_share(first_seen[1:], len(known), int(cutoff.timestamp() * 1000), cold_start)


def _first_seen(histories: Interactions, trained: int) -> np.ndarray:
    """(trained + 1,) int64 ms of each item's first interaction."""
    first = np.full(trained + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, histories.item_index, histories.timestamps)
    return first
