"""A training set made of the tables as they are: split, written, counted and put in its place."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from assets.sequences.item_rows import catalogue_with_rows
from assets.splits.auto import choose_learning, choose_protocol, choose_split
from assets.splits.settings import EvaluationSettings, SplitSettings
from assets.splits.split import SplitRule, split
from assets.training.dataset import content_digest, read_dataset, read_held_out, write_training_set
from assets.training.set_store import SetRecord, keep
from assets.training.settings import TrainingDataSettings, TrainingSettings
from assets.versions import DATASETS, artifacts_of, newest_champion_of_family
from models.actions import action_bits, require_declared
from models.auto import AUTO, LEFT_TO_DATA, Choice, FollowsData, part_of, with_values_at
from models.columns import DAY, ITEM_ID, MODALITIES_COLUMN, VECTOR
from models.evaluation.report import Protocol
from models.manifest import read_manifest
from models.modalities import Modalities, Modality
from models.strict import Strict
from storage.lake import Lake
from storage.schema import CONTENT_TABLE, EVENTS_TABLE, ITEMS_TABLE
from storage.sequence_store import SEQUENCES_TABLE, SequenceFiles
from storage.staged_files import Staging
from storage.user_interactions import ROWS_IN_MEMORY


class TrainingSetSettings(Strict):
    """All that a profile says of a training set.

    Attributes:
        seed: Chooses the users of the learning curve.
        start_from: As in `training`: what training goes on from has a say in who is held out.
    """

    training: TrainingDataSettings
    evaluation: SplitSettings
    seed: int
    start_from: Literal["champion"] | None = None

    @classmethod
    def of(cls, training: TrainingSettings, evaluation: EvaluationSettings) -> "TrainingSetSettings":
        """Of both sections, what counts here."""
        return cls(
            training=part_of(training, TrainingDataSettings),
            evaluation=SplitSettings.part_of(evaluation),
            seed=training.optimisation.seed,
            start_from=training.start_from,
        )


class TrainingSetRecord(SetRecord):
    """What a training set was made of, and what it came to.

    Attributes:
        settings: What counted: what was left to the data has the value that was chosen, and is on record as such.
    """

    settings: TrainingSetSettings
    first: datetime
    last: datetime
    cold_share: float
    without_content: int = 0
    cold_events: float = 0.0
    cold_positives: float = 0.0
    cases: dict[Protocol, int]


def make_training_set(
    lake: Lake, settings: TrainingSetSettings, rows_in_memory: int = ROWS_IN_MEMORY
) -> TrainingSetRecord:
    """Makes the training set of the newest data, and puts it in its place when it is whole.

    Args:
        rows_in_memory: Interactions at most that are read of the sequences at once.

    Raises:
        ValueError: there is nothing to train on.
    """
    versions = newest_versions(lake, settings.training.use_content)
    data_end = data_end_of(lake, versions[EVENTS_TABLE])
    log = lake.interactions(versions[SEQUENCES_TABLE])
    content = content_of(lake, versions)
    settings, chosen = chosen_settings(log, settings, (data_end - timedelta(days=1)).date(), content, rows_in_memory)
    settings, as_parent = held_out_as_by_parent(lake, settings)
    chosen |= as_parent
    data, cutoff = settings.training, settings.evaluation.cutoff_time((data_end - timedelta(days=1)).date())
    rule = SplitRule.by(settings.evaluation, cutoff, action_bits(log.actions, data.positive_actions))
    with Staging(lake) as staging:
        draft = write_training_set(
            staging.scratch / DATASETS,
            split(log, rule, rows_in_memory=rows_in_memory),
            catalogue_with_rows(lake, versions[ITEMS_TABLE]),
            content,
            half_life_days=data.popularity_half_life_days,
            cold_start=timedelta(hours=data.cold_start_hours),
            merge_adjacent=data.merge_adjacent,
            validation_users=data.validation_users,
            seed=settings.seed,
            modalities=modalities_of(lake, versions),
        )
        record = record_of(draft, settings, cutoff, data_end, versions, chosen)
        keep(lake, DATASETS, draft, record)
    return record


def chosen_settings(
    log: SequenceFiles,
    settings: TrainingSetSettings,
    last_day: date,
    content: pl.DataFrame | None,
    rows_in_memory: int = ROWS_IN_MEMORY,
) -> tuple[TrainingSetSettings, dict[str, Choice]]:
    """The settings with what the data say where the profile leaves it to them (`assets.splits.auto`).

    Returns:
        The settings, and each choice by its path in the profile.

    Raises:
        ValueError: an action is not declared.
    """
    data = settings.training
    require_declared(log.actions, data.positive_actions)
    if not (data.left_to_data or settings.evaluation.left_to_data):
        return settings, {}
    positives = action_bits(log.actions, data.positive_actions)
    split, held_out, window = choose_split(log, positives, settings.evaluation, last_day, rows_in_memory)
    rule = SplitRule.by(split, split.cutoff_time(last_day), positives)
    data, learned = choose_learning(log, rule, window, data, described_share(content), rows_in_memory)
    chosen = _below("evaluation", held_out) | _below("training", learned)
    return settings.model_copy(update={"training": data, "evaluation": split}), chosen


def held_out_as_by_parent(lake: Lake, settings: TrainingSetSettings) -> tuple[TrainingSetSettings, dict[str, Choice]]:
    """The settings with as many users held out as by the version that training is to go on from.

    With more, some of what they are asked would be among what that version was trained on. Users are drawn by a hash,
    so that as many are the same ones.
    """
    parent = newest_champion_of_family(lake) if settings.start_from else None
    if parent is None:
        return settings, {}
    try:
        manifest = read_manifest(artifacts_of(lake) / parent)
    except (OSError, ValueError):  # Training starts from scratch and says so.
        return settings, {}
    why = f"as many as {parent} held out, from which training goes on."
    theirs = {"evaluation.leave_one_out_users": Choice(value=manifest.held_out_users, reason=why)}
    judges = "training.validation_users"
    if judges in manifest.chosen:
        theirs[judges] = manifest.chosen[judges].model_copy(update={"reason": why})
    left = {f"evaluation.{path}" for path in settings.evaluation.left_to_data}
    left |= {f"training.{path}" for path in settings.training.left_to_data}
    chosen = {path: choice for path, choice in theirs.items() if path in left}
    return with_values_at(settings, {path: choice.value for path, choice in chosen.items()}), chosen


def evaluation_of(record: TrainingSetRecord, settings: EvaluationSettings) -> EvaluationSettings:
    """How a version of the training set is evaluated: what is left to the data is as the set has it."""
    found = {
        **{name: getattr(record.settings.evaluation, name) for name in SplitSettings.model_fields},
        "primary_protocol": choose_protocol(record.cases).value,
    }
    return with_values_at(settings, {path: found[path] for path in settings.left_to_data})


def record_of(
    written: Path,
    settings: TrainingSetSettings,
    cutoff: datetime,
    data_end: datetime,
    versions: dict[str, int],
    chosen: Mapping[str, Choice] | None = None,
) -> TrainingSetRecord:
    """The record of the set that was `written` of those table versions.

    Args:
        chosen: Those of the `settings` that the data decided.
    """
    dataset, asked = read_dataset(written), read_held_out(written)
    times = asked.training.timestamps
    return TrainingSetRecord(
        settings=settings,
        cutoff=cutoff,
        data_end=data_end,
        table_versions=versions,
        content_digest=content_digest(written),
        users=len(dataset.histories),
        interactions=len(dataset.histories.item_index),
        trained_items=len(dataset.vocabulary.trained),
        items=len(dataset.vocabulary.known_items),
        first=_moment(np.min(times)),
        last=_moment(np.max(times)),
        cold_share=dataset.cold_share,
        without_content=dataset.without_content,
        cold_events=dataset.cold_rates.events if dataset.cold_rates else 0.0,
        cold_positives=dataset.cold_rates.positives if dataset.cold_rates else 0.0,
        cases={protocol: len(cases) for protocol, cases in asked.cases.items()},
        chosen=dict(chosen or {}),
    )


def newest_versions(lake: Lake, use_content: bool) -> dict[str, int]:
    """The version of each table that a training set of now is made of, whatever others write meanwhile."""
    tables = [EVENTS_TABLE, ITEMS_TABLE, *([CONTENT_TABLE] if use_content else []), SEQUENCES_TABLE]
    return {table: lake.version(table) for table in tables}


def content_of(lake: Lake, versions: Mapping[str, int]) -> pl.DataFrame | None:
    """`item_id`, `vector` of those `versions` of the tables; None where the content is not among them."""
    if CONTENT_TABLE not in versions:
        return None
    return lake.scan(CONTENT_TABLE, versions[CONTENT_TABLE]).select(ITEM_ID, VECTOR).collect()


def modalities_of(lake: Lake, versions: Mapping[str, int]) -> Modalities:
    """What the vectors of `content_of` are made of; empty where there are none, or earlier code made them."""
    if CONTENT_TABLE not in versions:
        return {}
    content = lake.scan(CONTENT_TABLE, versions[CONTENT_TABLE])
    if MODALITIES_COLUMN not in content.collect_schema():
        return {}
    told = content.select(MODALITIES_COLUMN).head(1).collect()[MODALITIES_COLUMN].explode().drop_nulls()
    return {one["name"]: Modality(width=one["width"], encoder=one["encoder"]) for one in told}


def data_end_of(lake: Lake, version: int) -> datetime:
    """The end of the newest day of a version of the events.

    Raises:
        ValueError: there are none.
    """
    last = lake.scan(EVENTS_TABLE, version).select(pl.col(DAY).max()).collect().item()
    if last is None:
        raise ValueError(f"the table {EVENTS_TABLE!r} holds no row: materialize `events` for at least one day first")
    return datetime.combine(last + timedelta(days=1), time(), UTC)


def described_share(content: pl.DataFrame | None) -> float:
    """Share of the items whose content vector is not zero, 0 where there is none."""
    if content is None or content.is_empty():
        return 0.0
    vectors = pl.col(VECTOR).list
    described = content.select((vectors.max() != 0) | (vectors.min() != 0)).to_series()
    return int(described.sum()) / content.height


def require_made_by(record: TrainingSetRecord, settings: TrainingSetSettings) -> None:
    """Raises:
    ValueError: the training set was made by other settings; it names the first.
    """
    require_same(record.settings.training, settings.training, "training", "training_set")
    require_same(record.settings.evaluation, settings.evaluation, "evaluation", "training_set")
    if record.settings.seed != settings.seed:
        raise _made_otherwise("training.optimisation.seed", record.settings.seed, settings.seed, "training_set")


def require_same(made: Strict, now: Strict, section: str, asset: str) -> None:
    """Raises:
    ValueError: the training set that `asset` made was made by other settings of the `section`; it names the first.
    """
    left = [settings.left_to_data if isinstance(settings, FollowsData) else () for settings in (made, now)]
    for name in type(made).model_fields:
        if name == LEFT_TO_DATA or all(name in some for some in left):
            continue
        then, today = (AUTO if name in some else getattr(of, name) for of, some in zip((made, now), left, strict=True))
        if then != today:
            raise _made_otherwise(f"{section}.{name}", then, today, asset)


def _made_otherwise(name: str, made: object, now: object, asset: str) -> ValueError:
    return ValueError(
        f"{name} is {now!r}, but the training set was made with {made!r}: materialize `{asset}` again, or set it back"
    )


def _below(section: str, chosen: Mapping[str, Choice]) -> dict[str, Choice]:
    return {f"{section}.{path}": choice for path, choice in chosen.items()}


def without_cases(record: TrainingSetRecord, protocol: Protocol) -> str | None:
    """Why no version of the training set can be evaluated by `protocol`, and what to do; None where it can."""
    if record.cases.get(protocol):
        return None
    split, day = record.settings.evaluation, f"{record.cutoff:%Y-%m-%d}"
    if protocol == "time":
        return (
            f"no user with a history has a new positive in the {split.window_days} day(s) from {day} (time): "
            "materialize more days or widen `evaluation.window_days`"
        )
    if not split.leave_one_out_users:
        return "evaluation.leave_one_out_users is 0, but leave_one_out is the primary protocol: hold some users out"
    return (
        f"no user has a history and then, last before {day}, a positive of an item that is new to them "
        "(leave_one_out): materialize more days"
    )


def _moment(milliseconds: np.int64) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
