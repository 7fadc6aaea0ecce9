"""The assets `ranker_model` and `ranker_evaluation`: a model that ranks what is shown, and its own report."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg

from assets.content.assets import content_embeddings
from assets.data_version import data_version
from assets.items.assets import items
from assets.metadata import plain_name
from assets.ranking.dataset import make_ranking_dataset
from assets.ranking.evaluate import evaluate_ranker
from assets.ranking.plots import metric_bars, metric_table
from assets.ranking.settings import RankingSettings
from assets.resources import NO_CONFIG, LakeResource, RayResource
from assets.sequences.assets import sequences
from assets.sequences.item_rows import catalogue_with_rows
from assets.splits.settings import EvaluationSettings
from assets.training.assets import cluster, reporting, version_metadata
from assets.training.dataset import content_digest, write_dataset
from assets.training.set_store import SetRecord, keep
from assets.training.settings import TrainingSettings
from assets.training.training_set import data_end_of
from assets.training.version import new_manifest, train_version
from assets.versions import RANKING_SETS, artifacts_of, version_in_question
from models.columns import ITEM_ID, VECTOR
from storage.schema import CONTENT_TABLE, EVENTS_TABLE, ITEMS_TABLE
from storage.sequence_store import SEQUENCES_TABLE
from storage.staged_files import Staging


@dg.asset(
    deps=[sequences, content_embeddings, items],
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
    evaluation: dg.ResourceParam[EvaluationSettings],
    ray: RayResource,
) -> dg.MaterializeResult[None]:
    tables = lake.open()
    read = [EVENTS_TABLE, ITEMS_TABLE, *([CONTENT_TABLE] if ranking.use_content else []), SEQUENCES_TABLE]
    versions = {table: tables.version(table) for table in read}
    data_end = data_end_of(tables, versions[EVENTS_TABLE])
    cutoff = evaluation.cutoff_time((data_end - timedelta(days=1)).date())
    dataset = make_ranking_dataset(
        tables,
        versions[SEQUENCES_TABLE],
        ranking,
        catalogue_with_rows(tables, versions[ITEMS_TABLE]),
        tables.scan(CONTENT_TABLE).select(ITEM_ID, VECTOR).collect() if ranking.use_content else None,
        cutoff,
        training.popularity_half_life_days,
    )
    with Staging(tables) as staging:
        draft = write_dataset(dataset, staging.scratch / RANKING_SETS)
        record = SetRecord(
            cutoff=cutoff,
            data_end=data_end,
            table_versions=versions,
            content_digest=content_digest(draft),
            users=len(dataset.histories),
            interactions=len(dataset.histories.item_index),
            trained_items=len(dataset.vocabulary.trained),
            items=len(dataset.vocabulary.known_items),
        )
        folder = keep(tables, RANKING_SETS, draft, record)
    with cluster(ray):
        version = train_version(
            tables,
            new_manifest(lake.profile, training, record, [ranking.exposure, *ranking.model.actions]),
            folder,
            training,
            ranking.model,
            ranking.optimisation,
            workers=training.workers if ray.mode == "attach" else 0,
            with_content=True,
            on_progress=reporting(context),
        )
    return dg.MaterializeResult(metadata=version_metadata(version), data_version=dg.DataVersion(version.fingerprint))


@dg.asset(
    deps=[ranker_model, sequences],
    group_name="ranking",
    kinds={"pytorch"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="What the run's ranker says of what was shown after its cutoff: normalised entropy, AUC and GAUC of "
    "each action, with 95 % bootstrap intervals over users.",
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
    result = evaluate_ranker(tables, artifact, ranking.exposure, evaluation)
    numbers: dict[str, Any] = {
        plain_name(f"{action} {name}"): measure.mean
        for action, measures in result.actions.items()
        for name, measure in measures.items()
    }
    return dg.MaterializeResult(
        metadata={
            "version": result.version,
            "cutoff": result.cutoff.isoformat(),
            "window_end": (result.cutoff + timedelta(days=result.window_days)).isoformat(),
            "users": result.users,
            "shown": result.shown,
            **numbers,
            "metrics": dg.MetadataValue.md(metric_table(result)),
            "plot": dg.MetadataValue.md(metric_bars(result)),
            "report": dg.MetadataValue.path(str(result.write(folder))),
        },
        data_version=data_version(context, ranking, evaluation, result.version),
    )
