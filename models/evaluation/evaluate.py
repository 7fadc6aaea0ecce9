"""Evaluates scorers side by side: same cases, same candidates, same bootstrap resamples."""

import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.evaluation.cases import EvaluationCases
from models.evaluation.intervals import FloatArray, bootstrap
from models.evaluation.metrics import coverage, per_user, reciprocal_rank
from models.evaluation.ranking import Ranking, rank, rivals
from models.evaluation.report import (
    COLD,
    OVERALL,
    SHORT_HISTORY,
    EvaluationReport,
    Measure,
    Measures,
    Rivals,
    Slices,
    Staleness,
)
from models.evaluation.scorer import Catalogue, Scorer
from models.heads.calendar import HOUR_MS

Name = TypeVar("Name", bound=Hashable)

Progress = Callable[[str, int, int], None]
"""Told the scorer's name, the users done and the users in all."""

AGES_IN_HOURS = (1, 6, 24, 48)
"""At which staleness is measured, besides none (Netflix, arXiv 2605.23312, multi-token prediction)."""

SCORES_AT_ONCE = 1 << 25
"""Bounds the memory of a batch: 128 MiB of scores, and a few times that while they are ranked."""

TargetMask = NDArray[np.bool_]


class ScoresError(ValueError):
    """A scorer failed, or returned something that cannot be ranked.

    Args:
        scorer: Its name.
        problem: What is wrong with it.
    """

    def __init__(self, scorer: str, problem: str) -> None:
        super().__init__(f"scorer '{scorer}' {problem}")
        self.scorer = scorer


@dataclass(frozen=True)
class RankingSettings:
    """How lists are scored.

    Attributes:
        ks: List lengths of the metrics.
        resamples: Bootstrap resamples.
        seed: Seed of the bootstrap.
        batch_users: Users scored at once, fewer where the catalogue is large.
    """

    ks: Sequence[int] = (10, 50)
    resamples: int = 1000
    seed: int = 0
    batch_users: int = 256


def standard_slices(cases: EvaluationCases, catalogue: Catalogue, short_history: int) -> dict[str, TargetMask]:
    """The slices of every report, each a (T,) mask of the targets that count in it.

    `cold` counts targets without an interaction in training; `short_history` users with at most `short_history`
    history items. A user counts in a slice if one of their targets does; lists are ranked once, over all candidates.
    """
    short = cases.histories.lengths[cases.target_cases] <= short_history
    return {
        OVERALL: np.ones(len(cases.targets), bool),
        COLD: catalogue.cold[cases.targets],
        SHORT_HISTORY: short,
    }


def evaluate(
    scorers: Sequence[Scorer],
    cases: EvaluationCases,
    catalogue: Catalogue,
    slices: Mapping[str, TargetMask],
    settings: RankingSettings,
    progress: Progress | None = None,
    contestants: Collection[str] = (),
    aged: Collection[str] = (),
) -> EvaluationReport:
    """Ranks the catalogue by every scorer and measures each slice; the first scorer is the candidate.

    Args:
        contestants: Names of the scorers of which every two are compared.
        aged: Names of those that are also asked with states of some hours' age.

    Raises:
        ScoresError: a scorer failed, or gave NaN or a wrong shape; the message names it and the user.
        ValueError: two scorers share a name, or an item of a case is not in the catalogue.
    """
    names = [scorer.name for scorer in scorers]
    if len(set(names)) < len(names) or not names:
        raise ValueError(f"scorers need different names, and at least one scorer; got {names}")
    _check_items(cases, catalogue)
    rankings, seconds = {}, {}
    for scorer in scorers:
        started = time.perf_counter()
        rankings[scorer.name] = _rank_all(scorer, cases, catalogue, settings, progress)
        seconds[scorer.name] = time.perf_counter() - started
    measured: dict[str, Slices] = {name: {} for name in names}
    differences = {}
    for slice_name, counted in slices.items():
        if counted.any():
            numbers, differences[slice_name] = _measure_slice(rankings, cases, catalogue, counted, settings)
            for name in names:
                measured[name][slice_name] = numbers[name]
    return EvaluationReport(
        users=len(cases),
        targets=len(cases.targets),
        items=catalogue.offered,
        rivals=_rivals(cases, catalogue),
        candidate=names[0],
        scorers=measured,
        differences=differences,
        staleness={
            scorer.name: _staleness(scorer, rankings[scorer.name], cases, catalogue, settings, progress)
            for scorer in scorers
            if scorer.name in aged and len(cases)
        },
        paired=_paired({name: rankings[name] for name in names if name in contestants}, cases, settings),
        seconds=seconds,
    )


def _check_items(cases: EvaluationCases, catalogue: Catalogue) -> None:
    largest = max(cases.histories.item_index.max(initial=0), cases.targets.max(initial=0))
    if largest > catalogue.items:
        raise ValueError(f"the cases name item index {largest}, but the catalogue has {catalogue.items} items")


def _rivals(cases: EvaluationCases, catalogue: Catalogue) -> Rivals | None:
    counts = rivals(cases, catalogue)
    return Rivals(fewest=int(counts.min()), median=float(np.median(counts))) if len(counts) else None


