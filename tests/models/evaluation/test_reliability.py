"""Reliability tables against scikit-learn's, and what calibration errors mean."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from sklearn.calibration import calibration_curve

from models.evaluation.reliability import calibration_error, reliability


@settings(max_examples=40)
@given(data=st.data(), count=st.integers(1, 200), bins=st.integers(1, 12))
def test_bins_are_those_of_scikit_learn(data: st.DataObject, count: int, bins: int) -> None:
    logits = data.draw(arrays(np.float64, count, elements=st.floats(-8, 8)))
    taken = data.draw(arrays(np.bool_, count))
    found = reliability(logits, taken, bins)
    share, said = calibration_curve(taken, expit(logits), n_bins=bins, strategy="quantile")
    assert [one.said for one in found] == pytest.approx(said)
    assert [one.taken for one in found] == pytest.approx(share)
    assert sum(one.shown for one in found) == count


def test_the_error_is_the_distance_from_the_diagonal() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(size=40_000)
    taken = draw.random(40_000) < 1 / (1 + np.exp(-logits))
    assert calibration_error(reliability(logits, taken)) < 0.01
    low = np.full(100, np.log(0.2 / 0.8))
    (one,) = reliability(low, np.arange(100) % 2 == 0)
    assert one.said == pytest.approx(0.2)
    assert (one.taken, one.shown) == (0.5, 100)
    assert calibration_error([one]) == pytest.approx(0.3)


def test_certainty_stays_a_probability_and_nonsense_is_refused() -> None:
    assert [one.said for one in reliability(np.array([-800.0, 800.0]), np.array([False, True]), 2)] == [0, 1]
    with pytest.raises(ValueError, match="nothing was shown"):
        reliability(np.zeros(0), np.zeros(0, bool))
    with pytest.raises(ValueError, match="impression 1 is not finite"):
        reliability(np.array([0.0, np.inf]), np.ones(2, bool))
