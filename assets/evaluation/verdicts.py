"""What the asset checks ask of an evaluation."""

from dataclasses import dataclass

from assets.evaluation.evaluate_version import REFERENCE, ablation_of
from assets.evaluation.plots import cell
from models.evaluation.report import COLD, VersionEvaluation
from models.families.registry import fitted_families

CONTENT_HELPS_COLD_ITEMS = "content_helps_cold_items"

KEEPS_UP = "keeps_up_with_training_from_scratch"

FURTHEST_BEHIND = 0.01
"""A version that was trained on from others may be so far behind the one from scratch, in its metric."""

CHECKS = {
    **{f"beats_{name}": f"The model's 95 % interval lies wholly above that of {name}." for name in fitted_families()},
    CONTENT_HELPS_COLD_ITEMS: "On cold items the model is better, user by user, than its ablation without content.",
    KEEPS_UP: "A version that was trained on from others is not clearly worse than the last one from scratch, by more "
    f"than {FURTHEST_BEHIND:.0%}.",
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
        _keeps_up(evaluation),
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


def _keeps_up(evaluation: VersionEvaluation) -> Verdict:
    """Whether the chain of nights that ends with the version has lost what training from scratch knew."""
    metric, nights = evaluation.metric, len(evaluation.ancestors)
    if not nights:
        return Verdict(KEEPS_UP, True, f"{evaluation.version} was trained from scratch.")
    behind = evaluation.report.difference(REFERENCE, metric)
    theirs = evaluation.report.measure(REFERENCE, metric)
    if behind is None or behind.high is None or theirs is None:
        why = evaluation.left_out.get(REFERENCE, f"{evaluation.ancestors[-1]}, which was, could not be asked")
        return Verdict(KEEPS_UP, None, f"Not measured: {why}; run the job `full_train` for a new one.")
    sentence = (
        f"{metric} of {evaluation.version}, {nights} nights after training from scratch, minus that of the last "
        f"version from scratch on the same cases: {cell(behind)}, {behind.n} users; that one has {cell(theirs)}."
    )
    passed = behind.high >= -FURTHEST_BEHIND * theirs.mean
    if not passed:
        sentence += " The nights have fallen behind: run the job `full_train`, and by its schedule more often."
    return Verdict(KEEPS_UP, passed, sentence)
