import numpy as np
import pytest

from models.evaluation.cases import EvaluationCases
from tests.models.evaluation.worlds import Case, make_cases

CASES = [([1, 2], [3]), ([], [4, 5]), ([6], [0, 0, 1])]


def test_a_part_equals_the_cases_it_holds() -> None:
    part = make_cases(CASES).part(1, 3)
    assert part.user_ids.to_list() == [1, 2]
    assert part.histories.item_index.tolist() == [6]
    assert part.histories.offsets.tolist() == [0, 0, 1]
    assert part.targets.tolist() == [4, 5, 0, 0, 1]
    assert part.target_cases.tolist() == [0, 0, 1, 1, 1]


def test_batches_cover_every_case_once() -> None:
    batches = list(make_cases(CASES).batches(2))
    assert [batch.user_ids.to_list() for batch in batches] == [[0, 1], [2]]
    assert np.concatenate([batch.targets for batch in batches]).tolist() == [3, 4, 5, 0, 0, 1]


@pytest.mark.parametrize(
    ("cases", "request_time", "message"),
    [
        ([([1], [2]), ([1], [])], 1_000, "user 1 has no target"),
        ([([1], [2]), ([1], [3, 3])], 1_000, "user 1 names a target twice"),
        ([([1], [2]), ([1, 2, 3], [4])], 1, "user 1 has history after its request"),
        ([([1], [-2])], 1_000, "a target is negative"),
    ],
)
def test_contradictions_are_refused(cases: list[Case], request_time: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_cases(cases, request_time)


def test_arrays_of_different_length_are_refused() -> None:
    cases = make_cases(CASES)
    arrays = (cases.user_ids, cases.histories, cases.request_times, cases.targets, cases.target_offsets)
    EvaluationCases(*arrays)
    with pytest.raises(ValueError, match="2 request times"):
        EvaluationCases(*arrays[:2], cases.request_times[:2], *arrays[3:])
    with pytest.raises(ValueError, match="run from 0 to 6"):
        EvaluationCases(*arrays[:4], cases.target_offsets - 1)
