import numpy as np
import pytest
from scipy import sparse

from benchmarks.reward_model import cross_fitted_rewards

CONTEXT = sparse.csr_array(np.repeat(np.eye(2), 100, axis=0))
ACTIONS = sparse.csr_array(np.eye(3))
CHOSEN = np.tile(np.arange(3), 67)[:200]
USERS = np.arange(200) // 5


def _rewarded() -> np.ndarray:
    return np.random.default_rng(0).random(200) < np.array([0.1, 0.5, 0.9])[CHOSEN]


def test_actions_that_are_rewarded_more_are_predicted_more() -> None:
    rewards = cross_fitted_rewards(CONTEXT, ACTIONS, CHOSEN, _rewarded(), USERS)
    assert rewards.shape == (200, 3)
    assert (np.diff(rewards, axis=1) > 0.1).all()


def test_a_prediction_knows_nothing_of_what_its_own_user_did() -> None:
    before, rewarded = cross_fitted_rewards(CONTEXT, ACTIONS, CHOSEN, _rewarded(), USERS), _rewarded()
    rewarded[USERS == 7] ^= True
    after = cross_fitted_rewards(CONTEXT, ACTIONS, CHOSEN, rewarded, USERS)
    assert (before[USERS == 7] == after[USERS == 7]).all()
    assert (before != after).any()


@pytest.mark.parametrize("share", [0, 1])
def test_without_two_kinds_of_rows_the_share_is_predicted(share: int) -> None:
    rewards = cross_fitted_rewards(CONTEXT, ACTIONS, CHOSEN, np.full(200, bool(share)), USERS)
    assert (rewards == share).all()


def test_one_user_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="rows of two users at least, there are 1"):
        cross_fitted_rewards(CONTEXT, ACTIONS, CHOSEN, _rewarded(), np.zeros(200, np.int64))
