"""The assets `hstu_model`, its ablation `hstu_without_content`, and the search `tuned_hyperparameters`."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import dagster as dg

from assets.data_version import data_version
from assets.metadata import choices_table, table_metadata
from assets.ray_cluster import attached
from assets.resources import NO_CONFIG, LakeResource, RayCluster, RayResource
from assets.training.auto import Statistics
from assets.training.dataset import read_dataset
from assets.training.lineage import lineage_table
from assets.training.night import champion_to_start_from, settled
from assets.training.plots import learning_curve, trials_plot
from assets.training.progress import Entry, Progress
from assets.training.ray_train import TrainingJob
from assets.training.set_assets import training_set
from assets.training.set_store import read_record
from assets.training.setbacks import Setback
from assets.training.settings import TrainingSettings
from assets.training.start import start_of
from assets.training.training_set import TrainingSetRecord, TrainingSetSettings, require_made_by
from assets.training.tune import search
from assets.training.version import (
    TrainedVersion,
    fitted,
    in_one_process,
    new_manifest,
    train_version,
    tuned,
)
from assets.versions import (
    ABLATIONS,
    DATASETS,
    RUNS,
    SKIPPED,
    TRAINING_SET,
    VERSION,
    artifacts_of,
    releases_of,
    training_set_in_question,
    version_in_question,
    why_skipped,
)
from models.auto import Choice
from models.config.model import TrainedConfig
from models.families.registry import read_config
from models.manifest import MODEL_CARD, new_version, read_manifest
from storage.lake import Lake
from storage.schema import TUNING_TABLE


@dg.asset(
    deps=[training_set, "tuned_hyperparameters"],
    group_name="training",
    kinds={"pytorch", "ray"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="A new version of the recommender, trained by Ray on the run's training set.",
)
def hstu_model(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    training: dg.ResourceParam[TrainingSettings],
    set_settings: dg.ResourceParam[TrainingSetSettings],
    ray: RayResource,
) -> dg.MaterializeResult[None]:
    tables, settings = lake.open(), training
    if settings.use_tuned:
        settings = tuned(settings, tables.scan(TUNING_TABLE).collect())
    folder, record = training_set_of_run(context, tables, set_settings)
    learned, workers = record.settings.training, settings.workers if ray.mode == "attach" else 0

    def skipped(why: str) -> dg.MaterializeResult[None]:
        context.log.warning(f"no model is trained: {why}; the simple models are all that can be released")
        metadata = {SKIPPED: why, TRAINING_SET: record.name}
        return dg.MaterializeResult(metadata=metadata, data_version=data_version(context, record.data_version))

    if not Statistics.of(read_dataset(folder)).users:
        return skipped(f"none of {record.users:,} users has two interactions, so that there is no next item to learn")
    manifest = new_manifest(
        lake.profile,
        settings.model.family,
        settings,
        record,
        learned.positive_actions,
        learned.merge_adjacent,
        record.settings.evaluation,
    )
    start = None
    if settings.start_from:
        start = champion_to_start_from(tables, settings, folder, workers, manifest, context.log.info)
    settings, chosen = _chosen(context, settings, folder, workers, start)
    manifest = manifest.model_copy(update={"chosen": {**manifest.chosen, **chosen}})
    with cluster(ray):
        _tell_of_dashboard(context, ray)
        try:
            version = train_version(
                tables,
                manifest,
                folder,
                settings,
                settings.model,
                settings.optimisation,
                workers=workers,
                with_content=True,
                start=start,
                on_progress=reporting(context),
                keep_optimizer=settings.keep_optimizer,
            )
        except Exception as error:
            # Later a run may fail, for the champion goes on answering. The first one ends in an endpoint all the same.
            if releases_of(tables).champion():
                raise
            context.log.error(f"training failed: {error}", exc_info=True)
            return skipped(f"training failed: {type(error).__name__}: {error}")
    lineage = {"lineage": dg.MetadataValue.md(lineage_table(tables, version.manifest))}
    return dg.MaterializeResult(
        metadata={**version_metadata(version), **lineage, **_dashboard(ray)},
        data_version=dg.DataVersion(version.fingerprint),
    )


@dg.asset(
    deps=[training_set, hstu_model],
    group_name="training",
    kinds={"pytorch"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="The model's ablation without content embeddings: what the content is worth, in the evaluation.",
)
def hstu_without_content(
    context: dg.AssetExecutionContext, lake: LakeResource, training: dg.ResourceParam[TrainingSettings]
) -> dg.MaterializeResult[None]:
    tables, settings, version_of_data = lake.open(), training, data_version(context, training)

    def made(**metadata: Any) -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata=metadata, data_version=version_of_data)

    if not (settings.use_content and settings.train_ablation):
        return made(skipped="the profile trains no ablation without content")
    if why := why_skipped(context, "hstu_model"):
        return made(skipped=f"no model was trained: {why}")
    folder = artifacts_of(tables) / version_in_question(context, tables, "hstu_model")
    manifest = read_manifest(folder)
    if (tables.folder(f"{ABLATIONS}/{tables.family}") / manifest.version).exists():
        return made(skipped=f"the ablation of {manifest.version} exists already")
    # The version's own, whatever is the newest by now: the two are compared.
    dataset = tables.folder(DATASETS) / manifest.training_set
    if not (manifest.training_set and dataset.exists()):
        return made(skipped=f"the training set of {manifest.version} was deleted")
    if not Statistics.of(read_dataset(dataset)).has_content:
        return made(skipped=f"{manifest.version} was trained without content, too: no item has any")
    model, optimisation = read_config(folder), manifest.training
    assert isinstance(model, TrainedConfig)
    assert optimisation
    start = None
    if manifest.parent:
        # Both were trained for as long, so that they can be compared; from scratch it would be for a fifth of that.
        width = fitted(model, settings, None)
        start = start_of(tables, ABLATIONS, manifest.parent, width, manifest, reporting(context))
        if start is None:
            return made(skipped=f"the ablation of {manifest.parent}, from which it would go on, cannot be started from")
    version = train_version(
        tables,
        manifest,
        dataset,
        settings,
        model,
        in_one_process(optimisation, manifest.workers),
        workers=0,
        with_content=False,
        start=start,
        on_progress=reporting(context),
        keep_optimizer=settings.keep_optimizer,
    )
    return made(**version_metadata(version))


@dg.asset(
    deps=[training_set],
    group_name="tuning",
    kinds={"pytorch", "ray"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="A Ray Tune search (ASHA) over what the profile names; the best trial first.",
)
def tuned_hyperparameters(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    training: dg.ResourceParam[TrainingSettings],
    set_settings: dg.ResourceParam[TrainingSetSettings],
    ray: RayResource,
) -> dg.MaterializeResult[None]:
    tables, settings = lake.open(), training
    dataset, record = training_set_of_run(context, tables, set_settings)
    storage = tables.folder(RUNS) / "tuning" / new_version(settings.model.family)
    settings = settled_and_told(context, settings, dataset)
    optimisation = settings.optimisation.model_copy(update={"epochs": settings.search.epochs})
    job = TrainingJob(str(dataset), str(storage), fitted(settings.model, settings, dataset), optimisation, workers=0)
    with attached(ray.address):
        _tell_of_dashboard(context, ray)
        result = search(job, settings.search, lambda trial, step: context.log.info(f"trial {trial}: {step}"))
    tables.overwrite(TUNING_TABLE, result.trials)
    context.log.info(f"best of {result.trials.height} trials by {result.metric}: {result.best}")
    return dg.MaterializeResult(
        metadata=table_metadata(
            result.trials,
            result.trials.height,
            trials=dg.MetadataValue.md(trials_plot(result.trials, result.searched, result.metric)),
            **{TRAINING_SET: record.name},
            **result.best,
            **_dashboard(ray),
        ),
        data_version=data_version(context, settings, record.data_version),
    )


def _chosen(
    context: dg.AssetExecutionContext, settings: TrainingSettings, dataset: Path, workers: int, start: Path | None
) -> tuple[TrainingSettings, dict[str, Choice]]:
    """`settled`, which is told."""
    settings, chosen = settled(settings, dataset, workers, start)
    for path, choice in chosen.items():
        context.log.info(f"{path} is {choice.value}: {choice.reason}")
    return settings, chosen


def settled_and_told(context: dg.AssetExecutionContext, settings: TrainingSettings, dataset: Path) -> TrainingSettings:
    """The settings of a training from scratch in one process, with what the training set decides, which is told."""
    return _chosen(context, settings, dataset, workers=0, start=None)[0]


def training_set_of_run(
    context: dg.AssetExecutionContext, tables: Lake, settings: TrainingSetSettings
) -> tuple[Path, TrainingSetRecord]:
    """The run's training set; one that was made by other settings is refused."""
    folder = training_set_in_question(context, tables)
    record = read_record(folder, TrainingSetRecord)
    require_made_by(record, settings)
    return folder, record


