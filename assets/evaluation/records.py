"""The Delta table of every evaluation, for comparing versions over time."""

import polars as pl

from models.evaluation.report import EvaluationReport, Slices, VersionEvaluation
from storage.lake import Lake
from storage.schema import EVALUATIONS_TABLE, TIME, Schema

EVALUATIONS_SCHEMA: Schema = {
    "version": pl.String(),
    "cutoff": TIME,
    "protocol": pl.String(),
    "scorer": pl.String(),
    "slice": pl.String(),
    "metric": pl.String(),
    "mean": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "users": pl.Int64(),
}


def rows(evaluation: VersionEvaluation) -> pl.DataFrame:
    """The numbers as a table: one row per protocol, scorer, slice and metric.

    With states of some hours' age, MRR stands in slices such as `stale_24h`.
    """
    return pl.DataFrame(
        [
            (evaluation.version, evaluation.cutoff, protocol, scorer, part, metric, m.mean, m.low, m.high, m.n)
            for protocol, report in evaluation.protocols.items()
            for scorer, slices in _slices(report).items()
            for part, measures in slices.items()
            for metric, m in measures.items()
        ],
        schema=EVALUATIONS_SCHEMA,
        orient="row",
    )


def _slices(report: EvaluationReport) -> dict[str, Slices]:
    aged = {
        scorer: {f"stale_{point.hours}h": {"mrr": point.mrr} for point in points if point.hours}
        for scorer, points in report.staleness.items()
    }
    return {scorer: slices | aged.get(scorer, {}) for scorer, slices in report.scorers.items()}


def record(lake: Lake, evaluation: VersionEvaluation) -> int:
    """Puts the numbers of this version in place of its earlier ones; returns the table's new version."""
    fresh = rows(evaluation)
    if lake.exists(EVALUATIONS_TABLE):
        kept = lake.scan(EVALUATIONS_TABLE).filter(pl.col("version") != evaluation.version).collect()
        fresh = pl.concat([kept, fresh])
    return lake.overwrite(EVALUATIONS_TABLE, fresh)
