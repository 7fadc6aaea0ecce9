"""Great Expectations judges counts that Polars made.

An expectation of Great Expectations names the metrics it needs, such as `column_values.between.unexpected_count`, and
judges whatever engine computed them. Its own engines compute them from pandas, Spark or SQL; here Polars answers, and
rule, verdict and page stay those of Great Expectations.
"""

import gc
import html
import os
import sys
from collections.abc import Sequence
from typing import Any

import polars as pl
import polars.selectors as cs

from assets.metadata import ANONYMOUS
from assets.validation.counting import Counts
from assets.validation.expectation import Expectation
from models.columns import USER_ID

GX_SEVERITY = {"block": "critical", "warn": "warning"}
NOT_MEASURED = "not measured"
RESULT_FORMAT = {"result_format": "BASIC"}


def gx_verdict(expectation: Expectation, counts: Counts) -> Any:
    """Great Expectations' `ExpectationValidationResult` for `counts`; an exception stands in it and fails it."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    rule = _rule(expectation)
    if counts.error is not None:
        return _failed(rule, counts.error)
    try:
        needed = rule.get_validation_dependencies(runtime_configuration=dict(RESULT_FORMAT)).metric_configurations
        metrics = {metric.id: _answer(name, expectation, counts) for name, metric in needed.items()}
        return rule.metrics_validate(metrics, runtime_configuration=dict(RESULT_FORMAT))
    except Exception as error:  # a check that could not be made must be seen as failed, whatever the reason
        return _failed(rule, f"{type(error).__name__}: {error}")


def report(table: str, verdicts: Sequence[Any]) -> Any:
    """The verdicts on one table as Great Expectations' `ExpectationSuiteValidationResult`."""
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


def not_measured(verdict: Any, why: str) -> Any:
    """`verdict` as a page tells it: there was nothing to be content with."""
    from great_expectations.core import ExpectationValidationResult

    return ExpectationValidationResult(
        success=True,
        expectation_config=verdict.expectation_config,
        result={"observed_value": f"{NOT_MEASURED}: {why}"},
        exception_info=verdict.exception_info,
    )


def import_great_expectations() -> None:
    """Imports the library, which registers its expectations.

    What it makes stays as long as the process. The garbage collector would walk half a million objects again and again
    while they are made.
    """
    if "great_expectations" in sys.modules:
        return
    collects = gc.isenabled()
    gc.disable()
    try:
        import great_expectations  # noqa: F401
    finally:
        if collects:
            gc.enable()


def _rule(expectation: Expectation) -> Any:
    import_great_expectations()
    from great_expectations.expectations.registry import get_expectation_impl

    implementation: Any = get_expectation_impl(expectation.type)
    return implementation(
        **expectation.arguments,
        severity=GX_SEVERITY[expectation.severity],
        notes=expectation.why,
        meta={"check": expectation.name},
    )


def _answer(metric: str, expectation: Expectation, counts: Counts) -> Any:
    """The value of one metric.

    Raises:
        ValueError: a kind of expectation asks for a metric that Polars did not count.
    """
    if metric == "table.row_count":
        return counts.rows
    if metric == "column_values.nonnull.unexpected_count" and "not_be_null" not in expectation.type:
        return counts.ignored
    if metric.endswith(".filtered_row_count"):
        return counts.rows - counts.ignored
    if metric.endswith(".unexpected_count"):
        return counts.unexpected
    if metric.endswith(".unexpected_values"):
        return _values(expectation, counts)
    raise ValueError(f"{expectation.type} asks for {metric}, which is not counted: give it a branch here")


def _values(expectation: Expectation, counts: Counts) -> list[Any]:
    """Examples as the pages take them, which is as HTML."""
    if not counts.examples.height:
        return []
    examples = counts.examples.select(expectation.columns)
    texts = examples.select(cs.string()).columns
    examples = examples.with_columns(pl.Series(name, _as_html(examples[name])) for name in texts)
    if examples.width == 1:
        return examples.to_series().to_list()
    # The pages stay; an id in them would outlive the person's being forgotten.
    return [row | ({USER_ID: ANONYMOUS} if row.get(USER_ID) is not None else {}) for row in examples.to_dicts()]


def _as_html(texts: pl.Series) -> list[str | None]:
    return [None if text is None else html.escape(text) for text in texts]


def _failed(rule: Any, message: str) -> Any:
    from great_expectations.core import ExpectationValidationResult

    raised = {"raised_exception": True, "exception_traceback": "", "exception_message": message}
    return ExpectationValidationResult(
        success=False, expectation_config=rule.configuration, result={}, exception_info=raised
    )
