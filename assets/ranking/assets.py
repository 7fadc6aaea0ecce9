"""The assets `ranking_set`, `ranker_model` and `ranker_evaluation`: what ranks what is shown, and its own report."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg

from assets.content.assets import content_embeddings
from assets.data_version import data_version
from assets.items.assets import items
from assets.metadata import ROWS, choices_table, plain_name
from assets.ranking.evaluate import RANKER, evaluate_ranker
from assets.ranking.plots import (
    difference_table,
    metric_bars,
    metric_table,
    off_policy_table,
    reliability_diagram,
    slice_table,
)
from assets.ranking.ranking_set import (
    RankingSetRecord,
    RankingSetSettings,
    make_ranking_set,
    nothing_asked,
    require_made_by,
)
from assets.ranking.settings import RankingSettings
from assets.resources import NO_CONFIG, LakeResource, RayResource
from assets.sequences.assets import sequences
from assets.splits.settings import EvaluationSettings
from assets.training.assets import cluster, reporting, version_metadata
from assets.training.dataset import read_dataset
from assets.training.plots import lengths_of
from assets.training.set_store import read_record
from assets.training.settings import TrainingSettings
from assets.training.version import new_manifest, train_version
from assets.versions import (
    RANKING_SETS,
    TRAINING_SET,
    VERSION,
    artifacts_of,
    training_set_in_question,
    version_in_question,
)
from models.markdown import escaped


@dg.asset(
    deps=[sequences, items, content_embeddings],
    group_name="ranking",
    kinds={"polars", "numpy"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="All interactions with what was shown and what was done with it, cut at the evaluation cutoff: what "
    "rankers learn from and what their versions are asked.",
)
def ranking_set(
    context: dg.AssetExecutionContext, lake: LakeResource, ranking_set_settings: dg.ResourceParam[RankingSetSettings]
) -> dg.MaterializeResult[None]:
    tables = lake.open()
    record = make_ranking_set(tables, ranking_set_settings, lake.rows_in_memory)
    folder = tables.folder(RANKING_SETS) / record.name
    context.log.info(
        f"ranking set {record.name}: {record.shown:,} shown before {record.cutoff:%Y-%m-%d}, {record.asked:,} after"
    )
    return dg.MaterializeResult(
        metadata={
            TRAINING_SET: record.name,
            ROWS: record.interactions,
            "users": record.users,
            "validation_users": record.validation_users,
            "items_trained": record.trained_items,
            "items_without_id": record.items - record.trained_items,
            "cutoff": record.cutoff.isoformat(),
            "chosen": dg.MetadataValue.md(choices_table(record.chosen)),
            "shown": record.shown,
            "shown_after_cutoff": record.asked,
            "users_after_cutoff": record.asked_users,
            "lengths": dg.MetadataValue.md(lengths_of(read_dataset(folder).histories.lengths)),
            "folder": dg.MetadataValue.path(str(folder)),
        },
        data_version=dg.DataVersion(record.data_version),
    )


@dg.asset_check(
    asset=ranking_set,
    blocking=True,
    config_schema=NO_CONFIG,
    description="Something was shown after the cutoff on which the next ranker can be evaluated.",
)
def has_something_to_ask(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
    record = read_record(training_set_in_question(context, lake.open(), "ranking_set"), RankingSetRecord)
    missing = nothing_asked(record)
    return dg.AssetCheckResult(
        passed=missing is None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=escaped(missing or f"{record.asked} shown to {record.asked_users} users after the cutoff"),
        metadata={"shown_after_cutoff": record.asked},
    )


@dg.asset(
    deps=[ranking_set],
    group_name="ranking",
    kinds={"pytorch", "ray"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="A new version of the ranker, trained by Ray on what was shown before the evaluation cutoff.",
)
def ranker_model(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    training: dg.ResourceParam[TrainingSettings],
    ranking: dg.ResourceParam[RankingSettings],
    ranking_set_settings: dg.ResourceParam[RankingSetSettings],
    ray: RayResource,
) -> dg.MaterializeResult[None]:
    tables = lake.open()
    folder = training_set_in_question(context, tables, "ranking_set")
    record = read_record(folder, RankingSetRecord)
    require_made_by(record, ranking_set_settings)
    with cluster(ray):
        version = train_version(
            tables,
            new_manifest(
                lake.profile, ranking.model.family, training, record, [ranking.exposure, *ranking.model.actions]
            ),
            folder,
            training,
            ranking.model,
            ranking.optimisation,
            workers=training.workers if ray.mode == "attach" else 0,
            with_content=True,
            start=None,
            on_progress=reporting(context),
        )
    return dg.MaterializeResult(metadata=version_metadata(version), data_version=dg.DataVersion(version.fingerprint))


@dg.asset(
    deps=[ranking_set, ranker_model],
    group_name="ranking",
    kinds={"pytorch"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="What the run's ranker says of what was shown after its cutoff: normalised entropy, AUC, and how each "
    "user's own impressions are ordered (GAUC, pair accuracy, nDCG@5), for each action, by slice, with 95 % bootstrap "
    "intervals over users, beside how often the action is taken on an item anyway; and how well it is calibrated.",
)
def ranker_evaluation(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    ranking: dg.ResourceParam[RankingSettings],
    evaluation: dg.ResourceParam[EvaluationSettings],
) -> dg.MaterializeResult[None]:
    from models.artifact import load_artifact

    tables = replace(lake.open(), family=ranking.model.family)
    folder = artifacts_of(tables) / version_in_question(context, tables, "ranker_model")
    artifact = load_artifact(folder)
    result = evaluate_ranker(tables, artifact, evaluation, ranking.off_policy)
    numbers: dict[str, Any] = {
        plain_name(f"{action} {name}"): measure.mean
        for action, measures in result.scorers[RANKER].items()
        for name, measure in measures.items()
    }
    return dg.MaterializeResult(
        metadata={
            VERSION: result.version,
            TRAINING_SET: result.training_set,
            "cutoff": result.cutoff.isoformat(),
            "window_end": (result.cutoff + timedelta(days=result.window_days)).isoformat(),
            "users": result.users,
            "shown": result.shown,
            **numbers,
            "metrics": dg.MetadataValue.md(metric_table(result)),
            "plot": dg.MetadataValue.md(metric_bars(result)),
            "differences": dg.MetadataValue.md(difference_table(result)),
            "slices": dg.MetadataValue.md(slice_table(result)),
            "reliability": dg.MetadataValue.md(reliability_diagram(result)),
            **({"off_policy": dg.MetadataValue.md(off_policy_table(result))} if result.off_policy else {}),
            "report": dg.MetadataValue.path(str(result.write(folder))),
        },
        data_version=data_version(context, ranking, evaluation, result.version),
    )
