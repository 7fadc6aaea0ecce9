"""A made world whose truth is known: what a policy earns is a sum over its choices."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.off_policy import ESTIMATORS, JudgedPolicy, LoggedChoices, PolicyValue, policy_value

RATES = np.array([[0.9, 0.2, 0.1, 0.4], [0.1, 0.6, 0.3, 0.2]])
"""(contexts, actions) how often each action is rewarded."""

LOGGING = np.array([[0.1, 0.3, 0.4, 0.2], [0.4, 0.2, 0.1, 0.3]])
JUDGED = np.array([[0.7, 0.1, 0.0, 0.2], [0.1, 0.7, 0.1, 0.1]])
TRUTH = float((JUDGED * RATES).sum(axis=1).mean())

GOOD, WRONG = RATES, np.full_like(RATES, 0.5)
ROWS = 400


def _value(seed: int, model: np.ndarray = GOOD, resamples: int = 100) -> PolicyValue:
    generator = np.random.default_rng(seed)
    contexts = generator.integers(0, 2, ROWS)
    chosen = (generator.random(ROWS)[:, None] > LOGGING.cumsum(axis=1)[contexts]).sum(axis=1)
    rewards = (generator.random(ROWS) < RATES[contexts, chosen]).astype(np.float64)
    log = LoggedChoices(np.arange(ROWS), LOGGING[contexts, chosen], rewards)
    expected = (JUDGED * model).sum(axis=1)[contexts]
    judged = JudgedPolicy(JUDGED[contexts, chosen], model[contexts, chosen], expected)
    return policy_value(log, judged, resamples=resamples)


WORLDS = [_value(seed) for seed in range(300)]


def _means(name: str) -> np.ndarray:
    return np.array([world.estimates[name].mean for world in WORLDS])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimates_are_right_in_the_mean(name: str) -> None:
    means = _means(name)
    assert abs(means.mean() - TRUTH) < 4 * means.std() / np.sqrt(len(means))


def test_doubly_robust_is_right_in_the_mean_whatever_its_model_says() -> None:
    means = np.array([_value(seed, WRONG, resamples=1).estimates["dr"].mean for seed in range(300)])
    assert abs(means.mean() - TRUTH) < 4 * means.std() / np.sqrt(len(means))


def test_a_good_model_makes_doubly_robust_steadier() -> None:
    assert _means("dr").std() < 0.8 * _means("ips").std()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_standard_error_is_that_of_repetition(name: str) -> None:
    told = np.mean([world.estimates[name].standard_error for world in WORLDS])
    assert told == pytest.approx(_means(name).std(), rel=0.15)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_nineteen_in_twenty_intervals_hold_the_truth(name: str) -> None:
    ends = np.array([[world.estimates[name].low, world.estimates[name].high] for world in WORLDS])
    assert 0.88 <= np.mean((ends[:, 0] <= TRUTH) & (ends[:, 1] >= TRUTH)) <= 0.99


def test_rows_of_one_user_are_no_independent_rows() -> None:
    """Every row eight times, as rows of its user: as much is known as without the copies."""
    generator = np.random.default_rng(0)
    rewards, propensities = generator.integers(0, 2, 50).astype(float), generator.uniform(0.2, 0.9, 50)
    judged = generator.uniform(0, 0.9, 50)

    def value(copies: int) -> PolicyValue:
        log = LoggedChoices(np.repeat(np.arange(50) * 7, copies), propensities.repeat(copies), rewards.repeat(copies))
        return policy_value(log, JudgedPolicy(judged.repeat(copies), *np.full((2, 50 * copies), 0.5)), resamples=50)

    for name in ESTIMATORS:
        many, one = value(8).estimates[name], value(1).estimates[name]
        assert many.model_dump() == pytest.approx(one.model_dump())


@given(st.floats(0.01, 1), st.integers(0, 20))
def test_self_normalised_estimates_do_not_change_with_the_scale_of_propensities(scale: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    propensities, rewards = generator.uniform(0.1, 1, 30), generator.integers(0, 3, 30).astype(float)
    judged = JudgedPolicy(generator.uniform(0.1, 1, 30), np.zeros(30), np.zeros(30))
    whole = policy_value(LoggedChoices(np.arange(30), propensities, rewards), judged, resamples=5).estimates
    scaled = policy_value(LoggedChoices(np.arange(30), propensities * scale, rewards), judged, resamples=5).estimates
    assert scaled["snips"].mean == pytest.approx(whole["snips"].mean)
    assert rewards.min() <= scaled["snips"].mean <= rewards.max()
    assert scaled["ips"].mean == pytest.approx(whole["ips"].mean / scale)


def test_a_policy_that_is_judged_by_its_own_log_earned_what_it_earned() -> None:
    log = _log(propensities=[0.5, 0.25, 0.1, 0.9])
    value = policy_value(log, JudgedPolicy(log.propensities, np.full(4, 0.3), np.full(4, 0.3)))
    assert value.logged is not None
    assert [value.logged.mean, *(value.estimates[name].mean for name in ESTIMATORS)] == pytest.approx([0.5] * 4)
    assert value.effective_rows == pytest.approx(4)


def _log(
    propensities: list[float] = [0.5, 0.5, 0.5, 0.5],  # noqa: B006
    rewards: list[float] = [1, 0, 1, 0],  # noqa: B006
) -> LoggedChoices:
    return LoggedChoices(np.arange(4), np.array(propensities), np.array(rewards, float))


def _judged(probabilities: list[float]) -> JudgedPolicy:
    return JudgedPolicy(np.array(probabilities), np.zeros(4), np.zeros(4))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: _log([0.5, 0, 0.5, 0.5]), "1 of 4 propensities .* such as 0: .* name the right column"),
        (lambda: _log([0.5, 0.5, 34, 1.5]), "2 of 4 propensities .* such as 34"),
        (lambda: _log([-0.1, 0.5, 0.5, 0.5]), "such as -0.1"),
        (lambda: _log([float("inf"), 0.5, 0.5, 0.5]), "such as inf"),
        (lambda: _log(rewards=[0, float("nan"), 1, 1]), "reward of row 1 is not a finite number"),
        (lambda: LoggedChoices(np.arange(3), np.full(4, 0.5), np.zeros(4)), "3 users, 4 propensities and 4 rewards"),
        (lambda: _judged([0.5, 1.2, 0, 0]), "not in \\[0, 1\\]"),
        (lambda: _judged([0.5, float("nan"), 0, 0]), "not in \\[0, 1\\]"),
        (lambda: JudgedPolicy(np.zeros(4), np.full(4, np.inf), np.zeros(4)), "not a finite number"),
        (lambda: JudgedPolicy(np.zeros(4), np.zeros(3), np.zeros(4)), "as many probabilities"),
        (lambda: policy_value(_log(), JudgedPolicy(*np.zeros((3, 5)))), "on 5 rows, but the log has 4"),
        (lambda: policy_value(_log(), _judged([0.5] * 4), clip=0), "clipped to 0"),
    ],
)
def test_what_is_no_log_or_no_policy_is_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


def test_rows_without_a_propensity_are_left_out_and_counted() -> None:
    value = policy_value(_log([float("nan"), 0.5, 0.5, 0.5], [1, 0, 1, 0]), _judged([0.5] * 4))
    assert (value.rows, value.without_propensity) == (3, 1)
    assert value.estimates["ips"].mean == pytest.approx(1 / 3)
    assert "1 of 4 rows have no propensity and are left out" in value.doubts[0]


def test_without_any_propensity_nothing_is_told() -> None:
    value = policy_value(_log([float("nan")] * 4), _judged([0.5] * 4))
    assert (value.rows, value.logged, value.estimates) == (0, None, {})
    assert "the log says nothing of the policy" in value.doubts[-1]


def test_of_a_policy_that_would_have_chosen_nothing_of_it_nothing_is_told() -> None:
    value = policy_value(_log(), _judged([0.0] * 4))
    assert value.estimates == {}
    assert value.logged is not None
    assert "would have chosen nothing of what the 4 rows hold" in value.doubts[0]


@pytest.mark.parametrize("probabilities", [[0.5] * 4, [0.0, 0.5, 0.0, 0.5]])
def test_without_a_reward_there_is_no_interval(probabilities: list[float]) -> None:
    rewards = [0.0] * 4 if probabilities[0] else [1.0, 0.0, 1.0, 0.0]
    value = policy_value(_log(rewards=rewards), _judged(probabilities))
    assert all((each.mean, each.low, each.standard_error) == (0, None, None) for each in value.estimates.values())
    assert any("has a reward: intervals cannot be told" in doubt for doubt in value.doubts)


def test_one_user_gives_no_interval() -> None:
    log = LoggedChoices(np.zeros(4, np.int64), np.full(4, 0.5), np.array([1.0, 0, 1, 1]))
    (estimate,) = {
        (each.mean, each.low, each.standard_error) for each in policy_value(log, _judged([0.5] * 4)).estimates.values()
    }
    assert estimate == (0.75, None, None)


def test_a_policy_that_the_log_hardly_covers_is_doubted() -> None:
    doubts = policy_value(_log(), _judged([0.9, 0.1, 0.1, 0.1])).doubts
    assert any("the overlap is too small to tell: for this policy 4 rows are worth 2" in doubt for doubt in doubts)


def test_true_propensities_are_not_doubted() -> None:
    """Three standard errors are passed by chance, too, once in some hundred logs."""
    doubted = [any("propensities are not true" in doubt for doubt in world.doubts) for world in WORLDS]
    assert np.mean(doubted) <= 0.02


def test_propensities_that_are_not_true_are_doubted() -> None:
    generator = np.random.default_rng(0)
    log = LoggedChoices(np.arange(1000), np.full(1000, 0.1), generator.integers(0, 2, 1000).astype(float))
    judged = JudgedPolicy(generator.uniform(0.1, 0.3, 1000), np.zeros(1000), np.zeros(1000))
    (doubt,) = policy_value(log, judged).doubts
    assert doubt.startswith("weights are 1.99 in the mean")


def test_clipping_is_counted_and_makes_weights_no_larger() -> None:
    log, judged = _log([0.1, 0.5, 0.5, 0.5], [1, 1, 0, 0]), _judged([0.8, 0.4, 0.4, 0.4])
    value = policy_value(log, judged, clip=2)
    assert value.clipped == 1
    assert value.largest_weight == pytest.approx(8)
    assert value.estimates["ips"].mean == pytest.approx((2 + 0.8) / 4)
    assert any(
        doubt.startswith("1 of 4 weights were clipped, which took 57.7% of all weight") for doubt in value.doubts
    )
    assert policy_value(log, judged, clip=8).clipped == 0
