"""Metrics of users' own impressions against their definitions, by hand, by all orders of ties, and by scikit-learn."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import ndcg_score, roc_auc_score

from models.evaluation.own_impressions import OWN_METRICS, PAIR_UPLIFT, OwnImpressions, compare

USERS = np.array([7, 7, 7, 3, 3, 3, 3, 5, 5])
POSITIVE = np.array([1, 0, 0, 1, 1, 1, 0, 0, 0], bool)
SCORES = np.array([0.2, 0.9, 0.1, 0.8, 0.4, 0.1, 0.4, 0.5, 0.6])
"""User 3 has one of three pairs right, one tied and one wrong; user 7 one of two; user 5 has no positive."""


def measured(scores: np.ndarray) -> dict[str, float]:
    own = OwnImpressions.of(USERS, scores, POSITIVE)
    return dict(zip(OWN_METRICS, own.metrics(np.ones((1, len(own))))[0].tolist(), strict=True))


def test_each_weighting_by_hand() -> None:
    found = measured(SCORES)
    assert found["gauc"] == pytest.approx((4 * 0.5 + 3 * 0.5) / 7)
    assert measured(np.where(USERS == 3, SCORES, 0.0))["gauc"] == pytest.approx(0.5)
    right = np.where(USERS == 7, POSITIVE, SCORES)  # User 7 wholly right, user 3 half.
    found = measured(right)
    assert found["gauc"] == pytest.approx((4 * 0.5 + 3 * 1) / 7)
    assert found["gauc_positives"] == pytest.approx((3 * 0.5 + 1 * 1) / 4)
    assert found["pair_accuracy"] == pytest.approx((1 + 0.5 + 0 + 2) / 5)
    # User 3: a positive, two that share places 2 and 3, a positive. User 5 counts as 0.
    two, three, four = 1 / np.log2([3, 4, 5])
    user_3 = (1 + (two + three) / 2 + four) / (1 + two + three)
    assert found["ndcg@5"] == pytest.approx((user_3 + 1 + 0) / 3)
    assert found["primary"] == pytest.approx((found["gauc_positives"] + found["ndcg@5"]) / 2)


def test_the_truth_is_perfect_but_for_users_without_positives() -> None:
    assert measured(POSITIVE.astype(float)) == pytest.approx(
        {"gauc": 1, "gauc_positives": 1, "pair_accuracy": 1, "ndcg@5": 2 / 3, "primary": 5 / 6}
    )


@settings(max_examples=60)
@given(data=st.data(), count=st.integers(2, 12))
def test_one_user_agrees_with_scikit_learn(data: st.DataObject, count: int) -> None:
    scores = data.draw(arrays(np.int64, count, elements=st.integers(-3, 3))).astype(float)
    positive = data.draw(arrays(np.bool_, count))
    own = OwnImpressions.of(np.zeros(count, np.int64), scores, positive)
    if positive.any():
        assert own.ndcg[0] == pytest.approx(ndcg_score([positive], [scores], k=5))
    else:
        assert own.ndcg[0] == 0
    if 0 < positive.sum() < count:
        assert own.auc[0] == pytest.approx(roc_auc_score(positive, scores))
    else:
        assert np.isnan(own.auc[0])


@given(scores=arrays(np.int64, 4, elements=st.integers(0, 1)), positive=arrays(np.bool_, 4))
def test_ties_take_the_mean_of_all_their_orders(scores: np.ndarray, positive: np.ndarray) -> None:
    users = np.zeros(4, np.int64)
    orders = [1e-3 * np.array(order) for order in permutations(range(4))]
    broken = [OwnImpressions.of(users, scores + order, positive) for order in orders]
    tied = OwnImpressions.of(users, scores, positive)
    assert tied.ndcg == pytest.approx(np.mean([own.ndcg for own in broken], axis=0))
    assert tied.auc == pytest.approx(np.mean([own.auc for own in broken], axis=0), nan_ok=True)


@settings(max_examples=30)
@given(data=st.data(), count=st.integers(1, 30))
def test_the_order_of_rows_and_the_names_of_users_say_nothing(data: st.DataObject, count: int) -> None:
    users = data.draw(arrays(np.int64, count, elements=st.integers(0, 4)))
    scores = data.draw(arrays(np.float64, count, elements=st.floats(-3, 3)))
    positive = data.draw(arrays(np.bool_, count))
    order = np.array(data.draw(st.permutations(range(count))))
    one = OwnImpressions.of(users, scores, positive)
    other = OwnImpressions.of(10 * users[order] + 3, scores[order], positive[order])
    ones = np.ones((1, len(one)))
    assert one.metrics(ones) == pytest.approx(other.metrics(ones), nan_ok=True)


def test_a_comparison_is_paired_and_knows_the_uplift() -> None:
    draw = np.random.default_rng(0)
    users = np.repeat(np.arange(300), 6)
    positive = draw.random(len(users)) < 0.4
    good = positive + draw.normal(size=len(users))
    scores = {"good": good, "same order": 3 * good + 1, "noise": draw.random(len(users))}
    found = compare(users, scores, positive, "good", resamples=200)
    ours, theirs = found.scorers["good"], found.scorers["noise"]
    for metric in OWN_METRICS:
        assert (found.differences["same order"][metric].low, found.differences["same order"][metric].high) == (0, 0)
        difference = found.differences["noise"][metric]
        assert difference.mean == pytest.approx(ours[metric].mean - theirs[metric].mean)
        assert difference.low is not None
        assert 0 < difference.low < difference.mean
        low, high = ours[metric].low, ours[metric].high
        assert low is not None
        assert high is not None
        assert low < ours[metric].mean < high
    uplift = found.differences["noise"][PAIR_UPLIFT].mean
    assert uplift == pytest.approx(ours["pair_accuracy"].mean / theirs["pair_accuracy"].mean - 1)


def test_the_metrics_of_seeds_are_averaged() -> None:
    seeds = np.stack([SCORES, -SCORES, POSITIVE.astype(float)])
    found = compare(USERS, {"seeds": seeds}, POSITIVE, "seeds", resamples=5).scorers["seeds"]
    for metric in OWN_METRICS:
        assert found[metric].mean == pytest.approx(np.mean([measured(scores)[metric] for scores in seeds]))


def test_what_is_not_defined_is_left_out() -> None:
    users, scores = np.array([0, 0, 1]), {"any": np.array([0.1, 0.2, 0.3])}
    assert not compare(users, scores, np.zeros(3, bool), "any", resamples=5).scorers["any"]
    all_positive = compare(users, scores, np.ones(3, bool), "any", resamples=5).scorers["any"]
    assert {name: measure.mean for name, measure in all_positive.items()} == {"ndcg@5": 1}


def test_broken_scores_are_refused_by_name() -> None:
    users, positive = np.array([0, 0]), np.array([True, False])
    with pytest.raises(ValueError, match="scorer 'bad': the score of impression 1 is not finite"):
        compare(users, {"bad": np.array([0.0, np.nan])}, positive, "bad")
    with pytest.raises(ValueError, match="2 users, 1 scores and 2 outcomes"):
        OwnImpressions.of(users, np.zeros(1), positive)
    with pytest.raises(ValueError, match="nothing was shown"):
        OwnImpressions.of(users[:0], np.zeros(0), positive[:0])
