"""Hyper-parameter search: Ray Tune with ASHA over learning rate and temperature."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from assets.ray_cluster import interruptible, yield_to_requests
from assets.training.journal import Following, note
from assets.training.ray_train import (
    Entry,
    TrainingJob,
    entry_of,
    new_recommender,
    progress_of,
    step_of,
    validation_ndcg,
)
from assets.training.settings import SearchSettings

METRIC = "ndcg_at_10"


@dataclass(frozen=True)
class SearchResult:
    """`trials`: one row per trial (learning_rate, temperature, epochs, ndcg_at_10, seconds), the best first."""

    trials: pl.DataFrame

    @property
    def best(self) -> dict[str, float]:
        return self.trials.select("learning_rate", "temperature").row(0, named=True)


def search(job: TrainingJob, settings: SearchSettings, on_progress: Callable[[str, Entry], None]) -> SearchResult:
    """Tries `settings.trials` configurations of `job` and stops the hopeless ones early.

    Every trial trains on one CPU; trials are judged by the learning curve's NDCG@10, which only uses interactions
    before the cutoff. The caller must be attached to a Ray cluster.

    Args:
        job: What every trial changes a little; the search writes into its folder.
        on_progress: Gets the name of a trial and how far it is, every few seconds and at the end of each epoch.

    Raises:
        ValueError: no trial finished an epoch.
    """
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler

    storage = Path(job.folder)
    storage.mkdir(parents=True, exist_ok=True)
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(try_configuration, job=job), {"cpu": 1}),
        param_space={
            "learning_rate": tune.loguniform(*settings.learning_rate),
            "temperature": tune.loguniform(*settings.temperature),
        },
        tune_config=tune.TuneConfig(
            metric=METRIC,
            mode="max",
            num_samples=settings.trials,
            max_concurrent_trials=settings.concurrent,
            scheduler=ASHAScheduler(max_t=settings.epochs, grace_period=min(settings.grace_epochs, settings.epochs)),
        ),
        run_config=tune.RunConfig(name="search", storage_path=str(storage), verbose=0),
    )
    with Following(storage, lambda journal, entry: on_progress(journal.stem, entry_of(entry))):
        results = interruptible(tuner.fit)
    rows = [row for row in map(_trial, (results[place] for place in range(len(results)))) if row]
    if not rows:
        raise ValueError(f"none of the {settings.trials} trials finished an epoch: {results.errors[:1]}")
    return SearchResult(pl.DataFrame(rows).sort(METRIC, descending=True))


def _trial(result: Any) -> dict[str, float] | None:
    if not result.metrics or METRIC not in result.metrics:
        return None
    return {
        "learning_rate": result.config["learning_rate"],
        "temperature": result.config["temperature"],
        "epochs": result.metrics["training_iteration"],
        METRIC: result.metrics[METRIC],
        "seconds": result.metrics["time_total_s"],
    }


def try_configuration(config: dict[str, Any], job: TrainingJob) -> None:
    """One trial."""
    import torch
    from ray import tune

    from assets.training.dataset import read_dataset
    from models.training import EpochReport, fit

    yield_to_requests()
    torch.set_num_threads(1)
    loss = job.training.loss.model_copy(update={"temperature": config["temperature"]})
    training = job.training.model_copy(update={"learning_rate": config["learning_rate"], "loss": loss})
    dataset = read_dataset(Path(job.dataset))
    recommender = new_recommender(replace(job, training=training), dataset.vocabulary.trained, dataset.content)
    journal = Path(job.folder) / f"{tune.get_context().get_trial_id()}.jsonl"

    def on_epoch(report: EpochReport, *_: object) -> None:
        ndcg = validation_ndcg(recommender, dataset)
        note(journal, progress_of(report, ndcg, workers=1))
        tune.report({METRIC: ndcg, "loss": report.loss})

    fit(
        recommender,
        dataset.histories,
        training,
        on_epoch=on_epoch,
        on_step=lambda report: note(journal, step_of(report, workers=1)),
        step_seconds=job.step_seconds,
    )
