"""Hyper-parameter search: Ray Tune with ASHA over what the profile names."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from assets.ray_cluster import interruptible, yield_to_requests
from assets.training.journal import Following, note
from assets.training.progress import Entry, entry_of, progress_of, step_of
from assets.training.ray_train import TrainingJob, new_model
from assets.training.settings import SearchSettings
from models.families.registry import family_of
from models.strict import Strict

SETTINGS = "settings"
EPOCHS, SECONDS = "epochs", "seconds"

MODEL, OPTIMISATION = "model", "optimisation"

S = TypeVar("S", bound=Strict)


@dataclass(frozen=True)
class SearchResult:
    """The trials of a search, the best first.

    Attributes:
        trials: One row each: what was searched, by the last part of its path; `epochs`, the family's metric, `seconds`,
            and `settings`, paths and values as JSON.
        searched: The columns of what was searched.
        metric: The column that the trials are judged by.
    """

    trials: pl.DataFrame
    searched: tuple[str, ...]
    metric: str

    @property
    def best(self) -> dict[str, float]:
        return self.trials.select(self.searched).row(0, named=True)


def search(job: TrainingJob, settings: SearchSettings, on_progress: Callable[[str, Entry], None]) -> SearchResult:
    """Tries `settings.trials` configurations of `job` and stops the hopeless ones early.

    Every trial trains on one CPU; trials are judged by the metric of the family's learning curve, which only uses
    interactions before the cutoff. The caller must be attached to a Ray cluster.

    Args:
        job: What every trial changes a little; the search writes into its folder.
        on_progress: Gets the name of a trial and how far it is, every few seconds and at the end of each epoch.

    Raises:
        ValueError: there is no such setting as is to be searched, nothing is held out to judge by, or no trial finished
            an epoch.
    """
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    from assets.training.dataset import read_dataset

    judge = family_of(job.model).judge(job.model)
    if not len(read_dataset(Path(job.dataset)).validation):
        raise ValueError(
            "no user has two interactions before the cutoff, so none can be held out to judge trials by: set "
            "`training.use_tuned` to false"
        )
    for bounds in zip(*settings.space.values(), strict=True):
        changed(job, dict(zip(settings.space, bounds, strict=True)))
    storage = Path(job.folder)
    storage.mkdir(parents=True, exist_ok=True)
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(try_configuration, job=job), {"cpu": 1}),
        param_space={path: tune.loguniform(*bounds) for path, bounds in settings.space.items()},
        tune_config=tune.TuneConfig(
            metric=judge.metric,
            mode=judge.better,
            num_samples=settings.trials,
            max_concurrent_trials=settings.concurrent,
            scheduler=ASHAScheduler(max_t=settings.epochs, grace_period=min(settings.grace_epochs, settings.epochs)),
        ),
        run_config=tune.RunConfig(name="search", storage_path=str(storage), verbose=0),
    )
    with Following(storage, lambda journal, entry: on_progress(journal.stem, entry_of(entry))):
        results = interruptible(tuner.fit)
    names = _short(settings.space)
    found = (_trial(results[place], names, judge.metric) for place in range(len(results)))
    rows = [row for row in found if row]
    if not rows:
        raise ValueError(f"none of the {settings.trials} trials finished an epoch: {results.errors[:1]}")
    trials = pl.DataFrame(rows).sort(judge.metric, descending=judge.better == "max")
    return SearchResult(trials, tuple(names.values()), judge.metric)


def try_configuration(config: dict[str, Any], job: TrainingJob) -> None:
    """One trial."""
    import torch
    from ray import tune

    from assets.training.dataset import read_dataset
    from models.training.loop import EpochReport, fit

    yield_to_requests()
    torch.set_num_threads(1)
    job = changed(job, config)
    family, dataset = family_of(job.model), read_dataset(Path(job.dataset))
    model = new_model(job, dataset)
    journal = Path(job.folder) / f"{tune.get_context().get_trial_id()}.jsonl"

    def on_epoch(report: EpochReport, *_: object) -> None:
        validation = family.validate(model, dataset)
        note(journal, progress_of(report, validation, workers=1))
        tune.report({**validation, "loss": report.loss})

    fit(
        model,
        dataset.histories,
        job.training,
        on_epoch=on_epoch,
        on_step=lambda report: note(journal, step_of(report, workers=1)),
        step_seconds=job.step_seconds,
    )


def changed(job: TrainingJob, values: Mapping[str, float]) -> TrainingJob:
    """`job` with other values at paths such as `optimisation.loss.temperature` (`with_values`)."""
    return replace(
        job,
        model=with_values(job.model, MODEL, values),
        training=with_values(job.training, OPTIMISATION, values),
    )


def with_values(settings: S, section: str, values: Mapping[str, float]) -> S:
    """`settings` with other values at those paths that begin with `section`; whole numbers are rounded.

    Raises:
        ValueError: there is no number at a path, or not such a one; it names the path.
    """
    told = settings.model_dump()
    for path, value in values.items():
        within, *parts = path.split(".")
        if within != section:
            continue
        place: Any = told
        for part in parts[:-1]:
            place = place.get(part) if isinstance(place, dict) else None
        before = place.get(parts[-1]) if isinstance(place, dict) else None
        if isinstance(before, bool) or not isinstance(before, int | float):
            raise ValueError(f"{path} is not a number among the settings of `training`: search for another one")
        place[parts[-1]] = round(value) if isinstance(before, int) else value
    return type(settings).model_validate(told)


def _short(space: Mapping[str, object]) -> dict[str, str]:
    """Each path by its last part, or whole where that is not its own."""
    last = [path.rpartition(".")[2] for path in space]
    return {path: name if last.count(name) == 1 else path for path, name in zip(space, last, strict=True)}


def _trial(result: Any, names: Mapping[str, str], metric: str) -> dict[str, Any] | None:
    if not result.metrics or metric not in result.metrics:
        return None
    return {
        **{name: result.config[path] for path, name in names.items()},
        EPOCHS: result.metrics["training_iteration"],
        metric: result.metrics[metric],
        SECONDS: result.metrics["time_total_s"],
        SETTINGS: json.dumps({path: result.config[path] for path in names}),
    }
