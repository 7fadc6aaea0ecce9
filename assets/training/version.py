"""From a training set to a trained version: manifest, training, artifact."""

import json
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path

import numpy as np
import polars as pl

from assets.code_version import code_version
from assets.data_version import digest
from assets.splits.settings import SplitSettings
from assets.training.dataset import CONTENT, content_digest, read_dataset, read_modalities
from assets.training.progress import Entry, Progress
from assets.training.ray_train import (
    TrainingJob,
    kept_epoch,
    kept_optimizer,
    setbacks_of,
    train,
    trained_model,
    vocabulary_of,
)
from assets.training.set_store import SetRecord
from assets.training.setbacks import Setback
from assets.training.settings import TrainingSettings
from assets.training.start import ancestors_of
from assets.training.tune import MODEL, OPTIMISATION, SETTINGS, with_values
from assets.versions import ABLATIONS, ARTIFACTS, RUNS
from models.auto import LEFT_TO_DATA, Choice
from models.config.model import ItemTowerConfig, RecommenderConfig, TrainedConfig
from models.config.training import TrainingConfig
from models.manifest import Manifest, new_version
from models.merging import Merging
from storage.lake import Lake
from storage.schema import TUNING_TABLE


@dataclass(frozen=True)
class TrainedVersion:
    """A version that was just written.

    Attributes:
        curve: All epochs.
        kept: The one whose weights it has.
        fingerprint: Of what decides the model: training set, model, optimisation, workers, code, what it starts from.
        setbacks: Where training diverged and went back, in order.
    """

    folder: Path
    manifest: Manifest
    curve: list[Progress]
    kept: Progress
    users: int
    interactions: int
    fingerprint: str
    setbacks: list[Setback]


def new_manifest(
    profile: str,
    family: str,
    settings: TrainingSettings,
    training_set: SetRecord,
    positive_actions: Sequence[str],
    merge_adjacent: Merging | None = None,
    split: SplitSettings | None = None,
    chosen: Mapping[str, Choice] | None = None,
) -> Manifest:
    """What is said of a new version of a family, before it is made.

    Args:
        split: By which interactions were held out; None: none were.
        chosen: What the training set decided of how it is trained, beside what was decided when it was made.
    """
    return Manifest(
        version=new_version(family),
        created=datetime.now(UTC),
        profile=profile,
        cutoff=training_set.cutoff,
        data_end=training_set.data_end,
        positive_actions=list(positive_actions),
        merge_adjacent=merge_adjacent,
        held_out_users=split.leave_one_out_users if split else 0,
        held_out_seed=split.seed if split else 0,
        held_out_ties=split.hold_out_ties if split else True,
        repeats=split.repeats if split else False,
        training_set=training_set.name,
        chosen={**training_set.chosen, **(chosen or {})},
        table_versions=training_set.table_versions,
        code_version=code_version(),
        hardware=f"{platform.machine()}, {settings.workers} workers{' with a GPU each' if settings.use_gpu else ''}",
        libraries={name: package_version(name) for name in ("torch", "ray", "polars", "deltalake", "implicit")},
    )


