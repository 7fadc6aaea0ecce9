import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.evaluation.action_metrics import action_metrics, normalised_entropy

shown = st.integers(2, 60)


def pairwise_auc(logits: np.ndarray, taken: np.ndarray) -> float:
    """By its definition: over all pairs of one with the action and one without it."""
    ahead = logits[taken][:, None] - logits[~taken][None, :]
    return float(((ahead > 0) + (ahead == 0) / 2).mean())


@settings(max_examples=60, deadline=None)
@given(data=st.data(), count=shown)
def test_auc_and_gauc_are_those_of_all_pairs(data: st.DataObject, count: int) -> None:
    # Few different logits, so that ties are common.
    logits = data.draw(arrays(np.int64, count, elements=st.integers(-2, 2))).astype(np.float32)[:, None]
    taken = data.draw(arrays(np.bool_, count))[:, None]
    users = data.draw(arrays(np.int64, count, elements=st.integers(3, 6)))
    measured = action_metrics(users, logits, taken, resamples=10, seed=0)[0]
    if 0 < taken.sum() < count:
        assert measured["auc"].mean == pytest.approx(pairwise_auc(logits[:, 0], taken[:, 0]))
    else:
        assert not {"auc", "ne", "gauc"} & set(measured)
    own = {
        user: (pairwise_auc(logits[users == user, 0], taken[users == user, 0]), (users == user).sum())
        for user in np.unique(users).tolist()
        if 0 < taken[users == user].sum() < (users == user).sum()
    }
    if own:
        values, weights = zip(*own.values(), strict=True)
        assert measured["gauc"].mean == pytest.approx(np.average(values, weights=weights))
    else:
        assert "gauc" not in measured


def test_a_constant_that_is_the_share_has_a_normalised_entropy_of_one_and_truth_one_below() -> None:
    taken = np.arange(40)[:, None] % 4 == 0
    share = np.full((40, 1), np.log(0.25 / 0.75), np.float32)
    assert normalised_entropy(share, taken) == pytest.approx(1)
    assert normalised_entropy(share + 1, taken) > 1.05
    assert normalised_entropy(np.where(taken, 3, -3).astype(np.float32), taken) < 0.2


def test_intervals_are_over_users_and_narrow_as_there_are_more_of_them() -> None:
    draw = np.random.default_rng(0)

    def width(users: int) -> float:
        owners = np.repeat(np.arange(users), 10)
        taken = draw.random((10 * users, 1)) < 0.4
        logits = (taken + draw.normal(size=taken.shape)).astype(np.float32)
        found = action_metrics(owners, logits, taken, resamples=200, seed=0)[0]["auc"]
        assert found.n == users
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.mean < found.high
        return found.high - found.low

    assert width(400) < width(25) / 2


def test_everything_of_one_user_leaves_nothing_to_chance() -> None:
    taken = np.arange(20)[:, None] % 2 == 0
    found = action_metrics(np.full(20, 9), np.arange(20, dtype=np.float32)[:, None], taken, 50, 0)[0]["ne"]
    assert [found.low, found.high] == pytest.approx([found.mean, found.mean])


def test_nothing_shown_and_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing was shown"):
        action_metrics(np.empty(0, np.int64), np.empty((0, 1), np.float32), np.empty((0, 1), bool), 10, 0)
    with pytest.raises(ValueError, match="item 1 that was shown is not finite"):
        action_metrics(np.zeros(2, np.int64), np.array([[0.0], [np.nan]], np.float32), np.ones((2, 1), bool), 10, 0)
