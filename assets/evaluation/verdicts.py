"""What the asset checks ask of an evaluation."""

from dataclasses import dataclass

from assets.evaluation.evaluate_version import ablation_of
from assets.evaluation.plots import cell
from models.evaluation.report import COLD, VersionEvaluation
from models.families.registry import fitted_families

CONTENT_HELPS_COLD_ITEMS = "content_helps_cold_items"

CHECKS = {
    **{f"beats_{name}": f"The model's 95 % interval lies wholly above that of {name}." for name in fitted_families()},
    CONTENT_HELPS_COLD_ITEMS: "On cold items the model is better, user by user, than its ablation without content.",
}


@dataclass(frozen=True)
class Verdict:
    """The answer to one check, with a sentence that holds the numbers.

    Attributes:
        passed: None where nothing was measured, which is not a pass.
    """

    check: str
    passed: bool | None
    sentence: str


def verdicts(evaluation: VersionEvaluation) -> list[Verdict]:
    """The answers to `CHECKS`, on the primary protocol and metric."""
    return [
        *(_clearly_beats(evaluation, family, f"beats_{family}") for family in fitted_families()),
        _content_helps(evaluation),
    ]


def _clearly_beats(evaluation: VersionEvaluation, other: str, check: str) -> Verdict:
    report, metric, candidate = evaluation.report, evaluation.metric, evaluation.report.candidate
    ours, theirs = report.measure(candidate, metric), report.measure(other, metric)
    if other == candidate:
        return Verdict(check, None, f"Not measured: there is no model that could be asked, but {other} alone.")
    if ours is None or theirs is None:
        return Verdict(check, None, f"Not measured: {_why_not(evaluation, other)}.")
    sentence = f"{metric}: {candidate} {cell(ours)}, {other} {cell(theirs)}, {ours.n} users."
    passed = ours.clearly_above(theirs)
    if not passed and ours.mean > theirs.mean:
        sentence += f" {candidate} is ahead, but the intervals overlap: chance may explain it."
    return Verdict(check, passed, sentence)


def _why_not(evaluation: VersionEvaluation, other: str) -> str:
    if other in evaluation.left_out:
        return f"{other} is left out ({evaluation.left_out[other]})"
    if not evaluation.report.users:
        return f"there is nobody to ask ({evaluation.primary_protocol})"
    return (
        f"there is no {evaluation.metric} of {other} on the training set of {evaluation.version}; materialize "
        "`simple_models` and `evaluation` again"
    )


def _content_helps(evaluation: VersionEvaluation) -> Verdict:
    metric = evaluation.metric
    gain = evaluation.report.difference(ablation_of(evaluation.report.candidate), metric, COLD)
    if gain is None or gain.low is None:
        return Verdict(CONTENT_HELPS_COLD_ITEMS, None, f"Not measured: {_why_no_gain(evaluation)}.")
    sentence = f"{metric} on cold items, with content minus without: {cell(gain)}, {gain.n} users."
    return Verdict(CONTENT_HELPS_COLD_ITEMS, gain.low > 0, sentence)


def _why_no_gain(evaluation: VersionEvaluation) -> str:
    ablation = ablation_of(evaluation.report.candidate)
    if ablation in evaluation.left_out:
        return f"the ablation without content is left out ({evaluation.left_out[ablation]})"
    if ablation not in evaluation.report.scorers:
        return "the version has no ablation without content (`training.train_ablation`)"
    return "no target is cold, each was seen in training"
