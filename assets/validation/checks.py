"""Expectations and their results as Dagster asset checks."""

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg
import polars as pl

from assets.metadata import markdown_table
from assets.validation.expectation import Expectation
from assets.validation.gx_verdicts import NOT_MEASURED
from assets.validation.validation import NOTHING, ExpectationResult
from models.markdown import escaped


def check_specs(asset: str, expectations: Iterable[Expectation]) -> list[dg.AssetCheckSpec]:
    """The checks of `asset`, which the UI thus knows before the first run."""
    return [
        dg.AssetCheckSpec(
            expectation.name,
            asset=asset,
            description=expectation.why,
            blocking=expectation.severity == "block",
        )
        for expectation in expectations
    ]


def check_result(result: ExpectationResult) -> dg.AssetCheckResult:
    """One expectation's result; one that could not be judged is a failure of severity ERROR.

    One that had nothing to judge is no pass: it is a WARN that says "not measured" and stops nothing.
    """
    stops = result.expectation.severity == "block" or result.error is not None
    metadata: dict[str, dg.MetadataValue] = {
        "unexpected_count": dg.MetadataValue.int(result.unexpected),
        "unexpected_percent": dg.MetadataValue.float(result.unexpected_percent),
        "rows": dg.MetadataValue.int(result.rows),
        "measured": dg.MetadataValue.bool(result.measured),
    }
    if result.observed:
        metadata |= _numbers(*result.observed)
    if result.examples.height:
        metadata["examples"] = dg.MetadataValue.md(markdown_table(result.examples))
    return dg.AssetCheckResult(
        check_name=result.expectation.name,
        passed=result.passed and result.measured,
        severity=dg.AssetCheckSeverity.ERROR if stops and not result.unmeasured else dg.AssetCheckSeverity.WARN,
        description=escaped(verdict(result)),
        metadata=metadata,
    )


def _numbers(low: float, high: float) -> dict[str, dg.MetadataValue[Any]]:
    """The value that was judged, or the ends of several: numbers, which the UI plots from run to run."""
    named = {"observed_value": low} if low == high else {"observed_min": low, "observed_max": high}
    return {name: dg.MetadataValue.float(value) for name, value in named.items()}


def verdict(result: ExpectationResult) -> str:
    """The result in one sentence."""
    expectation = result.expectation
    if result.error is not None:
        return f"{expectation.call} could not be judged: {result.error}"
    if result.unmeasured:
        return f"{NOT_MEASURED}: {expectation.unknown or NOTHING}"
    if result.passed:
        return f"{expectation.call} holds for {result.rows} rows"
    broken = f"{expectation.call} is broken by {result.unexpected} of {result.rows} {expectation.batch}"
    if result.observed:
        low, high = result.observed
        broken += f", observed {low:.4g}" if low == high else f", observed {low:.4g} to {high:.4g}"
    return f"{broken}: {expectation.remedy}" if expectation.remedy else broken


def refusal(table: str, blocking: Sequence[ExpectationResult], reasons: pl.DataFrame) -> str:
    """Why nothing was published, in one sentence; `reasons` are the counts of `quarantine.by_reason`."""
    broken = "; ".join(verdict(result) for result in blocking)
    rejected = ", ".join(
        f"{rows} {reason} ({f'in {columns}: ' if columns else ''}{meaning})"
        for reason, rows, columns, meaning in reasons.iter_rows()
    )
    return f"{table} not published, the table is as it was before: {broken}" + (
        f"; put aside: {rejected}" if rejected else ""
    )