def cluster(ray: RayResource) -> AbstractContextManager[None]:
    return attached(ray.address) if ray.mode == "attach" else nullcontext()


def reporting(context: dg.AssetExecutionContext) -> Callable[[Entry | str], None]:
    """Logs what a training tells of its progress; setbacks are warnings, and once a loss that does not move."""
    warned = False

    def report(progress: Entry | str) -> None:
        nonlocal warned
        (context.log.warning if isinstance(progress, Setback) else context.log.info)(str(progress))
        if not warned and isinstance(progress, Progress) and progress.standstill:
            warned = True
            context.log.warning(progress.standstill)

    return report


def _tell_of_dashboard(context: dg.AssetExecutionContext, ray: RayCluster) -> None:
    if ray.dashboard:
        context.log.info(f"the workers can be watched at {ray.dashboard}: {_login()}")


def _dashboard(ray: RayCluster) -> dict[str, Any]:
    return {"ray_dashboard": dg.MetadataValue.url(ray.dashboard), "ray_login": _login()} if ray.dashboard else {}


def _login() -> str:
    return f"it asks once for the cluster's token, which stands in {os.environ.get('RAY_AUTH_TOKEN_PATH', 'its file')}"


def version_metadata(version: TrainedVersion) -> dict[str, Any]:
    kept = version.kept
    return {
        VERSION: version.manifest.version,
        TRAINING_SET: version.manifest.training_set,
        "started_from": version.manifest.parent or "scratch",
        "cutoff": version.manifest.cutoff.isoformat(),
        "users": version.users,
        "interactions": version.interactions,
        "epoch": kept.epoch,
        "loss": kept.loss,
        **({f"loss_{name}": loss for name, loss in kept.losses.items()} if len(kept.losses) > 1 else {}),
        **{f"validation_{name}": value for name, value in kept.validation.items()},
        **({"standstill": kept.standstill} if kept.standstill else {}),
        **({"setbacks": [str(setback) for setback in version.setbacks]} if version.setbacks else {}),
        "tokens_per_second": kept.tokens_per_second,
        "sparsity": kept.sparsity,
        "tokens_kept": kept.tokens_kept,
        "chosen": dg.MetadataValue.md(choices_table(version.manifest.chosen)),
        "learning_curve": dg.MetadataValue.md(learning_curve(version.curve)),
        "model_card": dg.MetadataValue.md((version.folder / MODEL_CARD).read_text()),
        "artifact": dg.MetadataValue.path(str(version.folder)),
    }
