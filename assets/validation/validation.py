"""Runs expectations: Polars counts over all rows, Great Expectations judges the counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.validation.counting import Counts, count
from assets.validation.expectation import Batch, Expectation
from assets.validation.gx_verdicts import gx_verdict, not_measured, report

NOTHING = "there was nothing to judge"


@dataclass(frozen=True)
class ExpectationResult:
    """What came of one expectation.

    Attributes:
        passed: Great Expectations was content with the counts.
        observed: Lowest and highest of the values that were judged; None of rows, which are too many, and of none.
        rows: Rows judged.
        unexpected: Rows that break the rule.
        measured: Whether there was anything to judge: a summary has no value where a question could not be asked.
        examples: The first few of those.
        error: Why it could not be judged, or None.
    """

    expectation: Expectation
    passed: bool
    observed: tuple[float, float] | None
    rows: int
    unexpected: int
    examples: pl.DataFrame
    error: str | None
    measured: bool = True

    @property
    def unexpected_percent(self) -> float:
        return 100.0 * self.unexpected / self.rows if self.rows else 0.0

    @property
    def unmeasured(self) -> bool:
        """Whether nothing broke the rule because nothing could have."""
        return self.passed and not self.measured

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
    table: str,
    batches: Mapping[Batch, pl.LazyFrame | pl.DataFrame],
    expectations: Sequence[Expectation],
    counted: Mapping[str, Counts] | None = None,
) -> Validation:
    """Judges each of `expectations` on its batch, every row of it, in memory that does not grow with the batch.

    Args:
        table: Name of the suite.
        batches: The frames to judge; their columns are scalars.
        expectations: The suite.
        counted: By name, what is to be judged of expectations whose batch was counted before, part by part.

    Raises:
        ValueError: two expectations have one name.
    """
    names = [e.name for e in expectations]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the suite of '{table}' has two checks '{twice}': their results could not be told apart")
    counts = dict(counted or {})
    for batch, frame in batches.items():
        counts |= count(frame.lazy(), [e for e in expectations if e.batch == batch])
    verdicts = [gx_verdict(e, counts[e.name]) for e in expectations]
    results = [
        _result(e, verdict, counts[e.name], _observed(e, batches.get(e.batch)))
        for e, verdict in zip(expectations, verdicts, strict=True)
    ]
    shown = [
        not_measured(verdict, result.expectation.unknown or NOTHING) if result.unmeasured else verdict
        for verdict, result in zip(verdicts, results, strict=True)
    ]
    return Validation(results, report(table, shown))


def _result(
    expectation: Expectation, verdict: Any, counts: Counts, observed: tuple[float, float] | None
) -> ExpectationResult:
    raised = verdict.exception_info
    return ExpectationResult(
        expectation=expectation,
        passed=bool(verdict.success),
        observed=observed,
        rows=counts.rows,
        unexpected=counts.unexpected,
        examples=counts.examples,
        error=str(raised["exception_message"]) if raised["raised_exception"] else None,
        measured=expectation.batch == "rows" or counts.ignored < counts.rows,
    )


def _observed(expectation: Expectation, frame: pl.LazyFrame | pl.DataFrame | None) -> tuple[float, float] | None:
    column = expectation.columns[0]
    if frame is None or expectation.batch == "rows" or column not in frame.lazy().collect_schema():
        return None
    values = frame.lazy().select(pl.col(column).drop_nulls().cast(pl.Float64)).collect()[column]
    return None if values.is_empty() else (values.min(), values.max())  # type: ignore[return-value]
