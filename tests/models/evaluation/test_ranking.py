from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.ranking import MISSED, rank, rivals
from models.evaluation.scorer import Catalogue
from tests.models.evaluation.worlds import Case, make_cases, make_catalogue

ITEMS = 7


def ranks(scores: list[float], case: Case, later: tuple[int, ...] = ()) -> list[int]:
    table = np.array([[9.0, *scores]], np.float32)
    return rank(table, make_cases([case]), make_catalogue(len(scores), later=later), 3).ranks.tolist()


def test_a_target_is_ranked_among_the_items_not_in_the_history() -> None:
    scores = [0.9, 0.8, 0.7, 0.6]
    assert ranks(scores, ([], [4])) == [4]
    assert ranks(scores, ([1, 2, 2, 0], [4])) == [2]


def test_items_that_come_later_are_no_rivals_unless_they_are_targets() -> None:
    scores = [0.9, 0.8, 0.7, 0.6]
    assert ranks(scores, ([], [3]), later=(1,)) == [2]
    assert ranks(scores, ([], [1, 3]), later=(1,)) == [1, 3]


def test_an_item_is_a_candidate_from_the_very_moment_it_becomes_available() -> None:
    cases = make_cases([([], [2])], request_time=1_000)
    at, after = (Catalogue(np.array([0, time, 0]), np.zeros(3, bool)) for time in (1_000, 1_001))
    scores = np.array([[0.0, 0.9, 0.5]], np.float32)
    assert rank(scores, cases, at, 1).ranks.tolist() == [2]
    assert rank(scores, cases, after, 1).ranks.tolist() == [1]


def test_an_item_is_no_candidate_from_the_moment_on_at_which_it_is_gone() -> None:
    cases = make_cases([([], [2])], request_time=1_000)
    none, there = np.zeros(3, np.int64), np.zeros(3, bool)
    before, at, target = (
        Catalogue(none, there, gone_from=np.array(times)) for times in ([0, 1_001, 9_999], [0, 1_000, 9_999], [0, 0, 0])
    )
    scores = np.array([[0.0, 0.9, 0.5]], np.float32)
    assert rank(scores, cases, before, 1).ranks.tolist() == [2]
    assert rank(scores, cases, at, 1).ranks.tolist() == [1]
    assert rank(scores, cases, target, 1).ranks.tolist() == [1], "what was chosen is a candidate whatever is gone"


def test_an_item_that_nobody_knows_is_no_candidate_and_counts_for_no_coverage() -> None:
    cases = make_cases([([], [2])])
    known = np.array([False, False, True, True])
    catalogue = Catalogue(np.zeros(4, np.int64), np.zeros(4, bool), known=known)
    scores = np.array([[0.0, 0.9, 0.5, 0.4]], np.float32)
    assert rank(scores, cases, catalogue, 3).ranks.tolist() == [1]
    assert rank(scores, cases, catalogue, 3).top.tolist() == [[2, 3, 0]]
    assert catalogue.offered == 2
    assert rivals(cases, catalogue).tolist() == [1]


def test_a_target_in_the_history_stays_a_candidate() -> None:
    assert ranks([0.9, 0.8, 0.7], ([1, 2], [2])) == [1]


def test_where_choices_repeat_the_history_holds_candidates() -> None:
    cases = replace(make_cases([([1, 2], [3])]), repeats=True)
    ranking = rank(np.array([[0, 0.9, 0.8, 0.7]], np.float32), cases, make_catalogue(3), 3)
    assert ranking.ranks.tolist() == [3]
    assert ranking.top.tolist() == [[1, 2, 3]]
    (part,) = cases.batches(5)
    assert part.repeats


def test_a_constant_scorer_gets_the_worst_ranks() -> None:
    assert ranks([0.5] * 5, ([1], [3])) == [4]
    assert ranks([0.5] * 5, ([1], [3, 2])) == [3, 4]
    assert ranks([-np.inf] * 5, ([1], [3, 2])) == [3, 4]


def test_an_unknown_target_is_missed_and_takes_no_place() -> None:
    assert ranks([0.9, 0.8, 0.7], ([], [0, 2])) == [MISSED, 2]


def test_top_lists_hold_candidates_best_first_and_zeros_where_there_are_too_few() -> None:
    scores = np.array([[9, 1, 4, 3, 2], [9, 1, 4, 3, 2]], np.float32)
    ranking = rank(scores, make_cases([([2], [1]), ([1, 2, 4], [3])]), make_catalogue(4), 3)
    assert ranking.top.tolist() == [[3, 4, 1], [3, 0, 0]]


def test_rivals_are_the_candidates_that_are_no_targets() -> None:
    cases = make_cases([([], [2]), ([1, 2, 2, 0], [3, 0]), ([1, 2, 3], [4]), ([], [4, 1])])
    assert rivals(cases, make_catalogue(4)).tolist() == [3, 1, 0, 2]
    assert rivals(cases, make_catalogue(4, later=[3, 4])).tolist() == [1, 0, 0, 1]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[np.ndarray, list[Case], list[int]]:
    users = draw(st.integers(1, 4))
    few_levels = st.sampled_from([-np.inf, 0.0, 0.25, 0.5, 1.0])
    scores = [[0.0, *draw(st.lists(few_levels, min_size=ITEMS, max_size=ITEMS))] for _ in range(users)]
    cases: list[Case] = [
        (
            draw(st.lists(st.integers(0, ITEMS), max_size=5)),
            draw(st.lists(st.integers(0, ITEMS), min_size=1, max_size=4, unique=True)),
        )
        for _ in range(users)
    ]
    return np.array(scores, np.float32), cases, draw(st.lists(st.integers(1, ITEMS), max_size=3))


def brute_force(scores: np.ndarray, case: Case, later: list[int]) -> list[int]:
    """Sorts the candidates in the order that is worst for the targets."""
    history, targets = case
    candidates = [row for row in range(1, ITEMS + 1) if row in targets or not (row in history or row in later)]
    worst = sorted(
        candidates, key=lambda row: (-scores[row], row in targets, targets.index(row) if row in targets else 0)
    )
    return [worst.index(target) + 1 if target else MISSED for target in targets]


@given(worlds())
def test_ranks_equal_those_of_sorting_one_user_at_a_time(world: tuple[np.ndarray, list[Case], list[int]]) -> None:
    scores, cases, later = world
    ranking = rank(scores, make_cases(cases), make_catalogue(ITEMS, later=later), 3)
    assert ranking.ranks.tolist() == [r for u, case in enumerate(cases) for r in brute_force(scores[u], case, later)]
