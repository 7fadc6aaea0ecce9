"""From tables to a trained version: split, dataset, training, artifact."""

import json
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version as package_version
from pathlib import Path

import numpy as np
import polars as pl

from assets.code_version import code_version
from assets.data_version import digest
from assets.splits.settings import EvaluationSettings
from assets.splits.split import SplitRule, split
from assets.training.dataset import CONTENT, content_digest, read_dataset, write_training_set
from assets.training.ray_train import Entry, Progress, TrainingJob, train, trained_model
from assets.training.settings import TrainingSettings
from assets.training.tune import MODEL, OPTIMISATION, SETTINGS, with_values
from assets.versions import ABLATIONS, ARTIFACTS, DATASETS, RUNS
from models.actions import action_bits, require_declared
from models.columns import AVAILABLE_FROM, DAY, ITEM_ID, VECTOR
from models.config import FamilyConfig, ItemTowerConfig, TrainingConfig
from models.manifest import Manifest, new_version
from storage.lake import Lake
from storage.schema import CONTENT_TABLE, EVENTS_TABLE, ITEMS_TABLE, TUNING_TABLE
from storage.sequence_store import SEQUENCES_TABLE
from storage.user_interactions import ROWS_IN_MEMORY


@dataclass(frozen=True)
class TrainedVersion:
    """A version that was just written.

    Attributes:
        fingerprint: Of what decides the model: training set, model, optimisation, workers, code.
    """

    folder: Path
    manifest: Manifest
    curve: list[Progress]
    users: int
    interactions: int
    fingerprint: str


def prepare(
    lake: Lake,
    profile: str,
    settings: TrainingSettings,
    evaluation: EvaluationSettings,
    last_day: date,
    rows_in_memory: int = ROWS_IN_MEMORY,
) -> tuple[Manifest, Path]:
    """Writes the training set of a new version; returns its manifest so far and the training set's folder.

    Args:
        rows_in_memory: Interactions at most that are read of the sequences at once.
    """
    cutoff = evaluation.cutoff_time(last_day)
    sequences = lake.version(SEQUENCES_TABLE)
    log = lake.interactions(sequences)
    require_declared(log.actions, settings.positive_actions)
    rule = SplitRule(
        cutoff=cutoff,
        window=evaluation.window,
        positives=action_bits(log.actions, settings.positive_actions),
        leave_one_out_users=evaluation.leave_one_out_users,
        max_users=evaluation.max_users,
        hold_out_ties=evaluation.hold_out_ties,
        seed=evaluation.seed,
    )
    content = lake.scan(CONTENT_TABLE).select(ITEM_ID, VECTOR).collect() if settings.use_content else None
    shown_from = pl.max_horizontal(DAY, pl.col(AVAILABLE_FROM).dt.date())
    manifest = new_manifest(lake, profile, settings, cutoff, last_day, settings.use_content)
    dataset = write_training_set(
        lake.folder(DATASETS) / manifest.version,
        split(log, rule, rows_in_memory=rows_in_memory),
        lake.scan(ITEMS_TABLE).select(ITEM_ID, shown_from.alias(DAY)).collect(),
        content,
        half_life_days=settings.popularity_half_life_days,
        cold_start=timedelta(hours=settings.cold_start_hours),
        merge_adjacent=settings.merge_adjacent,
        validation_users=settings.validation_users,
        seed=settings.optimisation.seed,
    )
    manifest = manifest.model_copy(
        update={
            "positive_actions": list(settings.positive_actions),
            "merge_adjacent": settings.merge_adjacent,
            "held_out_users": evaluation.leave_one_out_users,
            "held_out_seed": evaluation.seed,
            "held_out_ties": evaluation.hold_out_ties,
            "table_versions": manifest.table_versions | {SEQUENCES_TABLE: sequences},
        }
    )
    return manifest, dataset


def new_manifest(
    lake: Lake, profile: str, settings: TrainingSettings, cutoff: datetime, last_day: date, with_content: bool
) -> Manifest:
    """What is said of a new version of whatever family, made of the tables as they are now."""
    tables = [EVENTS_TABLE, ITEMS_TABLE, *([CONTENT_TABLE] if with_content else []), SEQUENCES_TABLE]
    return Manifest(
        version=new_version(),
        created=datetime.now(UTC),
        profile=profile,
        cutoff=cutoff,
        data_end=datetime.combine(last_day + timedelta(days=1), time(), UTC),
        positive_actions=[],
        table_versions={table: lake.version(table) for table in tables},
        code_version=code_version(),
        hardware=f"{platform.machine()}, {settings.workers} workers{' with a GPU each' if settings.use_gpu else ''}",
        libraries={name: package_version(name) for name in ("torch", "ray", "polars", "deltalake")},
    )


