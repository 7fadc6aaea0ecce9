"""The `evaluation` asset and its checks."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import dagster as dg
from pydantic import Field

from assets.data_version import data_version
from assets.evaluation.evaluate_version import POPULARITY, BrokenCandidate, evaluate_version
from assets.evaluation.oracle import KnownTruth
from assets.evaluation.plots import metric_bars, metric_table, staleness_plot, staleness_table
from assets.evaluation.records import record
from assets.evaluation.verdicts import CHECKS, verdicts
from assets.items.assets import items
from assets.metadata import plain_name
from assets.resources import LakeResource
from assets.sources.source import Source
from assets.splits.settings import EvaluationSettings
from assets.training.assets import hstu_model, hstu_without_content
from assets.training.blend_assets import blended_model
from assets.training.set_assets import training_set
from assets.training.simple_assets import simple_models
from assets.versions import (
    ABLATIONS,
    VersionMissing,
    artifact_of,
    artifacts_of,
    made_of_data,
    made_of_set,
    newest_from_scratch,
    releases_of,
    version_in_question,
    why_skipped,
)
from models.evaluation.report import COLD, OVERALL, SHORT_HISTORY, Contestant, VersionEvaluation
from models.manifest import Manifest, read_manifest
from models.markdown import escaped
from storage.lake import Lake
from storage.schema import EVALUATIONS_TABLE

SECONDS_BETWEEN_LINES = 5.0


class EvaluationRun(dg.Config):
    """What to evaluate."""

    version: str | None = Field(
        default=None, description="The version to evaluate; null: the one that this run trained, else the last one."
    )


@dg.asset(
    deps=[training_set, simple_models, hstu_model, blended_model, hstu_without_content, items, "user_item_towers"],
    group_name="evaluation",
    kinds={"pytorch", "delta"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec(name, asset="evaluation", description=text) for name, text in CHECKS.items()],
    description=(
        "The run's version against the champion and the simple models on what its own training set holds out: "
        "full-catalogue ranking, 95 % bootstrap intervals, cold items and short histories apart."
    ),
)
def evaluation(
    context: dg.AssetExecutionContext,
    config: EvaluationRun,
    lake: LakeResource,
    source: dg.ResourceParam[Source],
    evaluation: dg.ResourceParam[EvaluationSettings],
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster wants it bare beside check_specs
    tables, settings = lake.open(), evaluation
    folder = artifact_of(tables, _version_in_question(context, tables, config.version))
    ablation = tables.folder(f"{ABLATIONS}/{tables.family}") / folder.name
    rivals = _rivals_of(tables, read_manifest(folder))
    evaluate = partial(
        evaluate_version,
        tables,
        settings=settings,
        champion=_champion(tables),
        truth=source if isinstance(source, KnownTruth) else None,
        progress=_reporting(context),
    )
    try:
        result = evaluate(
            folder,
            rivals=rivals,
            without_content=ablation if ablation.is_dir() else None,
            reference=newest_from_scratch(tables, read_manifest(folder)),
        )
    except BrokenCandidate as error:
        if POPULARITY not in rivals:
            raise
        context.log.warning(f"{folder.name} is not evaluated, but popularity in its place: {error}")
        folder, result = rivals[POPULARITY], _in_place_of(folder, error, evaluate, rivals)
    written, table_version = result.write(folder), record(tables, result)
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.path(str(written)),
            "table": f"{EVALUATIONS_TABLE} at version {table_version}",
            **_metadata(result),
        },
        data_version=data_version(context, settings, result.version, result.champion),
        check_results=[
            dg.AssetCheckResult(
                passed=bool(verdict.passed),
                check_name=verdict.check,
                severity=dg.AssetCheckSeverity.WARN,
                description=escaped(verdict.sentence),
                metadata={"measured": verdict.passed is not None},
            )
            for verdict in verdicts(result)
        ],
    )


def _version_in_question(context: dg.AssetExecutionContext, tables: Lake, asked: str | None) -> str:
    """The version that was trained, or popularity, where there was nothing to train on."""
    trained = asked or not why_skipped(context, "hstu_model")
    return version_in_question(context, tables, "hstu_model" if trained else "simple_models", asked)


def _in_place_of(
    broken: Path, why: BrokenCandidate, evaluate: Callable[..., VersionEvaluation], rivals: dict[str, Path]
) -> VersionEvaluation:
    """The evaluation of popularity beside the other simple models, where the version that was trained is broken."""
    manifest = read_manifest(broken)
    others = {family: folder for family, folder in rivals.items() if family != POPULARITY}
    result = evaluate(rivals[POPULARITY], rivals=others)
    told = Contestant(version=manifest.version, family=manifest.family, created=manifest.created)
    left_out = result.left_out | {manifest.family: str(why)}
    return result.model_copy(update={"broken_candidate": told, "left_out": left_out})


def _champion(lake: Lake) -> Path | None:
    """The champion's folder, which may be gone; None where there is no champion."""
    champion = releases_of(lake).champion()
    try:
        return artifact_of(lake, champion) if champion else None
    except VersionMissing:
        return artifacts_of(lake) / str(champion)


