"""The asset `scaling_law`: what a larger backbone would bring on the training set at hand."""

import shutil
from typing import Any

import dagster as dg

from assets.code_version import code_version
from assets.data_version import data_version
from assets.metadata import table_metadata
from assets.ray_cluster import attached, private
from assets.resources import NO_CONFIG, LakeResource, RayResource
from assets.scaling.law import plan_of
from assets.scaling.plots import laws_plot
from assets.scaling.settings import ScalingSettings
from assets.scaling.sweep import sweep
from assets.splits.settings import EvaluationSettings
from assets.training.assets import settled_and_told, training_set_of_run
from assets.training.set_assets import training_set
from assets.training.settings import TrainingSettings
from assets.training.training_set import TrainingSetSettings
from assets.versions import TRAINING_SET
from models.evaluation.intervals import Interval
from models.scaling.study import Study, study
from storage.schema import SCALING_TABLE

FORETELLS = "foretells_the_largest_size"


@dg.asset(
    deps=[training_set],
    group_name="tuning",
    kinds={"pytorch", "ray"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    check_specs=[
        dg.AssetCheckSpec(
            FORETELLS,
            asset="scaling_law",
            description="The offset law of the smaller sizes says what the largest one comes to.",
        )
    ],
    description="How MRR grows with the size of the backbone: a Ray Tune sweep over sizes and shares of the users, the "
    "offset and the log-linear law of it, and what the next compute would buy.",
)
def scaling_law(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    training: dg.ResourceParam[TrainingSettings],
    evaluation: dg.ResourceParam[EvaluationSettings],
    scaling: dg.ResourceParam[ScalingSettings],
    set_settings: dg.ResourceParam[TrainingSetSettings],
    ray: RayResource,
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster wants it bare beside check_specs
    tables = lake.open()
    folder, record = training_set_of_run(context, tables, set_settings)
    settings = settled_and_told(context, training, folder)
    plan = plan_of(tables, lake.profile, record, settings, evaluation, scaling, code_version())
    with attached(ray.address) if ray.mode == "attach" else private(scaling.concurrent):
        swept = sweep(plan, context.log.info)
    tables.overwrite(SCALING_TABLE, swept.table)
    if undertrained := swept.undertrained:
        context.log.warning(undertrained)
    found = study(swept.by_fraction, scaling.resamples)
    advice = found.advice()
    context.log.info(advice)
    shutil.rmtree(plan.job.folder)
    return dg.MaterializeResult(
        metadata=table_metadata(
            swept.table,
            swept.table.height,
            recommendation=advice,
            **({"undertrained": undertrained} if undertrained else {}),
            laws=dg.MetadataValue.md(laws_plot(found, swept.by_fraction)),
            **{TRAINING_SET: record.name},
            **_numbers(found),
        ),
        check_results=[_foretells(found, scaling.largest_error)],
        data_version=data_version(context, settings, scaling, record.data_version),
    )


def _numbers(found: Study) -> dict[str, Any]:
    return {
        "users": found.gain.n,
        "largest_parameters": int(found.largest),
        "offset_rmse": found.offset_rmse,
        "log_linear_rmse": found.log_linear_rmse,
        "exponent": found.offset.exponent,
        **_interval("ceiling", found.ceiling),
        **_interval("gain_of_10x", found.gain),
        "held_out_error": found.foretold.offset_error,
        "held_out_error_log_linear": found.foretold.log_linear_error,
    }


def _interval(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _foretells(found: Study, largest_error: float) -> dg.AssetCheckResult:
    told = found.foretold
    share = abs(told.offset_error) / told.value
    return dg.AssetCheckResult(
        check_name=FORETELLS,
        passed=share <= largest_error,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"the sizes below foretell {told.value + told.offset_error:.4f} MRR at {told.size:,.0f} "
        f"parameters, and it is {told.value:.4f}: {share:.1%} apart, of which {largest_error:.0%} are allowed",
        metadata={"error": told.offset_error, "error_log_linear": told.log_linear_error, "share": share},
    )
