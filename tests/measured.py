"""Numbers of evaluation reports that a test is sure of."""

from models.evaluation.report import EvaluationReport, Measure


def measured(report: EvaluationReport, scorer: str, metric: str, of: str = "overall") -> Measure:
    """What the report says of a scorer; fails where it says nothing."""
    found = report.measure(scorer, metric, of)
    assert found is not None, f"the report has no {metric} of {scorer} ({of})"
    return found
