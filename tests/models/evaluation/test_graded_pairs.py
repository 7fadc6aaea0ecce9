"""Pair accuracy by a scale, against all pairs one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.graded_pairs import graded_pairs, pair_accuracy


@given(st.lists(st.tuples(st.integers(3, 5), st.integers(-1, 2), st.integers(0, 3)), min_size=1, max_size=20))
def test_every_pair_counts_once_and_ties_half(told: list[tuple[int, int, int]]) -> None:
    users, grades, scores = (np.array(values) for values in zip(*told, strict=True))
    right = dict.fromkeys(np.unique(users).tolist(), 0.0)
    pairs = dict.fromkeys(right, 0)
    for i in range(len(users)):
        for j in range(len(users)):
            if users[i] == users[j] and grades[i] > grades[j]:
                pairs[int(users[i])] += 1
                right[int(users[i])] += (scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j])
    found = graded_pairs(users, scores.astype(float), grades)
    assert found[0].tolist() == list(right)
    np.testing.assert_allclose(found[1], list(right.values()))
    np.testing.assert_allclose(found[2], list(pairs.values()))
    total = sum(pairs.values())
    accuracy = pair_accuracy(users, scores.astype(float), grades)
    assert accuracy == (pytest.approx(sum(right.values()) / total) if total else None)
