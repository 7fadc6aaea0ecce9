"""Losses of impressions against what they are said to be."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.config.losses import ImpressionLossConfig
from models.objectives.impressions import Impressions

IMPRESSIONS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-1, 2), st.floats(-3, 3, width=32)), min_size=1, max_size=14
)


def loss(kind: str, told: list[tuple[int, int, float]], list_length: int = 3) -> float:
    rows, grades, scores = (torch.tensor(values) for values in zip(*sorted(told, key=lambda one: one[0]), strict=True))
    view = SimpleNamespace(batch=SimpleNamespace(rows=rows, grades=grades), scores=scores.float())
    objective = Impressions(
        ImpressionLossConfig.model_validate({"kind": kind, "list_length": list_length}), [-1, 0, 1, 2]
    )
    return float(objective(view)[kind])


@given(IMPRESSIONS)
def test_pairs_are_of_neighbours_of_one_row_that_differ(told: list[tuple[int, int, float]]) -> None:
    told = sorted(told, key=lambda one: one[0])
    wanted = [
        np.log1p(np.exp(-(a[2] - b[2]) * (1 if a[1] > b[1] else -1)))
        for a, b in pairwise(told)
        if a[0] == b[0] and a[1] != b[1]
    ]
    assert loss("pairwise", told) == pytest.approx(np.mean(wanted) if wanted else 0, abs=1e-5)


@given(IMPRESSIONS)
def test_points_are_shares_of_the_scale(told: list[tuple[int, int, float]]) -> None:
    wanted = [np.log1p(np.exp(score)) - score * (grade + 1) / 3 for _, grade, score in told]
    assert loss("pointwise", told) == pytest.approx(np.mean(wanted), abs=1e-5)


@given(IMPRESSIONS)
def test_lists_are_runs_of_one_row(told: list[tuple[int, int, float]]) -> None:
    told = sorted(told, key=lambda one: one[0])
    wanted = []
    for row in range(3):
        own = [one for one in told if one[0] == row]
        for start in range(0, len(own), 3):
            grades, scores = (np.array(values, float) for values in list(zip(*own[start : start + 3], strict=True))[1:])
            gains = grades - grades.min()
            if gains.sum():
                wanted.append(-(gains / gains.sum() * (scores - np.log(np.exp(scores).sum()))).sum())
    assert loss("listwise", told) == pytest.approx(np.mean(wanted) if wanted else 0, abs=1e-4)


def test_a_guess_is_known_of_pairs_alone() -> None:
    guesses = [
        Impressions(ImpressionLossConfig.model_validate({"kind": kind}), [0, 1]).guess
        for kind in ("pairwise", "listwise")
    ]
    assert guesses == [pytest.approx(np.log(2)), None]
