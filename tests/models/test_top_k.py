import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.top_k import top_k


def test_ties_are_settled_by_row_also_at_the_cut() -> None:
    scores = np.array([9, 1, 2, 2, 3, 2], np.float32)
    allowed = np.array([False, True, True, True, True, True])
    assert top_k(scores, allowed, 3).tolist() == [4, 2, 3]


def test_what_is_not_allowed_or_not_finite_is_never_returned() -> None:
    scores = np.array([-np.inf, np.nan, np.inf, 1, 2], np.float32)
    assert top_k(scores, np.array([True, True, True, True, False]), 10).tolist() == [3]
    assert top_k(scores, np.zeros(5, bool), 3).tolist() == []


@given(
    scores=st.lists(st.integers(-3, 3), min_size=1, max_size=30),
    allowed=st.lists(st.booleans(), min_size=30, max_size=30),
    k=st.integers(1, 40),
)
def test_agrees_with_sorting_everything(scores: list[int], allowed: list[bool], k: int) -> None:
    mask = np.array(allowed[: len(scores)])
    expected = sorted((i for i in range(len(scores)) if mask[i]), key=lambda i: (-scores[i], i))[:k]
    assert top_k(np.array(scores, np.float32), mask, k).tolist() == expected
