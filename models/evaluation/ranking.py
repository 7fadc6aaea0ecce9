"""Full-catalogue ranking: where each target stands among all items that could have been recommended."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.cases import EvaluationCases, IntArray
from models.evaluation.scorer import Catalogue
from models.top_k import top_k_of_each

MISSED = np.iinfo(np.int64).max
"""The rank of a target that the vocabulary does not know."""

COMPARISONS_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class Ranking:
    """The outcome of one scorer.

    Attributes:
        ranks: (T,) int64, from 1: the rank of each target in its user's list.
        top: (B, K) int32 indices of the best K items, best first; 0 where there are fewer candidates.
    """

    ranks: IntArray
    top: NDArray[np.int32]


def rank(scores: NDArray[np.float32], cases: EvaluationCases, catalogue: Catalogue, k: int) -> Ranking:
    """Ranks the targets of `cases` by `scores` (B, n+1).

    Candidates are all items but those in the user's history (unless `cases.repeats`), those not yet available at the
    request, those gone by then, and unknown ones; a target is always a candidate. Ties are broken against the targets:
    an item with the same score stands before them, so that a constant scorer gets the worst rank. Among themselves tied
    targets keep their order. The list itself has ties in order of their indices, as the endpoint has them.
    """
    excluded = excluded_from(cases, catalogue)
    rivals = scores.copy()
    top = top_k_of_each(scores, ~excluded, min(k, catalogue.items)).astype(np.int32)
    rivals[excluded] = np.nan
    # A comparison with NaN is false, which leaves targets and excluded items out of the counts below.
    rivals[cases.target_cases, cases.targets] = np.nan
    target_scores = scores[cases.target_cases, cases.targets]
    ranks = 1 + _rivals_ahead(rivals, target_scores, cases) + _targets_ahead(target_scores, cases)
    return Ranking(np.where(cases.targets == 0, MISSED, ranks), top)


def rivals(cases: EvaluationCases, catalogue: Catalogue) -> IntArray:
    """(B,) how many candidates each case has besides its targets; without any there is nothing to rank."""
    counts = [
        catalogue.items + 1 - excluded_from(part, catalogue).sum(axis=1) - np.bincount(known, minlength=len(part))
        for part in cases.batches(max(1, COMPARISONS_AT_ONCE // catalogue.items))
        for known in [part.target_cases[part.targets > 0]]
    ]
    return np.concatenate([np.empty(0, np.int64), *counts])


def excluded_from(cases: EvaluationCases, catalogue: Catalogue) -> NDArray[np.bool_]:
    """(B, n+1) true where an item is not a candidate."""
    excluded: NDArray[np.bool_] = catalogue.available_from > cases.request_times[:, None]
    if catalogue.gone_from is not None:
        excluded |= catalogue.gone_from <= cases.request_times[:, None]
    if catalogue.known is not None:
        excluded |= ~catalogue.known
    if not cases.repeats:
        excluded[cases.history_cases, cases.histories.item_index] = True
    excluded[cases.target_cases, cases.targets] = False
    excluded[:, 0] = True
    return excluded


def _rivals_ahead(rivals: NDArray[np.float32], target_scores: NDArray[np.float32], cases: EvaluationCases) -> IntArray:
    """(T,) candidates that are not targets of the user and score at least as high as the target."""
    ahead = np.empty(len(target_scores), np.int64)
    step = max(1, COMPARISONS_AT_ONCE // rivals.shape[1])
    for start in range(0, len(target_scores), step):
        part = slice(start, start + step)
        ahead[part] = (rivals[cases.target_cases[part]] >= target_scores[part, None]).sum(axis=1)
    return ahead


def _targets_ahead(target_scores: NDArray[np.float32], cases: EvaluationCases) -> IntArray:
    """(T,) other targets of the same user with a higher score, or an equal one and an earlier place."""
    order = np.lexsort((-target_scores, cases.targets == 0, cases.target_cases))
    ahead = np.empty(len(order), np.int64)
    ahead[order] = np.arange(len(order)) - cases.target_offsets[cases.target_cases[order]]
    return ahead
