"""Trials of several sizes: what is foretold, the intervals, and the advice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.scaling.laws import NoLaw, OffsetLaw
from models.scaling.study import Trials, foretell, study

SIZES = np.array([3e3, 1e4, 4e4, 1.2e5, 5e5, 2e6])
TRUTH = OffsetLaw(0.3, float(np.log(3e3) + np.log(0.12) / 0.3), 0.3)
USERS = 1500


def trials(law: OffsetLaw, users: int = USERS, seed: int = 0, less: float = 0.0, seeds: int = 1) -> Trials:
    """Reciprocal ranks around a law; what makes a user easy is the same for all sizes."""
    draws = np.random.default_rng(seed)
    ease = draws.normal(0, 0.2, users)
    sizes = np.repeat(SIZES, seeds)
    own = draws.normal(0, 0.05, (len(sizes), users))
    return Trials(sizes, law(sizes)[:, None] - less + (ease - ease.mean()) + own)


def test_the_largest_size_is_foretold_by_the_others_alone() -> None:
    told = foretell(SIZES, TRUTH(SIZES))
    assert told.size == SIZES[-1]
    assert told.value == pytest.approx(float(TRUTH(SIZES[-1])))
    assert told.offset_error == pytest.approx(0, abs=1e-6)
    # A curve that levels off lies below its line.
    assert told.log_linear_error > 0.01
    other = TRUTH(SIZES)
    other[-1] = 0.9
    again = foretell(SIZES, other)
    assert again.offset == told.offset
    assert again.offset_error == pytest.approx(told.value - 0.9, abs=1e-6)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_known_ceiling_and_gain_lie_within_wide_enough_intervals(seed: int) -> None:
    found = study({1.0: trials(TRUTH, seed=seed)}, resamples=100)
    slack = 0.5 * (found.ceiling.high - found.ceiling.low)
    assert found.ceiling.low - slack < 0.3 < found.ceiling.high + slack
    assert found.ceiling.low < found.ceiling.mean < found.ceiling.high
    gain = float(TRUTH(10 * SIZES[-1]) - TRUTH(SIZES[-1]))
    assert found.gain.low - 0.005 < gain < found.gain.high + 0.005
    assert found.offset_rmse < found.log_linear_rmse


def test_more_users_tell_more_and_the_same_users_tell_the_same() -> None:
    few, many = (study({1.0: trials(TRUTH, users)}, resamples=100) for users in (200, 3000))
    assert many.ceiling.high - many.ceiling.low < few.ceiling.high - few.ceiling.low
    assert study({1.0: trials(TRUTH, 200)}, resamples=100).ceiling == few.ceiling


def test_seeds_that_differ_widen_the_intervals() -> None:
    alike = trials(TRUTH, seeds=2)
    apart = Trials(alike.sizes, alike.values + 0.01 * np.resize([1.0, -1.0], len(alike.sizes))[:, None])
    of_alike, of_apart = (study({1.0: some}, resamples=100) for some in (alike, apart))
    np.testing.assert_allclose(apart.means.reshape(-1, 2).mean(1), alike.means.reshape(-1, 2).mean(1))
    assert of_apart.gain.high - of_apart.gain.low > of_alike.gain.high - of_alike.gain.low


def test_advice_says_what_limits() -> None:
    level = OffsetLaw(0.25, float(np.log(3e3) + np.log(0.1) / 1.5), 1.5)
    near = study({1.0: trials(level), 0.5: trials(level, seed=0, less=0.03)}, resamples=100)
    assert near.is_near_the_ceiling
    assert near.is_limited_by_data
    assert "The ceiling is near" in near.advice()
    assert "2x the users bought +0.03" in near.advice()
    assert "Data, not size, limits" in near.advice()
    steep = OffsetLaw(1.0, float(np.log(3e3) + np.log(0.9) / 0.1), 0.1)
    far = study({1.0: trials(steep), 0.5: trials(steep, less=0.001)}, resamples=100)
    assert not far.is_near_the_ceiling
    assert not far.is_limited_by_data
    assert far.advice().startswith("The next 10x of compute, a backbone of 20,000,000 parameters, buys +0.0")


def test_a_largest_size_that_fails_is_no_ceiling() -> None:
    rising = trials(TRUTH)
    failed = Trials(rising.sizes, np.concatenate([rising.values[:-1], rising.values[-1:] - 0.05]))
    told = study({1.0: failed}, resamples=100).advice()
    assert "But the backbone of 500,000 parameters is clearly better than the largest" in told
    assert "The ceiling is near" not in told


def test_too_few_sizes_and_no_whole_set_are_refused() -> None:
    every = trials(TRUTH)
    with pytest.raises(NoLaw, match="at least 5 sizes, and there are 3"):
        study({1.0: Trials(every.sizes[:3], every.values[:3])})
    with pytest.raises(NoLaw, match="no trial has the whole training set"):
        study({0.5: every})
