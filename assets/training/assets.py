"""The assets `hstu_model`, its ablation `hstu_without_content`, and the search `tuned_hyperparameters`."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import dagster as dg

from assets.content.assets import content_embeddings
from assets.items.assets import items
from assets.metadata import table_metadata
from assets.ray_cluster import attached
from assets.resources import (
    EvaluationResource,
    LakeResource,
    RayResource,
    TrainingResource,
)
from assets.schema import EVENTS_TABLE, TUNING_TABLE
from assets.sequences.assets import sequences
from assets.training.plots import learning_curve, trials_plot
from assets.training.ray_train import Progress, TrainingJob
from assets.training.settings import TrainingSettings
from assets.training.tune import search
from assets.training.version import (
    DATASETS,
    RUNS,
    TrainedVersion,
    content_width,
    last_day_of,
    model_config,
    optimisation_of,
    prepare,
    train_version,
)
from assets.versions import ABLATIONS, ARTIFACTS, version_in_question
from models.manifest import MODEL_CARD, Manifest, read_manifest


@dg.asset(
    deps=[sequences, content_embeddings, items],
    group_name="training",
    kinds={"pytorch", "ray"},
    owners=["team:ml"],
    code_version="1",
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="A new version of the recommender, trained by Ray on everything before the evaluation cutoff.",
)
def hstu_model(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    training: TrainingResource,
    evaluation: EvaluationResource,
    ray: RayResource,
) -> dg.MaterializeResult[None]:
    tables, settings = lake.open(), training
    manifest, dataset = _prepared(lake, settings, evaluation)
    tuned = tables.scan(TUNING_TABLE).collect().row(0, named=True) if settings.use_tuned else None
    optimisation = optimisation_of(settings, tuned)
    with _cluster(ray):
        version = train_version(
            tables,
            manifest,
            dataset,
            settings,
            optimisation,
            workers=settings.workers if ray.mode == "attach" else 0,
            with_content=True,
            on_progress=_reporting(context),
        )
    return dg.MaterializeResult(metadata=_version_metadata(version))


@dg.asset(
    deps=[hstu_model],
    group_name="training",
    kinds={"pytorch"},
    owners=["team:ml"],
    code_version="1",
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="The model's twin without content embeddings: what the content is worth, in the evaluation.",
)
def hstu_without_content(
    context: dg.AssetExecutionContext, lake: LakeResource, training: TrainingResource
) -> dg.MaterializeResult[None]:
    tables, settings = lake.open(), training
    if not (settings.use_content and settings.train_ablation):
        return dg.MaterializeResult(metadata={"skipped": "the profile trains no twin without content"})
    manifest = read_manifest(tables.folder(ARTIFACTS) / version_in_question(context, tables, "hstu_model"))
    if (tables.folder(ABLATIONS) / manifest.version).exists():
        return dg.MaterializeResult(metadata={"skipped": f"the twin of {manifest.version} exists already"})
    if not (tables.folder(DATASETS) / manifest.version).exists():
        return dg.MaterializeResult(metadata={"skipped": f"the training set of {manifest.version} was deleted"})
    version = train_version(
        tables,
        manifest,
        tables.folder(DATASETS) / manifest.version,
        settings,
        manifest.training,
        workers=0,
        with_content=False,
        on_progress=_reporting(context),
    )
    return dg.MaterializeResult(metadata=_version_metadata(version))


@dg.asset(
    deps=[sequences, content_embeddings, items],
    group_name="tuning",
    kinds={"pytorch", "ray"},
    owners=["team:ml"],
    code_version="1",
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="A Ray Tune search (ASHA) over learning rate and temperature; the best trial first.",
)
def tuned_hyperparameters(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    training: TrainingResource,
    evaluation: EvaluationResource,
    ray: RayResource,
) -> dg.MaterializeResult[None]:
    tables, settings = lake.open(), training
    manifest, dataset = _prepared(lake, settings, evaluation)
    storage = tables.folder(RUNS) / "tuning" / manifest.version
    optimisation = settings.optimisation.model_copy(update={"epochs": settings.search.epochs})
    job = TrainingJob(
        str(dataset), str(storage), model_config(settings, content_width(dataset)), optimisation, workers=0
    )
    with attached(ray.address):
        result = search(job, settings.search, storage)
    tables.overwrite(TUNING_TABLE, result.trials)
    context.log.info(f"best of {result.trials.height} trials: {result.best}")
    return dg.MaterializeResult(
        metadata=table_metadata(result.trials, trials=dg.MetadataValue.md(trials_plot(result.trials)), **result.best)
    )


def _prepared(lake: LakeResource, settings: TrainingSettings, evaluation: EvaluationResource) -> tuple[Manifest, Path]:
    tables = lake.open()
    last_day = last_day_of(tables.scan(EVENTS_TABLE))
    return prepare(tables, lake.profile, settings, evaluation, last_day)


def _cluster(ray: RayResource) -> AbstractContextManager[None]:
    return attached(ray.address) if ray.mode == "attach" else nullcontext()


def _reporting(context: dg.AssetExecutionContext) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        context.log.info(
            f"epoch {progress.epoch}/{progress.epochs}: loss {progress.loss:.3f}, "
            f"NDCG@10 {progress.ndcg_at_10:.4f}, {progress.tokens_per_second:,.0f} tokens/s, "
            f"{progress.seconds_left:.0f} s left"
        )

    return report


def _version_metadata(version: TrainedVersion) -> dict[str, Any]:
    last = version.curve[-1]
    return {
        "version": version.manifest.version,
        "cutoff": version.manifest.cutoff.isoformat(),
        "users": version.users,
        "interactions": version.interactions,
        "loss": last.loss,
        "validation_ndcg_at_10": last.ndcg_at_10,
        "tokens_per_second": last.tokens_per_second,
        "sparsity": last.sparsity,
        "tokens_kept": last.tokens_kept,
        "learning_curve": dg.MetadataValue.md(learning_curve(version.curve)),
        "model_card": dg.MetadataValue.md((version.folder / MODEL_CARD).read_text()),
        "artifact": dg.MetadataValue.path(str(version.folder)),
    }
