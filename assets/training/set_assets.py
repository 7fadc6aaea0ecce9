"""The asset `training_set`, and the check that says before a model is trained that nobody could judge it."""

from typing import Any

import dagster as dg

from assets.content.assets import content_embeddings
from assets.items.assets import items
from assets.metadata import ROWS, choices_table
from assets.resources import NO_CONFIG, LakeResource
from assets.sequences.assets import sequences
from assets.splits.settings import EvaluationSettings
from assets.training.dataset import read_dataset, read_held_out
from assets.training.plots import lengths_of, over_time
from assets.training.set_store import read_record
from assets.training.training_set import (
    TrainingSetRecord,
    TrainingSetSettings,
    evaluation_of,
    make_training_set,
    without_cases,
)
from assets.versions import DATASETS, TRAINING_SET, training_set_in_question
from models.markdown import escaped


@dg.asset(
    deps=[sequences, items, content_embeddings, "data_report"],
    group_name="training",
    kinds={"polars", "numpy"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    description="The sequences split at the evaluation cutoff: what models learn from and what their versions are "
    "asked, in one folder that training and evaluation both read.",
)
def training_set(
    context: dg.AssetExecutionContext, lake: LakeResource, set_settings: dg.ResourceParam[TrainingSetSettings]
) -> dg.MaterializeResult[None]:
    tables = lake.open()
    record = make_training_set(tables, set_settings, lake.rows_in_memory)
    context.log.info(
        f"training set {record.name}: {record.interactions:,} interactions of {record.users:,} users before "
        f"{record.cutoff:%Y-%m-%d}; cases: {record.cases}"
    )
    folder = tables.folder(DATASETS) / record.name
    dataset, held_out = read_dataset(folder), read_held_out(folder)
    return dg.MaterializeResult(
        metadata={
            TRAINING_SET: record.name,
            ROWS: record.interactions,
            "users": record.users,
            "items_trained": record.trained_items,
            "items_without_id": record.items - record.trained_items,
            "first_interaction": record.first.isoformat(),
            "last_interaction": record.last.isoformat(),
            "cutoff": record.cutoff.isoformat(),
            **{f"cases_{protocol}": record.cases.get(protocol, 0) for protocol in ("time", "leave_one_out")},
            "validation_users": len(dataset.validation),
            "cold_share": record.cold_share,
            "items_without_content": record.without_content,
            "cold_events": record.cold_events,
            "cold_positives": record.cold_positives,
            "chosen": dg.MetadataValue.md(choices_table(record.chosen)),
            "over_time": dg.MetadataValue.md(over_time(held_out, record.cutoff)),
            "lengths": dg.MetadataValue.md(lengths_of(dataset.histories.lengths)),
            "folder": dg.MetadataValue.path(str(folder)),
        },
        data_version=dg.DataVersion(record.data_version),
    )


@dg.asset_check(
    asset=training_set,
    config_schema=NO_CONFIG,
    description="There is somebody to evaluate the next version on.",
)
def has_evaluation_cases(
    context: dg.AssetCheckExecutionContext, lake: LakeResource, evaluation: dg.ResourceParam[EvaluationSettings]
) -> dg.AssetCheckResult:
    folder = training_set_in_question(context, lake.open())
    record = read_record(folder, TrainingSetRecord)
    cases: dict[str, Any] = {f"cases_{protocol}": count for protocol, count in record.cases.items()}
    protocol = evaluation_of(record, evaluation).primary_protocol
    missing = without_cases(record, protocol)
    if missing:
        others = [name for name, count in record.cases.items() if count]
        missing += f". Until then {others[0] if others else 'popularity alone'} decides what is released"
    there = f"{record.cases.get(protocol)} users are asked ({protocol})"
    return dg.AssetCheckResult(
        passed=missing is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=escaped(missing or there),
        metadata=cases,
    )