def _rivals_of(lake: Lake, candidate: Manifest) -> dict[str, Path]:
    """By family the newest version that was made of the candidate's training set, or of its data, but for its own."""
    made = made_of_set(lake, candidate.training_set) | made_of_data(lake, candidate)
    return {family: folder for family, folder in made.items() if family != candidate.family}


def _reporting(context: dg.AssetExecutionContext) -> Callable[[str, int, int], None]:
    """Logs a scorer's progress when it ends, and every few seconds until then."""
    last = monotonic()
    started: dict[tuple[str, int], float] = {}

    def report(scorer: str, done: int, users: int) -> None:
        nonlocal last
        begun = started.setdefault((scorer, users), last)
        now = monotonic()
        if done < users and now - last < SECONDS_BETWEEN_LINES:
            return
        rate = done / max(now - begun, 1e-9)
        left = f", {(users - done) / rate:.0f} s left" if done < users else ""
        context.log.info(f"{scorer}: {done:,} of {users:,} users, {rate:,.0f} users/s{left}")
        last = now

    return report


def _metadata(result: VersionEvaluation) -> dict[str, Any]:
    """What the UI shows: the primary protocol's numbers as floats, which it plots over time, then tables and plots."""
    metadata: dict[str, Any] = {
        "version": result.version,
        "champion": result.champion or "none",
        "cutoff": result.cutoff.isoformat(),
        "users": result.report.users,
        "targets": result.report.targets,
        **_rival_counts(result),
        **{f"{scorer}_left_out": why for scorer, why in result.left_out.items()},
    }
    for part in (OVERALL, COLD, SHORT_HISTORY):
        measure = result.report.measure(result.report.candidate, result.metric, part)
        if measure:
            metadata[plain_name(f"{result.metric} {part}")] = measure.mean
    for protocol, report in result.protocols.items():
        if not report.users:
            metadata[f"{protocol}_metrics"] = "nobody could be asked"
            continue
        metadata[f"{protocol}_metrics"] = dg.MetadataValue.md(metric_table(report))
        metadata[f"{protocol}_cold_items"] = dg.MetadataValue.md(metric_table(report, COLD))
        metadata[f"{protocol}_plot"] = dg.MetadataValue.md(metric_bars(report, result.metric))
        if report.staleness:
            metadata[f"{protocol}_staleness"] = dg.MetadataValue.md(staleness_table(report))
            metadata[f"{protocol}_staleness_plot"] = dg.MetadataValue.md(staleness_plot(report))
    return metadata


def _rival_counts(result: VersionEvaluation) -> dict[str, float]:
    rivals = result.report.rivals
    if rivals is None:
        return {}
    return {
        "rivals_fewest": rivals.fewest,
        "rivals_median": rivals.median,
        "cases_without_rivals": rivals.cases_without,
    }
