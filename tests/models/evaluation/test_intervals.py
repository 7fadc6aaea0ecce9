import numpy as np
import pytest

from models.evaluation.intervals import WEIGHTS_AT_ONCE, bootstrap


def test_the_interval_is_that_of_the_normal_approximation_for_many_users() -> None:
    values = np.random.default_rng(3).normal(0.4, 0.2, (4_000, 1))
    interval = bootstrap(values, resamples=4_000)[0]
    half_width = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half_width, abs=0.1 * half_width)
    assert interval.high == pytest.approx(values.mean() + half_width, abs=0.1 * half_width)
    assert interval.n == 4_000


def test_a_constant_has_no_width_and_columns_keep_their_order() -> None:
    first, second = bootstrap(np.array([[0.25, 1.0]] * 9))
    assert (first.low, first.mean, first.high) == pytest.approx((0.25, 0.25, 0.25))
    assert second.mean == 1.0


def test_resampling_in_parts_covers_all_resamples() -> None:
    values = np.arange(12.0)[:, None]
    users = np.tile(values, (WEIGHTS_AT_ONCE // 64 // 12, 1))
    interval = bootstrap(users, resamples=150, seed=1)[0]
    assert 5.4 < interval.low < 5.5 < interval.high < 5.6


def test_a_seed_repeats_and_another_differs() -> None:
    values = np.random.default_rng(0).random((50, 1))
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_a_paired_difference_is_narrower_than_its_parts() -> None:
    difficulty = np.random.default_rng(0).random(300)
    better, worse = difficulty + 0.02, difficulty
    assert bootstrap(better[:, None])[0].overlaps(bootstrap(worse[:, None])[0])
    assert bootstrap((better - worse)[:, None])[0].low > 0


def test_no_users_and_nan_are_errors() -> None:
    with pytest.raises(ValueError, match="at least one user"):
        bootstrap(np.empty((0, 1)))
    with pytest.raises(ValueError, match=r"column 1 .* not finite"):
        bootstrap(np.array([[0.1, 0.1], [0.1, np.nan]]))
