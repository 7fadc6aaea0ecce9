"""The assets `argus_backbone` and `argus_evaluation`: what is learned from everything that happened, and its report."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from assets.argus.auto import Log, choose_backbone, choose_towers
from assets.argus.evaluate import GROWING, evaluate_argus
from assets.argus.evaluate_towers import TOWERS, evaluate_towers
from assets.argus.fit import fitted_to, towers_fitted_to
from assets.argus.plots import metric_bars, metric_table, towers_table
from assets.argus.settings import ArgusSettings
from assets.data_version import data_version
from assets.metadata import plain_name
from assets.ranking.assets import ranking_set
from assets.ranking.ranking_set import RankingSetRecord, RankingSetSettings, require_made_by
from assets.resources import NO_CONFIG, LakeResource, RayCluster, RayResource
from assets.splits.settings import EvaluationSettings
from assets.training.assets import cluster, reporting, version_metadata
from assets.training.dataset import read_dataset
from assets.training.set_store import read_record
from assets.training.settings import TrainingSettings
from assets.training.version import TrainedVersion, new_manifest, train_version
from assets.vectors.versions import TWO_TOWERS
from assets.versions import (
    TRAINING_SET,
    VERSION,
    artifacts_of,
    skipped,
    training_set_in_question,
    version_in_question,
    why_skipped,
)
from models.auto import Choice
from models.config.model import TrainedConfig
from models.config.training import TrainingConfig
from models.evaluation.own_impressions import PAIR_ACCURACY, PAIR_UPLIFT
from models.manifest import Manifest, list_versions
from storage.lake import Lake


@dg.asset(
    deps=[ranking_set],
    group_name="argus",
    kinds={"pytorch", "ray"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="A new version of ARGUS, trained by Ray on everything that happened before the evaluation cutoff: "
    "which item comes next, and what comes of it.",
)
def argus_backbone(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    training: dg.ResourceParam[TrainingSettings],
    argus: dg.ResourceParam[ArgusSettings],
    ranking_set_settings: dg.ResourceParam[RankingSetSettings],
    ray: RayResource,
) -> dg.MaterializeResult[None]:
    tables = lake.open()
    folder = training_set_in_question(context, tables, "ranking_set")
    record = read_record(folder, RankingSetRecord)
    require_made_by(record, ranking_set_settings)

    def made() -> dg.MaterializeResult[None]:
        settings, chosen = choose_backbone(argus, Log.of(read_dataset(folder)), _steps_apart(training, ray))
        model = fitted_to(settings, record.settings, folder)
        manifest = _manifest(context, lake.profile, model.family, training, record, chosen)
        version = _trained(context, tables, manifest, folder, training, model, settings.optimisation, ray)
        read = {
            role: ", ".join(column.name for column in model.of_role(role)) for role in ("context", "item", "feedback")
        }
        return dg.MaterializeResult(
            metadata={
                **version_metadata(version),
                "factors": ", ".join(factor.name for factor in model.factors),
                **{f"{role}_columns": names for role, names in read.items()},
            },
            data_version=dg.DataVersion(version.fingerprint),
        )

    return _or_skipped(context, argus, made)


@dg.asset(
    deps=[ranking_set, argus_backbone],
    group_name="argus",
    kinds={"pytorch", "ray"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="A new version of two towers, fine-tuned by Ray of the run's ARGUS: vectors of users, as a nightly "
    "batch has them, and of items, whose dot product orders what is shown.",
)
def user_item_towers(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    training: dg.ResourceParam[TrainingSettings],
    argus: dg.ResourceParam[ArgusSettings],
    ranking_set_settings: dg.ResourceParam[RankingSetSettings],
    ray: RayResource,
) -> dg.MaterializeResult[None]:
    from models.argus.impressions import ImpressionExamples

    tables, own = replace(lake.open(), family=argus.model.family), argus.towers
    folder = training_set_in_question(context, tables, "ranking_set")
    record = read_record(folder, RankingSetRecord)
    require_made_by(record, ranking_set_settings)
    if own.pretrained and (why := why_skipped(context, "argus_backbone")):
        return skipped(context, f"there is no backbone to start from: {why}")

    def made() -> dg.MaterializeResult[None]:
        start = version_in_question(context, tables, "argus_backbone") if own.pretrained else None
        backbone = artifacts_of(tables) / start if start else None
        model = towers_fitted_to(argus, record.settings, folder, backbone)
        dataset = read_dataset(folder)
        settings, chosen = choose_towers(argus, Log.of(dataset), model.max_length, _steps_apart(training, ray))
        learned = ImpressionExamples(dataset.histories, model)
        context.log.info(
            f"{len(learned.at):,} impressions and {learned.pairs:,} pairs; left out are {learned.left_out}"
        )
        manifest = _manifest(context, lake.profile, model.family, training, record, chosen)
        optimisation = settings.towers.optimisation
        version = _trained(context, tables, manifest, folder, training, model, optimisation, ray, backbone)
        return dg.MaterializeResult(
            metadata={
                **version_metadata(version),
                "delay_hours": model.delay_hours,
                "scale": ", ".join(f"{step.factor} from class {step.least}: {step.grade}" for step in model.scale),
                "impressions": len(learned.at),
                "pairs": learned.pairs,
                **{name: count for name, count in vars(learned.left_out).items()},
            },
            data_version=dg.DataVersion(version.fingerprint),
        )

    return _or_skipped(context, argus, made)


@dg.asset(
    deps=[ranking_set, argus_backbone, user_item_towers],
    group_name="argus",
    kinds={"pytorch"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="What the run's ARGUS version says of what happened after its cutoff: normalised entropy of the next "
    "item and of each factor of the feedback, AUC and GAUC of each outcome, with 95 % bootstrap intervals over users, "
    "with histories that grow and with frozen ones, beside how often each outcome comes of an item anyway; and of the "
    "two towers how often they order two impressions of one user rightly.",
)
def argus_evaluation(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    argus: dg.ResourceParam[ArgusSettings],
    evaluation: dg.ResourceParam[EvaluationSettings],
) -> dg.MaterializeResult[None]:
    from models.artifact import load_artifact

    tables = replace(lake.open(), family=argus.model.family)
    folder = artifacts_of(tables) / version_in_question(context, tables, "argus_backbone")
    result = evaluate_argus(tables, load_artifact(folder), evaluation)
    numbers: dict[str, Any] = {
        plain_name(f"{outcome} {name}"): measure.mean
        for outcome, measures in result.scorers[GROWING].items()
        for name, measure in measures.items()
    }
    return dg.MaterializeResult(
        metadata={
            VERSION: result.version,
            TRAINING_SET: result.training_set,
            "cutoff": result.cutoff.isoformat(),
            "window_end": (result.cutoff + timedelta(days=result.window_days)).isoformat(),
            "users": result.users,
            "interactions": result.interactions,
            "negatives": result.negatives,
            **numbers,
            "metrics": dg.MetadataValue.md(metric_table(result)),
            "plot": dg.MetadataValue.md(metric_bars(result)),
            "report": dg.MetadataValue.path(str(result.write(folder))),
            **_of_towers(context, tables, argus, evaluation),
        },
        data_version=data_version(context, argus, evaluation, result.version),
    )


def _trained(
    context: dg.AssetExecutionContext,
    tables: Lake,
    manifest: Manifest,
    folder: Path,
    training: TrainingSettings,
    model: TrainedConfig,
    optimisation: TrainingConfig,
    ray: RayCluster,
    pretrained: Path | None = None,
) -> TrainedVersion:
    """A version of the ranking set in `folder`, by Ray, from scratch or from the weights of another family."""
    with cluster(ray):
        return train_version(
            tables,
            manifest,
            folder,
            training,
            model,
            optimisation,
            workers=_workers(training, ray),
            with_content=True,
            start=None,
            on_progress=reporting(context),
            pretrained=pretrained,
        )


def _or_skipped(
    context: dg.AssetExecutionContext, argus: ArgusSettings, made: Callable[[], dg.MaterializeResult[None]]
) -> dg.MaterializeResult[None]:
    """What is `made`; where it fails and the night's release waits for it, why it takes no part in that."""
    try:
        return made()
    except Exception as error:
        if not argus.release:
            raise
        context.log.error(f"it takes no part tonight: {error}", exc_info=True)
        return skipped(context, f"it failed: {type(error).__name__}: {error}")


