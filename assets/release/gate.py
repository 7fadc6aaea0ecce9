"""The release gate: whether a version may become champion, and why."""

from math import isfinite

from pydantic import Field

from assets.evaluation.evaluate_version import CHAMPION, POPULARITY
from assets.evaluation.plots import cell
from assets.release.settings import ReleaseSettings
from models.evaluation.report import VersionEvaluation
from models.strict import Strict


class Decision(Strict):
    """What the gate says of one version."""

    version: str = Field(description="The version in question.")
    promote: bool = Field(description="Whether it becomes champion.")
    reason: str = Field(description="One sentence with the numbers.")
    numbers: dict[str, float] = Field(default_factory=dict, description="The numbers behind the reason.")


def decide(evaluation: VersionEvaluation, champion: str | None, settings: ReleaseSettings) -> Decision:
    """Decides on `evaluation.version`.

    The first version must beat popularity, a later one the champion, each by strictly more than the margin in the mean
    of the per-user differences on the same cases. A missing or non-finite number never promotes. A champion that can no
    longer score counts as beaten; then popularity is what is to be beaten, as for a first version.

    Args:
        evaluation: The version's evaluation.
        champion: The champion in place; None where there is none.
        settings: The profile's gate.
    """
    version = evaluation.version
    if version == champion:
        return Decision(version=version, promote=False, reason=f"{version} is the champion already.")
    why = evaluation.left_out.get(CHAMPION)
    if champion and champion == evaluation.broken_champion:
        decision = _compare(evaluation, POPULARITY, POPULARITY, settings)
        reason = f"{decision.reason} The champion {champion} is broken and counts as beaten: {why}."
        return decision.model_copy(update={"reason": reason})
    if champion and evaluation.champion != champion:
        because = f": {why}" if why else ""
        return _stays_back(version, f"it was not evaluated on the same cases as the champion {champion}{because}")
    opponents = {CHAMPION: f"champion {champion}"} if champion else {}
    if settings.must_beat_popularity or not champion:
        opponents[POPULARITY] = POPULARITY
    decisions = [_compare(evaluation, opponent, title, settings) for opponent, title in opponents.items()]
    return next((decision for decision in decisions if not decision.promote), decisions[0])


def decide_by_hand(version: str, versions: list[str], champion: str | None, why: str) -> Decision:
    """A person's decision to promote `version` without the gate.

    Raises:
        ValueError: there is no such version among `versions`.
    """
    if version not in versions:
        raise ValueError(f"version {version} is not among the artifacts {versions}: name one of them")
    if version == champion:
        return Decision(version=version, promote=False, reason=f"{version} is the champion already.")
    return Decision(version=version, promote=True, reason=f"{version} was promoted by hand: {why}")


def _compare(evaluation: VersionEvaluation, opponent: str, title: str, settings: ReleaseSettings) -> Decision:
    version, report, metric = evaluation.version, evaluation.report, settings.metric
    ours, theirs = report.measure(report.candidate, metric), report.measure(opponent, metric)
    difference = report.difference(opponent, metric)
    if ours is None or theirs is None or difference is None:
        return _stays_back(version, f"its evaluation does not compare it with {title} on {metric}")
    if not all(map(isfinite, (ours.mean, theirs.mean, difference.mean))):
        return _stays_back(version, f"{metric} against {title} is not a finite number")
    wins = difference.mean > settings.margin
    reason = (
        f"{version} {'beats' if wins else 'does not beat'} {title} on {metric} "
        f"({evaluation.primary_protocol}, {ours.n} users): "
        f"{ours.mean:.4f} against {theirs.mean:.4f}, difference {cell(difference)}, "
        f"{'more' if wins else 'not more'} than the margin {settings.margin:g}"
        f"{', though chance may explain it' if wins and difference.low is not None and difference.low <= 0 else ''}."
    )
    numbers = {metric: ours.mean, f"{opponent} {metric}": theirs.mean, "difference": difference.mean}
    return Decision(version=version, promote=wins, reason=reason, numbers=numbers)


def _stays_back(version: str, why: str) -> Decision:
    return Decision(version=version, promote=False, reason=f"{version} stays back: {why}.")
