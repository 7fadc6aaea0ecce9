import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.metrics import coverage, per_user
from models.evaluation.ranking import MISSED


def metrics(*ranks: list[int], ks: tuple[int, ...] = (3,)) -> dict[str, list[float]]:
    offsets = np.cumsum([0, *map(len, ranks)])
    values = per_user(np.array([r for user in ranks for r in user], np.int64), offsets, ks)
    return {name: of_users.tolist() for name, of_users in values.items()}


def test_one_target_per_user() -> None:
    values = metrics([1], [3], [4], [MISSED])
    assert values["hr@3"] == [1, 1, 0, 0]
    assert values["recall@3"] == [1, 1, 0, 0]
    assert values["ndcg@3"] == pytest.approx([1 / math.log2(2), 1 / math.log2(4), 0, 0])
    assert values["mrr"] == pytest.approx([1, 1 / 3, 1 / 4, 0], abs=1e-12)


def test_several_targets_share_one_ideal_list() -> None:
    values = metrics([2, 3, 9], [1, 2, 3, 4, 5])
    assert values["hr@3"] == [1, 1]
    assert values["recall@3"] == pytest.approx([2 / 3, 3 / 5])
    ideal = 1 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert values["ndcg@3"] == pytest.approx([(1 / math.log2(3) + 1 / math.log2(4)) / ideal, 1.0])
    assert values["mrr"] == pytest.approx([1 / 2, 1])


def test_coverage_counts_distinct_items_and_no_padding() -> None:
    top = np.array([[1, 2, 0], [2, 3, 4]], np.int32)
    assert coverage(top, 2, items=10) == pytest.approx(3 / 10)
    assert coverage(top, 3, items=10) == pytest.approx(4 / 10)


@given(st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=8, unique=True), min_size=1, max_size=6))
def test_metrics_are_shares_and_grow_with_k(ranks: list[list[int]]) -> None:
    values = {name: np.array(v) for name, v in metrics(*ranks, ks=(5, 10)).items()}
    for of_users in values.values():
        assert ((of_users >= 0) & (of_users <= 1 + 1e-12)).all()
    assert (values["hr@5"] <= values["hr@10"]).all()
    assert (values["recall@5"] <= values["recall@10"]).all()
    assert (values["recall@5"] <= values["hr@5"]).all()
