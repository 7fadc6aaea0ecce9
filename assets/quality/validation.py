"""Runs expectations with Great Expectations and, exactly, with Polars."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.quality.expectation import Batch, Expectation

SAMPLE_SEED = 0
EXAMPLES = 5
GX_SEVERITY = {"block": "critical", "warn": "warning"}


@dataclass(frozen=True)
class ExpectationResult:
    """What came of one expectation.

    Attributes:
        passed: Great Expectations was content, and no row at all breaks the rule.
        observed: What Great Expectations saw, as text; empty where it only counts.
        rows: Rows judged.
        unexpected: Rows that break the rule, counted over all of them.
        examples: The first few of those.
        sampled_rows: Rows that Great Expectations was given; fewer than `rows` where it had a sample.
        error: The exception inside Great Expectations, or None.
    """

    expectation: Expectation
    passed: bool
    observed: str
    rows: int
    unexpected: int
    examples: pl.DataFrame
    sampled_rows: int
    error: str | None

    @property
    def unexpected_percent(self) -> float:
        return 100.0 * self.unexpected / self.rows if self.rows else 0.0

    @property
    def blocks(self) -> bool:
        """Whether data with this result must not be published; a check that could not be made cannot let it pass."""
        return not self.passed and (self.expectation.severity == "block" or self.error is not None)


@dataclass(frozen=True)
class Validation:
    """The results of a suite in its order, and Great Expectations' own result, which Data Docs are made of."""

    results: list[ExpectationResult]
    report: Any

    @property
    def blocking(self) -> list[ExpectationResult]:
        return [result for result in self.results if result.blocks]


def validate(
    table: str, batches: Mapping[Batch, pl.DataFrame], expectations: Sequence[Expectation], max_rows: int
) -> Validation:
    """Judges each of `expectations` on its batch.

    Args:
        table: Name of the suite.
        batches: The frames to judge; their columns are scalars.
        expectations: The suite.
        max_rows: Great Expectations sees at most so many rows of a batch, a fixed sample of them.
    """
    samples = {batch: _sample(frame, max_rows) for batch, frame in batches.items()}
    verdicts: dict[str, Any] = {}
    for batch, sample in samples.items():
        verdicts |= _great_expectations(table, sample, [e for e in expectations if e.batch == batch])
    results = [_result(e, verdicts[e.name], batches[e.batch], samples[e.batch].height) for e in expectations]
    return Validation(results, _report(table, [verdicts[e.name] for e in expectations]))


def _sample(frame: pl.DataFrame, max_rows: int) -> pl.DataFrame:
    return frame if frame.height <= max_rows else frame.sample(max_rows, seed=SAMPLE_SEED)


def _great_expectations(table: str, frame: pl.DataFrame, expectations: Sequence[Expectation]) -> dict[str, Any]:
    """Great Expectations' result for each expectation, by check name."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    suite = gx.ExpectationSuite(table, expectations=[_gx_expectation(e) for e in expectations])
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset(table)
    batch = asset.add_batch_definition_whole_dataframe("all")
    report: Any = batch.get_batch(batch_parameters={"dataframe": frame.to_pandas()}).validate(suite)
    return {result.expectation_config.meta["check"]: result for result in report.results}


def _gx_expectation(expectation: Expectation) -> Any:
    from great_expectations.expectations.registry import get_expectation_impl

    implementation: Any = get_expectation_impl(expectation.type)
    return implementation(
        **expectation.arguments,
        severity=GX_SEVERITY[expectation.severity],
        notes=expectation.why,
        meta={"check": expectation.name},
    )


def _result(expectation: Expectation, verdict: Any, frame: pl.DataFrame, sampled_rows: int) -> ExpectationResult:
    error = _exception(verdict.exception_info)
    broken = frame.head(0) if error else frame.filter(expectation.violation)
    return ExpectationResult(
        expectation=expectation,
        passed=bool(verdict.success) and broken.is_empty() and error is None,
        observed=str(verdict.result.get("observed_value", "")),
        rows=frame.height,
        unexpected=broken.height,
        examples=broken.head(EXAMPLES),
        sampled_rows=sampled_rows,
        error=error,
    )


def _exception(info: Mapping[str, Any]) -> str | None:
    """Great Expectations gives one exception, or one for each metric that it could not compute."""
    for found in (info, *(value for value in info.values() if isinstance(value, Mapping))):
        if found.get("raised_exception"):
            return str(found.get("exception_message") or "unknown error")
    return None


def _report(table: str, verdicts: Sequence[Any]) -> Any:
    from great_expectations.core import ExpectationSuiteValidationResult

    passed = sum(bool(verdict.success) for verdict in verdicts)
    return ExpectationSuiteValidationResult(
        success=passed == len(verdicts),
        results=list(verdicts),
        suite_name=table,
        statistics={
            "evaluated_expectations": len(verdicts),
            "successful_expectations": passed,
            "unsuccessful_expectations": len(verdicts) - passed,
            "success_percent": 100.0 * passed / len(verdicts) if verdicts else 100.0,
        },
    )