def _workers(training: TrainingSettings, ray: RayCluster) -> int:
    """Ray Train workers; 0 trains in this process."""
    return training.workers if ray.mode == "attach" else 0


def _steps_apart(training: TrainingSettings, ray: RayCluster) -> int:
    """Processes that each take a part of a step."""
    return max(1, _workers(training, ray))


def _manifest(
    context: dg.AssetExecutionContext,
    profile: str,
    family: str,
    training: TrainingSettings,
    record: RankingSetRecord,
    chosen: Mapping[str, Choice],
) -> Manifest:
    """What is said of a new version, with what the ranking set has `chosen` by its path within `argus`."""
    settings = record.settings
    found = {f"argus.{path}": choice for path, choice in chosen.items()}
    for path, choice in found.items():
        context.log.info(f"{path} is {choice.value}: {choice.reason}")
    return new_manifest(
        profile, family, training, record, settings.positive_actions, split=settings.evaluation, chosen=found
    )


def _of_towers(
    context: dg.AssetExecutionContext, tables: Lake, argus: ArgusSettings, evaluation: EvaluationSettings
) -> dict[str, Any]:
    """What is said of the two towers, where there are any."""
    from models.artifact import load_artifact

    own = replace(tables, family=TWO_TOWERS)
    if not list_versions(artifacts_of(own)):
        return {}
    folder = artifacts_of(own) / version_in_question(context, own, "user_item_towers")
    result = evaluate_towers(own, load_artifact(folder), evaluation, argus.towers.production)
    numbers = {
        plain_name(f"towers {step} {name}"): measure.mean
        for step, measures in result.scorers[TOWERS].items()
        for name, measure in measures.items()
    }
    uplifts = {
        plain_name(f"towers {name} over {scorer}"): measure.mean
        for scorer, measures in result.pairs.items()
        for name, measure in measures.items()
        if name == PAIR_UPLIFT
    }
    accuracy = result.pairs[TOWERS].get(PAIR_ACCURACY)
    return {
        "towers_version": result.version,
        "towers_delay_hours": result.delay_hours,
        "towers_impressions": result.impressions,
        "towers_without_state": result.without_state,
        "towers_without_grade": result.without_grade,
        "towers_unknown_items": result.unknown_items,
        **({"towers_pair_accuracy": accuracy.mean} if accuracy else {}),
        **uplifts,
        **numbers,
        "towers_metrics": dg.MetadataValue.md(towers_table(result)),
        "towers_report": dg.MetadataValue.path(str(result.write(folder))),
    }