def train_version(
    lake: Lake,
    manifest: Manifest,
    dataset_folder: Path,
    settings: TrainingSettings,
    model: TrainedConfig,
    optimisation: TrainingConfig,
    workers: int,
    *,
    with_content: bool,
    start: Path | None,
    on_progress: Callable[[Entry | str], None],
    pretrained: Path | None = None,
    keep_optimizer: bool = False,
) -> TrainedVersion:
    """Trains on a prepared training set and writes the version's artifact.

    A run that was ended before it was done is gone on with, if what decides its outcome is the same.

    Args:
        model: Shape of the model; its item tower is fitted to the content at hand.
        workers: Ray Train workers; 0 trains in this process.
        with_content: False trains the ablation, which sees IDs alone and is kept apart from the versions.
        start: Folder of the version that it starts from (`assets.training.start.start_of`); None: from scratch.
        pretrained: Folder of the version of another family that it is made of; its training set is the same.
        keep_optimizer: Whether the optimiser's state is kept with it, for a training that goes on from it.
    """
    from models.artifact import save_artifact
    from models.checkpoint import epochs_done, newest_checkpoint

    dataset = read_dataset(dataset_folder)
    where = ARTIFACTS if with_content else ABLATIONS
    job = TrainingJob(
        dataset=str(dataset_folder),
        folder="",
        model=fitted(model, settings, dataset_folder if with_content else None),
        training=optimisation,
        workers=workers,
        use_gpu=settings.use_gpu,
        threads_per_worker=settings.threads_per_worker,
        max_failures=settings.max_failures,
        start=str(start) if start else None,
        pretrained=str(pretrained) if pretrained else None,
    )
    fingerprint = fingerprint_of(job)
    run = lake.folder(RUNS) / where / fingerprint
    job = replace(job, folder=str(run))
    if before := newest_checkpoint(run):
        on_progress(f"goes on after epoch {epochs_done(before)} of a run with the same inputs that was ended")
    curve = train(job, on_progress)
    kept = kept_epoch(job, curve)
    if optimisation.patience:
        on_progress(f"keeps the weights of epoch {kept.epoch}, the best of {len(curve)} on held-out users")
    trained = trained_model(job, dataset)
    metrics = metrics_of(kept)
    origin = pretrained or start
    final = manifest.model_copy(
        update={
            "training": optimisation,
            "workers": max(1, workers),
            "training_metrics": metrics,
            "parent": origin.name if origin else None,
            "ancestors": ancestors_of(start) if start else [],
        }
    )
    optimizer = kept_optimizer(job, trained) if keep_optimizer else {}
    folder = save_artifact(lake.folder(where), final, trained, vocabulary_of(job, dataset), optimizer)
    setbacks = setbacks_of(job)
    shutil.rmtree(run, ignore_errors=True)
    read = dataset.histories
    return TrainedVersion(folder, final, curve, kept, len(read), len(read.item_index), fingerprint, setbacks)


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
        Path(job.start).name if job.start else None,
        Path(job.pretrained).name if job.pretrained else None,
    )


def fitted(model: TrainedConfig, settings: TrainingSettings, dataset_folder: Path | None) -> TrainedConfig:
    """`model` with its item tower fitted to the content embeddings of a training set, or to none."""
    content_dim, modalities = (
        (content_width(dataset_folder), read_modalities(dataset_folder)) if dataset_folder else (0, {})
    )
    tower = ItemTowerConfig(
        content_dim=content_dim,
        modalities=dict(modalities),
        id_masking=settings.id_masking if content_dim else 0.0,
        hide_new=settings.hide_new,
        new_item_optimism=settings.new_item_optimism if content_dim else 0.0,
        gate=settings.item_gate if content_dim and isinstance(model, RecommenderConfig) else "none",
    )
    return model.model_copy(update={"items": tower})


def tuned(settings: TrainingSettings, trials: pl.DataFrame) -> TrainingSettings:
    """The settings with what the best trial of a search found, which then counts as written by hand.

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
            LEFT_TO_DATA: tuple(path for path in settings.left_to_data if path not in found),
        }
    )


def in_one_process(training: TrainingConfig, workers: int) -> TrainingConfig:
    """`training` with as large a step as so many workers take together."""
    sizes = {"batch_size": training.batch_size * workers, "tokens_per_step": training.tokens_per_step * workers}
    return training.model_copy(update=sizes)


def metrics_of(kept: Progress) -> dict[str, float]:
    """What a manifest says of the epoch whose weights the version has."""
    parts = {f"loss {name}": loss for name, loss in kept.losses.items()} if len(kept.losses) > 1 else {}
    validation = {f"validation_{name.replace('_at_', '@')}": value for name, value in kept.validation.items()}
    return {"loss": kept.loss, **parts, **validation}


def content_width(dataset_folder: Path) -> int:
    """Width of a training set's content embeddings, 0 where it has none."""
    return int(np.load(dataset_folder / CONTENT, mmap_mode="r").shape[1])
