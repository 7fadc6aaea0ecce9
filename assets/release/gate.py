"""The release gate: which of tonight's versions becomes champion, if any, and why.

A night makes versions of several families: the model that the run trained (the candidate), and simple ones, popularity
among them. Together with the champion, which is asked anew on the same cases, they are the contestants.

1. A protocol counts if it has cases of at least `min_users` users. The primary protocol decides if it counts, else the
   other one. Where none counts, numbers decide nothing (`_without_numbers`).
2. A contestant is beaten where another one is clearly better: the 95 % interval of their paired difference lies wholly
   above 0 on one protocol that counts, and wholly below 0 on none. What is beaten is not released.
3. A champion that is not beaten stays, but for a newer version of its own family that is no worse in the mean. The
   interval does not count there: between two nights of one model it nearly always holds 0, so to ask for more would
   keep the oldest version, which knows no new item, and to ask for less would lose a little night by night.
   A version of another family must be clearly better: noise switches no families.
4. A champion that is beaten gives way to the best of those that are not beaten, and among them of those that are
   clearly better than it or newer and no worse. A first night's best becomes champion likewise. The best is never far
   behind: where protocols contradict each other, it keeps most of the best mean on the one where it keeps least.
5. A champion that cannot be asked, as it has seen the answers or does not load, locks nobody out: the newest version of
   its family stands in for it by rules 3 and 4, else popularity. But a version that was made before it does not.
"""

from pydantic import Field

from assets.evaluation.evaluate_version import POPULARITY
from assets.release import reasons
from assets.release.contest import Contest
from assets.release.settings import ReleaseSettings
from models.evaluation.report import VersionEvaluation
from models.families.registry import fitted_families
from models.strict import Strict


class Decision(Strict):
    """What the gate says of one night."""

    promoted: str | None = Field(default=None, description="The version that becomes champion; null: all stays.")
    reason: str = Field(description="Who is champion and why: one sentence with the numbers.")
    refused: str | None = Field(default=None, description="The run's candidate, where it does not become champion.")
    refusal: str = Field(default="", description="Why it does not, and what to do about it.")
    numbers: dict[str, float] = Field(default_factory=dict, description="The numbers behind the decision.")
    verdicts: dict[str, str] = Field(default_factory=dict, description="Contestant to what became of it.")


def decide(evaluation: VersionEvaluation, champion: str | None, settings: ReleaseSettings) -> Decision:
    """Decides among the contestants of `evaluation`.

    Args:
        evaluation: That of the run's candidate.
        champion: The champion in place; None where there is none.
        settings: The profile's gate.
    """
    contest = Contest(evaluation, settings, champion)
    if contest.candidate not in contest.contestants or not _took_part(contest):
        return _unjudged(contest, reasons.evaluate_again(contest))
    if _is_older(contest):
        return _unjudged(contest, reasons.older(contest))
    holder = _holder(contest)
    winner, why = (_by_numbers if contest.protocols else _without_numbers)(contest, holder)
    return _decision(contest, holder, winner, why)


def decide_by_hand(version: str, versions: list[str], champion: str | None, why: str) -> Decision:
    """A person's decision to promote `version`, of whatever family, without the gate.

    Raises:
        ValueError: there is no such version among `versions`.
    """
    if version not in versions:
        raise ValueError(f"version {version} is not among the artifacts {versions}: name one of them")
    if version == champion:
        return Decision(reason=f"{version} is the champion already.")
    return Decision(promoted=version, reason=f"{version} was promoted by hand: {why}")


def _took_part(contest: Contest) -> bool:
    """Whether the evaluation knows of the champion, even if it could not be asked."""
    champion, evaluation = contest.champion, contest.evaluation
    known = {evaluation.broken_champion, evaluation.incumbent.version if evaluation.incumbent else None}
    return champion is None or contest.scorer_of(champion) is not None or champion in known


def _is_older(contest: Contest) -> bool:
    """Whether the champion could not be asked, and the candidate was made before it: no new night's version."""
    champion, incumbent = contest.champion, contest.evaluation.incumbent
    if champion is None or contest.scorer_of(champion) or champion == contest.evaluation.broken_champion:
        return False
    return incumbent is not None and contest.contestants[contest.candidate].created < incumbent.created


def _holder(contest: Contest) -> str | None:
    """The champion, or who stands in for one that cannot be asked; None where there is neither."""
    if contest.champion is None:
        return None
    return contest.scorer_of(contest.champion) or contest.of_family(_family(contest)) or contest.of_family(POPULARITY)


def _family(contest: Contest) -> str | None:
    """The champion's family; None where nothing tells."""
    scorer, incumbent = contest.scorer_of(contest.champion), contest.evaluation.incumbent
    return contest.family(scorer) if scorer else incumbent.family if incumbent else None


def _by_numbers(contest: Contest, holder: str | None) -> tuple[str, str]:
    """The scorer that is champion from now on, and why."""
    unbeaten = contest.unbeaten()
    if holder is None:
        return contest.best(unbeaten), reasons.first(contest)
    others = [scorer for scorer in unbeaten if scorer != holder]
    successors = [scorer for scorer in others if contest.lead(scorer, holder) or contest.freshens(scorer, holder)]
    if successors:
        winner = contest.best(successors)
        return winner, reasons.succeeds(contest, winner, holder)
    if holder in unbeaten:
        return holder, reasons.stays(contest, holder)
    return contest.best(unbeaten), reasons.beaten(contest, holder)


def _without_numbers(contest: Contest, holder: str | None) -> tuple[str | None, str]:
    """The same where too few users were asked; None where a champion stays that was not asked.

    Popularity is the first champion. Later the champion stays, as nothing is known against it; but where its family is
    counted and not trained, tonight's version follows: it cannot have gone wrong, and knows more. A champion that does
    not load gives way to whoever stands in for it.
    """
    popularity = contest.of_family(POPULARITY) or contest.candidate
    if contest.champion is None:
        return popularity, reasons.floor(contest)
    if contest.champion == contest.evaluation.broken_champion:
        return holder or popularity, reasons.broken(contest)
    family = _family(contest)
    counted = contest.of_family(family) if family in fitted_families() else None
    if counted and contest.version(counted) != contest.champion:
        return counted, reasons.counted_anew(contest, counted)
    return contest.scorer_of(contest.champion), reasons.too_few(contest)


def _decision(contest: Contest, holder: str | None, winner: str | None, why: str) -> Decision:
    version = contest.version(winner) if winner else contest.champion
    candidate = contest.version(contest.candidate)
    promoted = version if version != contest.champion else None
    refused = candidate if candidate not in (version, contest.champion) else None
    verdicts = {scorer: reasons.verdict(contest, scorer, holder, winner) for scorer in contest.contestants}
    broken = contest.evaluation.broken_candidate
    if broken:
        refused, refusal = broken.version, reasons.broken_candidate(contest, broken)
    else:
        refusal = reasons.refusal(contest, holder, verdicts[contest.candidate]) if refused else ""
    return Decision(
        promoted=promoted,
        reason=reasons.outcome(contest, winner, why),
        refused=refused,
        refusal=refusal,
        numbers=reasons.numbers(contest, holder, winner),
        verdicts=verdicts,
    )


def _unjudged(contest: Contest, why: str) -> Decision:
    """Nothing changes, and the candidate is refused unless it is the champion."""
    version, champion = contest.evaluation.version, contest.champion
    if version == champion:
        return Decision(reason=f"{version} is the champion already.")
    reason = f"{champion} stays champion." if champion else "There is no champion yet."
    return Decision(reason=reason, refused=version, refusal=f"{version} is not released: {why}.")