def _rank_all(
    scorer: Scorer,
    cases: EvaluationCases,
    catalogue: Catalogue,
    settings: RankingSettings,
    progress: Progress | None,
    age_ms: int = 0,
) -> Ranking:
    """Of states that are so old: the candidates are the same, as who answers knows what was chosen a minute ago."""
    parts, done = [], 0
    for batch in cases.batches(batch_size(catalogue, settings)):
        scores = _scores(scorer, batch.stale(age_ms) if age_ms else batch, catalogue)
        parts.append(rank(scores, batch, catalogue, max(settings.ks)))
        done += len(batch)
        if progress:
            progress(scorer.name, done, len(cases))
    if not parts:
        return Ranking(np.empty(0, np.int64), np.empty((0, max(settings.ks)), np.int32))
    return Ranking(np.concatenate([p.ranks for p in parts]), np.concatenate([p.top for p in parts]))


def _staleness(
    scorer: Scorer,
    fresh: Ranking,
    cases: EvaluationCases,
    catalogue: Catalogue,
    settings: RankingSettings,
    progress: Progress | None,
) -> tuple[Staleness, ...]:
    """From `fresh`, its ranking at no age, on. All ages see the same resamples of users."""
    values, shortened = {0: reciprocal_rank(fresh.ranks, cases.target_offsets)}, {0: 0.0}
    for hours in AGES_IN_HOURS:
        aged = _rank_all(scorer, cases, catalogue, settings, _told_of(progress, hours), hours * HOUR_MS)
        values[hours] = reciprocal_rank(aged.ranks, cases.target_offsets)
        lengths = cases.stale(hours * HOUR_MS).histories.lengths
        shortened[hours] = float((lengths < cases.histories.lengths).mean())
    measured = _measures(values, settings)
    return tuple(Staleness(hours=hours, shortened=shortened[hours], mrr=measured[hours]) for hours in values)


def _told_of(progress: Progress | None, hours: int) -> Progress | None:
    """`progress`, which is told what is asked, too."""
    if progress is None:
        return None
    return lambda scorer, done, users: progress(f"{scorer} of states {hours} h old", done, users)


def batch_size(catalogue: Catalogue, settings: RankingSettings) -> int:
    """How many users are scored at once."""
    return max(1, min(settings.batch_users, SCORES_AT_ONCE // catalogue.items))


def _scores(scorer: Scorer, batch: EvaluationCases, catalogue: Catalogue) -> NDArray[np.float32]:
    try:
        scores = scorer.score(batch)
    except Exception as error:
        raise ScoresError(scorer.name, f"failed: {error}") from error
    expected = (len(batch), catalogue.items + 1)
    if scores.shape != expected:
        raise ScoresError(scorer.name, f"gave scores of shape {scores.shape} where {expected} was asked for")
    bad = np.isnan(scores[:, 1:]).any(axis=1)
    if bad.any():
        raise ScoresError(scorer.name, f"gave NaN for user {batch.user_ids[int(np.argmax(bad))]!r}")
    return scores.astype(np.float32, copy=False)


def _measure_slice(
    rankings: Mapping[str, Ranking],
    cases: EvaluationCases,
    catalogue: Catalogue,
    counted: TargetMask,
    settings: RankingSettings,
) -> tuple[dict[str, Measures], dict[str, Measures]]:
    """Each scorer's numbers on the counted targets, and the candidate's paired differences to the others."""
    counts = np.bincount(cases.target_cases[counted], minlength=len(cases))
    users = counts > 0
    offsets = np.concatenate([[0], np.cumsum(counts[users])])
    values = {name: per_user(ranking.ranks[counted], offsets, settings.ks) for name, ranking in rankings.items()}
    numbers = {name: _measures(by_metric, settings) for name, by_metric in values.items()}
    for name, ranking in rankings.items():
        top = ranking.top[users]
        for k in settings.ks:
            numbers[name][f"coverage@{k}"] = Measure(mean=coverage(top, k, catalogue.offered), n=len(top))
    candidate, *others = values
    differences = {
        other: _measures({m: values[candidate][m] - values[other][m] for m in values[other]}, settings)
        for other in others
    }
    return numbers, differences


def _paired(
    rankings: Mapping[str, Ranking], cases: EvaluationCases, settings: RankingSettings
) -> dict[str, dict[str, Measures]]:
    """The paired differences of every two, over all targets, each pair once."""
    if not len(cases):
        return {}
    values = {name: per_user(ranking.ranks, cases.target_offsets, settings.ks) for name, ranking in rankings.items()}
    names, paired = list(values), {}
    for place, first in enumerate(names[:-1]):
        # One bootstrap for all that one scorer is compared with.
        columns = {
            (other, m): values[first][m] - values[other][m] for other in names[place + 1 :] for m in values[other]
        }
        measured = _measures(columns, settings)
        paired[first] = {other: {m: measured[other, m] for m in values[other]} for other in names[place + 1 :]}
    return paired


def _measures(by_metric: Mapping[Name, FloatArray], settings: RankingSettings) -> dict[Name, Measure]:
    """Means and intervals of per-user values; every call with as many users sees the same resamples."""
    columns = np.stack(list(by_metric.values()), axis=1)
    intervals = bootstrap(columns, settings.resamples, settings.seed)
    return {
        metric: Measure(mean=interval.mean, low=interval.low, high=interval.high, n=interval.n)
        for metric, interval in zip(by_metric, intervals, strict=True)
    }