def train_version(
    lake: Lake,
    manifest: Manifest,
    dataset_folder: Path,
    settings: TrainingSettings,
    model: FamilyConfig,
    optimisation: TrainingConfig,
    workers: int,
    *,
    with_content: bool,
    on_progress: Callable[[Entry | str], None],
) -> TrainedVersion:
    """Trains on a prepared training set and writes the version's artifact.

    A run that was ended before it was done is gone on with, if what decides its outcome is the same.

    Args:
        model: Shape of the model; its item tower is fitted to the content at hand.
        workers: Ray Train workers; 0 trains in this process.
        with_content: False trains the ablation, which sees IDs alone and is kept apart from the versions.
    """
    from models.artifact import save_artifact
    from models.checkpoint import epochs_done, newest_checkpoint

    dataset = read_dataset(dataset_folder)
    where = ARTIFACTS if with_content else ABLATIONS
    loss = optimisation.loss.model_copy(update={"cold_negatives": dataset.cold_share})
    optimisation = optimisation.model_copy(update={"loss": loss})
    job = TrainingJob(
        dataset=str(dataset_folder),
        folder="",
        model=fitted(model, settings, dataset.content.shape[1] if with_content else 0),
        training=optimisation,
        workers=workers,
        use_gpu=settings.use_gpu,
        threads_per_worker=settings.threads_per_worker,
        max_failures=settings.max_failures,
    )
    fingerprint = fingerprint_of(job)
    run = lake.folder(RUNS) / where / fingerprint
    job = replace(job, folder=str(run))
    if before := newest_checkpoint(run):
        on_progress(f"goes on after epoch {epochs_done(before)} of a run with the same inputs that was ended")
    curve = train(job, on_progress)
    trained = trained_model(job, dataset.vocabulary.trained, dataset.content)
    metrics = metrics_of(curve[-1])
    final = manifest.model_copy(update={"training": optimisation, "training_metrics": metrics})
    folder = save_artifact(lake.folder(where), final, trained, dataset.vocabulary)
    shutil.rmtree(run, ignore_errors=True)
    return TrainedVersion(folder, final, curve, len(dataset.histories), len(dataset.histories.item_index), fingerprint)


def fingerprint_of(job: TrainingJob) -> str:
    """Equal for jobs that end with the same model, bit for bit; also the name of their folder."""
    return digest(
        code_version(),
        content_digest(Path(job.dataset)),
        job.model,
        job.training,
        job.workers,
        job.threads_per_worker,
        job.use_gpu,
    )


def fitted(model: FamilyConfig, settings: TrainingSettings, content_dim: int) -> FamilyConfig:
    """`model` with its item tower fitted to the content embeddings at hand."""
    tower = ItemTowerConfig(content_dim=content_dim, id_masking=settings.id_masking if content_dim else 0.0)
    return model.model_copy(update={"items": tower})


def tuned(settings: TrainingSettings, trials: pl.DataFrame) -> TrainingSettings:
    """The settings with what the best trial of a search found.

    Raises:
        ValueError: the table is of an earlier version of this program, which did not say what it had searched.
    """
    if SETTINGS not in trials.columns:
        raise ValueError(
            f"the table {TUNING_TABLE!r} does not say what was searched: materialize `tuned_hyperparameters` again"
        )
    found = json.loads(trials[SETTINGS][0])
    return settings.model_copy(
        update={
            MODEL: with_values(settings.model, MODEL, found),
            OPTIMISATION: with_values(settings.optimisation, OPTIMISATION, found),
        }
    )


def metrics_of(last: Progress) -> dict[str, float]:
    """What a manifest says of the last epoch."""
    parts = {f"loss {name}": loss for name, loss in last.losses.items()} if len(last.losses) > 1 else {}
    validation = {f"validation_{name.replace('_at_', '@')}": value for name, value in last.validation.items()}
    return {"loss": last.loss, **parts, **validation}


def last_day_of(events: pl.LazyFrame) -> date:
    """The newest day with events.

    Raises:
        ValueError: there are none.
    """
    last = events.select(pl.col("day").max()).collect().item()
    if last is None:
        raise ValueError("the table 'events' holds no row: materialize `events` for at least one day first")
    return last


def content_width(dataset_folder: Path) -> int:
    """Width of a training set's content embeddings, 0 where it has none."""
    return int(np.load(dataset_folder / CONTENT, mmap_mode="r").shape[1])
