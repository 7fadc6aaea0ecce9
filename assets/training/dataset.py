"""A training set: what a trainer reads and what its versions are asked, as flat arrays in a folder.

Everything that is as long as the log is written a part at a time to files that readers map into memory, so neither
writing nor reading holds the log. What is held is as long as the users, the items or the cases.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from assets.splits.split import Cases, Split, hashes
from assets.training.arrival_files import first_listed, read_arrivals, write_arrivals
from assets.training.interaction_files import (
    JaggedFiles,
    mapped_array,
    read_columns,
    read_interactions,
    save_interactions,
)
from assets.versions import RECORD
from models.arrivals import Arrivals, ArrivalTally
from models.cold_start import ColdRates, ColdTally, cold_share, too_new
from models.columns import ACTIONS, DAY, ID_MASKED, ITEM_ID, ITEM_INDEX, REPEATED, TIMESTAMP, USER_ID
from models.content import content_matrix
from models.evaluation.cases import EvaluationCases
from models.evaluation.report import Protocol
from models.interactions import Interactions
from models.item_counts import ItemCounts
from models.merging import Merging
from models.modalities import NO_MODALITIES, Modalities, Modality
from models.popularity import DayCounts, PopularityCounter, PopularityOverTime
from models.vocabulary import Vocabulary

CONTENT = "content.npy"
MODALITIES = "modalities.json"
COLD_RATES = "cold_rates.npy"
VOCABULARY = "vocabulary.parquet"
READ_BY_TRAINER = (ITEM_INDEX, TIMESTAMP, ID_MASKED, REPEATED)
READ_BY_BASELINES = (ITEM_INDEX, TIMESTAMP)


@dataclass(frozen=True)
class Dataset:
    """One training run's input.

    Attributes:
        vocabulary: Every item of the log and of the catalogue, by its row in `item_rows`.
        histories: Training interactions per user.
        validation: Histories of the learning curve's users, without their last interaction.
        validation_targets: (B,) int64 the index of that last interaction's item.
        validation_times: (B,) int64 ms when it happened.
        validation_masked: (B,) bool, where the item was too new then to have an ID.
        content: (n + 1, content_dim) float32, row 0 zero; content_dim may be 0.
        cold_share: Share of the catalogue that is too new to have an ID when a version is served.
        cold_rates: How often a version of the day before met such an item; None in sets of earlier code.
        arrivals: When items came, and how often new ones were chosen; None in sets of earlier code, and in a ranker's.
        modalities: What `content` is made of; empty in sets of earlier code.
        repeats: Whether what a user has chosen is asked for, and recommended, again.
        popularity: Of every item over time, of all interactions of the split's training part; None in a ranker's set.
    """

    vocabulary: Vocabulary
    histories: Interactions
    validation: Interactions
    validation_targets: np.ndarray
    validation_times: np.ndarray
    validation_masked: np.ndarray
    content: np.ndarray
    cold_share: float
    repeats: bool
    popularity: PopularityOverTime | None
    cold_rates: ColdRates | None = None
    arrivals: Arrivals | None = None
    modalities: Modalities = field(default_factory=dict)

    @property
    def without_content(self) -> int:
        """How many of the known items have no content at all: those without an ID, too, cannot be told apart."""
        return int((~self.content[self.vocabulary.known_items].any(axis=1)).sum())


@dataclass(frozen=True)
class HeldOut:
    """What the versions of a training set are asked, in the terms of its vocabulary.

    Attributes:
        training: Every interaction of the split's training part, not merged: what the baselines learn from.
        cases: Of each protocol that has any; a target that the vocabulary lacks has index 0.
    """

    training: Interactions
    cases: Mapping[Protocol, EvaluationCases]


def write_training_set(
    folder: Path,
    split: Split,
    catalogue: pl.DataFrame,
    content: pl.DataFrame | None,
    *,
    half_life_days: float,
    cold_start: timedelta,
    validation_users: int,
    seed: int,
    merge_adjacent: Merging | None = None,
    modalities: Modalities = NO_MODALITIES,
) -> Path:
    """Writes the training set of a split to `folder`.

    Args:
        folder: What stands there is replaced.
        split: With `actions` where they are merged by kind. Its log has a row for every item of the catalogue.
        catalogue: `item_id` and the `day` from which it can be shown, of every row of `items`; an item of the training
            part that is not in it is known all the same. Items known from the cutoff on are, too, so that they can be
            recommended, and change nothing else.
        content: `item_id`, `vector`; None trains without content.
        half_life_days: Age at which an interaction counts half in an item's popularity at the cutoff.
        cold_start: Time between a model's cutoff and what it serves. An interaction with an item that was new for so
            long is marked `id_masked`: a model of that time would not have had an ID for it (`models.cold_start`).
        validation_users: Users of whom the learning curve asks what they did last.
        seed: Chooses them.
        merge_adjacent: What adjacent interactions are merged by.
        modalities: What the vectors of `content` are made of.

    Raises:
        ValueError: there is no training interaction.
    """
    rule, item_ids = split.rule, split.log.item_ids()
    counts = ItemCounts(len(item_ids), rule.cutoff_ms, half_life_days)
    survey = _survey(split, counts, merge_adjacent, seed)
    vocabulary = counts.vocabulary(item_ids, catalogue[ITEM_ID])
    chosen = _validation_users(survey, validation_users)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    vocabulary.write(folder / VOCABULARY)
    vectors = content_matrix(vocabulary, content)
    np.save(folder / CONTENT, vectors)
    write_modalities(folder, modalities)
    share = _cold_share(vocabulary, counts, catalogue, rule.cutoff, cold_start)
    np.save(folder / "cold_share.npy", share)
    np.save(folder / "repeats.npy", rule.repeats)
    for protocol, cases in (("time", split.time_cases), ("leave_one_out", split.leave_one_out_cases)):
        _write_cases(folder, protocol, cases, vocabulary)
    popularity = PopularityCounter(survey.days.moments(len(item_ids), rule.cutoff_ms), len(item_ids), half_life_days)
    there_from, start_ms = first_listed(vocabulary, catalogue), int(counts.first_seen.min())
    arrivals = ArrivalTally(there_from, counts.first_seen, np.any(vectors, axis=1), start_ms, counts.end_ms, cold_start)
    rates = _write_interactions(folder, split, survey, counts, cold_start, merge_adjacent, chosen, popularity, arrivals)
    np.save(folder / COLD_RATES, np.array([rates.events, rates.positives]))
    write_arrivals(folder, arrivals.arrivals())
    over_time = popularity.over_time()
    np.save(folder / "popularity.moments.npy", over_time.moments)
    np.save(folder / "popularity.counts.npy", over_time.counts)
    return folder


def read_dataset(folder: Path) -> Dataset:
    """Maps what a trainer reads of a training set."""
    declared = read_columns(folder).declared
    return Dataset(
        vocabulary=Vocabulary.read(folder / VOCABULARY),
        histories=read_interactions(folder, "histories", declared),
        validation=read_interactions(folder, "validation", declared),
        validation_targets=mapped_array(folder, "validation_targets"),
        validation_times=mapped_array(folder, "validation_times"),
        validation_masked=mapped_array(folder, "validation_masked"),
        content=mapped_array(folder, "content"),
        cold_share=float(mapped_array(folder, "cold_share")),
        repeats=_read_repeats(folder),
        popularity=_read_popularity(folder),
        cold_rates=_read_cold_rates(folder),
        arrivals=read_arrivals(folder),
        modalities=read_modalities(folder),
    )


def write_modalities(folder: Path, modalities: Modalities) -> None:
    """Keeps with a training set what its content is made of."""
    (folder / MODALITIES).write_text(json.dumps({name: one.model_dump() for name, one in modalities.items()}))


def read_modalities(folder: Path) -> Modalities:
    """What the content of a training set is made of; empty where earlier code made it."""
    if not (folder / MODALITIES).exists():
        return {}
    return {name: Modality.model_validate(one) for name, one in json.loads((folder / MODALITIES).read_text()).items()}


def _read_cold_rates(folder: Path) -> ColdRates | None:
    return ColdRates(*np.load(folder / COLD_RATES).tolist()) if (folder / COLD_RATES).exists() else None


def _read_repeats(folder: Path) -> bool:
    # Sets of earlier code do not say, and did not ask for anything twice.
    return (folder / "repeats.npy").exists() and bool(mapped_array(folder, "repeats"))


def _read_popularity(folder: Path) -> PopularityOverTime | None:
    if not (folder / "popularity.moments.npy").exists():
        return None
    return PopularityOverTime(mapped_array(folder, "popularity.moments"), mapped_array(folder, "popularity.counts"))


def read_held_out(folder: Path) -> HeldOut:
    """Maps what the versions of a training set are asked."""
    cases: dict[Protocol, EvaluationCases] = {}
    for protocol in ("time", "leave_one_out"):
        found = _read_cases(folder, protocol)
        if len(found):
            cases[protocol] = found
    return HeldOut(read_interactions(folder, "training"), cases)


def content_digest(folder: Path) -> str:
    """Equal for training sets with the same content, whatever they are called and were made of."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(path for path in folder.iterdir() if path.name != RECORD):
        with open(path, "rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Survey:
    """What is known of the users before anything is written.

    Attributes:
        places: (U,) int64 the place of each user of the split's training part, in its order, among them in ascending
            order of their ids. Tables are read in parallel, so batches must not depend on the order of the log.
        lengths: (U,) int64 interactions of each, by place.
        merged_lengths: The same once they are merged.
        last: (U,) int64, by place: interactions of the last moment, when merged.
        asked: (U,) bool, by place: whether one of these is asked for.
        draws: (U,) uint64, by place: hashes of their ids, by which users are drawn.
        days: Interactions of each day.
    """

    places: np.ndarray
    lengths: np.ndarray
    merged_lengths: np.ndarray
    last: np.ndarray
    asked: np.ndarray
    draws: np.ndarray
    days: DayCounts


def _survey(split: Split, counts: ItemCounts, by: Merging | None, seed: int) -> _Survey:
    """Looks at the training part once, and counts its items in `counts`."""
    users, lengths, merged_lengths = [], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    last, asked, days = [np.zeros(0, np.int64)], [np.zeros(0, bool)], DayCounts()
    for part in split.training():
        whole = part.interactions
        counts.add(whole)
        days.add(whole)
        merged = whole.merged(by)
        users.append(part.users)
        lengths.append(whole.lengths)
        merged_lengths.append(merged.lengths)
        at_last = merged.last_moment(split.rule.hold_out_ties)
        last.append(merged.where(at_last).lengths)
        asked.append(merged.where(at_last & split.rule.asks_for(merged)).lengths > 0)
    if not sum(len(some) for some in users):
        raise ValueError(
            f"there is no positive interaction before {split.rule.cutoff:%Y-%m-%d %H:%M}: nothing to train on; "
            "materialize more days, or leave `evaluation.window_days` and `cutoff` out of the profile"
        )
    everybody = pl.concat(users)
    order = everybody.arg_sort().to_numpy()
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return _Survey(
        places,
        np.concatenate(lengths)[order],
        np.concatenate(merged_lengths)[order],
        np.concatenate(last)[order],
        np.concatenate(asked)[order],
        hashes(everybody, f"validation:{seed}")[order],
        days,
    )


def _write_interactions(
    folder: Path,
    split: Split,
    survey: _Survey,
    counts: ItemCounts,
    cold_start: timedelta,
    by: Merging | None,
    chosen: np.ndarray,
    popularity: PopularityCounter,
    arrivals: ArrivalTally,
) -> ColdRates:
    """The training part whole, and what the trainer reads of it: merged, without what the learning curve asks for.

    Returns:
        How often a version of `cold_start` before the cutoff met an item that it had no ID for.
    """
    shorter = survey.merged_lengths.copy()
    shorter[chosen] -= survey.last[chosen]
    whole_files = JaggedFiles(folder, "training", survey.lengths, READ_BY_BASELINES)
    files = JaggedFiles(folder, "histories", shorter, READ_BY_TRAINER)
    is_chosen = np.zeros(len(shorter), bool)
    is_chosen[chosen] = True
    validation: list[tuple[np.ndarray, Interactions]] = []
    first_seen, start_ms = counts.first_seen, int(counts.first_seen.min())
    cold = ColdTally(first_seen, start_ms, counts.end_ms, cold_start)
    done = 0
    for part in split.training():
        places = survey.places[done : done + len(part)]
        done += len(part)
        whole = part.interactions
        whole_files.put(places, whole)
        popularity.add(whole)
        cold.add(whole)
        merged = whole.merged(by)
        new, asked_for = too_new(merged, first_seen, start_ms, cold_start), split.rule.asks_for(merged)
        arrivals.add(merged.where(asked_for))
        marked = merged.with_columns({ID_MASKED: new, REPEATED: ~asked_for})
        asked = np.flatnonzero(is_chosen[places])
        validation.append((places[asked], marked.take(asked)))
        owner = np.repeat(is_chosen[places], marked.lengths)
        files.put(places, marked.where(~(owner & marked.last_moment(split.rule.hold_out_ties))))
    _write_validation(folder, validation, split.rule.hold_out_ties)
    return cold.rates()


def _write_validation(folder: Path, parts: list[tuple[np.ndarray, Interactions]], ties: bool) -> None:
    """What the learning curve asks: of each user the last of what is asked for of the last moment."""
    order = np.argsort(np.concatenate([places for places, _ in parts]))
    full = Interactions.concatenated([interactions for _, interactions in parts]).take(order)
    last = full.last_moment(ties)
    new = full.where(last & ~full.column(REPEATED))
    asked = new.take(np.arange(len(new)), last=1)
    save_interactions(folder, "validation", full.where(~last), READ_BY_TRAINER)
    np.save(folder / "validation_targets.npy", asked.item_index.astype(np.int64))
    np.save(folder / "validation_times.npy", asked.timestamps)
    np.save(folder / "validation_masked.npy", asked.column(ID_MASKED))


def _validation_users(survey: _Survey, limit: int) -> np.ndarray:
    """Users of whose last moment something is asked for, and who have a history before it; ascending.

    They are at most `limit`, and no more than half of them all: others must remain to learn from. As users come they
    stay the same, so that what a version goes on from has not learned what it is judged by.
    """
    asked = np.flatnonzero((survey.merged_lengths > survey.last) & survey.asked)
    drawn = asked[np.argsort(survey.draws[asked], kind="stable")]
    return np.sort(drawn[: min(limit, (len(asked) + 1) // 2)])


def _cold_share(
    vocabulary: Vocabulary, counts: ItemCounts, catalogue: pl.DataFrame, cutoff: datetime, cold_start: timedelta
) -> float:
    """`models.cold_start.cold_share` of the items that the catalogue or the log names before the cutoff."""
    known = vocabulary.indices(catalogue.filter(pl.col(DAY) < cutoff.date())[ITEM_ID].unique())
    known = np.union1d(known, vocabulary.trained)
    return cold_share(counts.first_seen[vocabulary.trained], len(known), counts.end_ms, cold_start)


def _write_cases(folder: Path, protocol: str, cases: Cases, vocabulary: Vocabulary) -> None:
    # What came after the cutoff has a row, and yet no version of that time knows it.
    index = np.where(vocabulary.known, np.arange(len(vocabulary) + 1), 0)
    histories = cases.users.interactions.renumbered(index)
    cases.users.users.alias(USER_ID).to_frame().write_parquet(folder / f"{protocol}.users.parquet")
    save_interactions(folder, f"{protocol}.histories", histories, (ITEM_INDEX, TIMESTAMP, ACTIONS))
    np.save(folder / f"{protocol}.request_times.npy", cases.request_times)
    np.save(folder / f"{protocol}.targets.npy", index[cases.targets].astype(np.int64))
    np.save(folder / f"{protocol}.target_offsets.npy", cases.target_offsets)


def _read_cases(folder: Path, protocol: str) -> EvaluationCases:
    with open(folder / f"{protocol}.users.parquet", "rb") as file:
        users = pl.read_parquet(file)[USER_ID]  # noqa: TID251 (an open file has no path that can be misread)
    return EvaluationCases(
        user_ids=users,
        histories=read_interactions(folder, f"{protocol}.histories"),
        request_times=mapped_array(folder, f"{protocol}.request_times"),
        targets=mapped_array(folder, f"{protocol}.targets"),
        target_offsets=mapped_array(folder, f"{protocol}.target_offsets"),
        repeats=_read_repeats(folder),
    )
