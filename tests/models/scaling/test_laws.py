"""Both laws of scaling: known curves are found again, in whatever unit, and what tells no law is refused."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.scaling.laws import (
    LogLinearLaw,
    NoLaw,
    OffsetLaw,
    fit_log_linear,
    fit_offset,
    require_a_curve,
    rmse,
)

SIZES = np.array([3e3, 1e4, 4e4, 1.2e5, 5e5, 2e6])
RISING = [0.1, 0.2, 0.25, 0.28, 0.3]
CEILINGS, EXPONENTS, GAPS = st.floats(0.1, 1.1), st.floats(0.05, 1.5), st.floats(0.01, 0.5)


def law(ceiling: float, exponent: float, gap: float) -> OffsetLaw:
    """One whose smallest size lies `gap` below the ceiling."""
    return OffsetLaw(ceiling, float(np.log(SIZES[0]) + np.log(gap) / exponent), exponent)


@given(ceiling=CEILINGS, exponent=EXPONENTS, gap=GAPS)
def test_a_known_offset_law_is_found_again(ceiling: float, exponent: float, gap: float) -> None:
    truth = law(ceiling, exponent, gap)
    found = fit_offset(SIZES, truth(SIZES))
    assert found.ceiling == pytest.approx(ceiling, abs=1e-3 * gap)
    assert found.exponent == pytest.approx(exponent, rel=1e-3)
    assert rmse(found, SIZES, truth(SIZES)) < 1e-6 * gap


@settings(max_examples=25)
@given(intercept=st.floats(-0.5, 0.5), slope=st.floats(1e-3, 0.1))
def test_a_known_line_is_found_again_and_the_offset_law_comes_near_it(intercept: float, slope: float) -> None:
    values = LogLinearLaw(intercept, slope)(SIZES)
    found = fit_log_linear(SIZES, values)
    assert found.intercept == pytest.approx(intercept, abs=1e-9)
    assert found.slope == pytest.approx(slope)
    assert rmse(fit_offset(SIZES, values), SIZES, values) < 0.01 * np.ptp(values)


@settings(max_examples=25)
@given(ceiling=CEILINGS, exponent=EXPONENTS, gap=GAPS, unit=st.floats(1e-6, 1e6), seed=st.integers(0, 99))
def test_the_unit_of_size_changes_nothing(ceiling: float, exponent: float, gap: float, unit: float, seed: int) -> None:
    values = law(ceiling, exponent, gap)(SIZES) + np.random.default_rng(seed).normal(0, 0.02 * gap, len(SIZES))
    ours, theirs = fit_offset(SIZES, values), fit_offset(unit * SIZES, values)
    np.testing.assert_allclose(theirs(unit * SIZES), ours(SIZES), atol=1e-4 * gap)
    lines = fit_log_linear(SIZES, values), fit_log_linear(unit * SIZES, values)
    np.testing.assert_allclose(lines[1](unit * SIZES), lines[0](SIZES), atol=1e-9)


@settings(max_examples=25)
@given(ceiling=CEILINGS, exponent=st.floats(0.2, 1.0), gap=st.floats(0.05, 0.5), seed=st.integers(0, 999))
def test_noise_moves_the_curve_no_further_than_it_is(ceiling: float, exponent: float, gap: float, seed: int) -> None:
    truth = law(ceiling, exponent, gap)
    noise = np.random.default_rng(seed).normal(0, 0.01 * gap, len(SIZES))
    found = fit_offset(SIZES, truth(SIZES) + noise)
    # The best law of all is at least as near the measurements as the true one.
    assert rmse(found, SIZES, truth(SIZES) + noise) <= np.sqrt(np.mean(noise**2)) + 1e-9
    assert np.abs(found(SIZES) - truth(SIZES)).max() < 0.1 * gap


@settings(max_examples=25)
@given(values=st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_whatever_is_measured_the_laws_are_finite_and_never_fall(values: list[float]) -> None:
    found = fit_offset(SIZES, np.array(values))
    curve = found(np.concatenate([SIZES, 10 * SIZES]))
    assert np.isfinite([found.ceiling, found.log_scale, found.exponent]).all()
    assert np.isfinite(curve).all()
    assert (np.diff(found(SIZES)) >= 0).all()


@pytest.mark.parametrize(
    ("sizes", "values", "told"),
    [
        (SIZES[:3], [0.1, 0.2, 0.25], "at least 5 sizes, and there are 3"),
        (SIZES[:4], [0.1, 0.2, 0.25, 0.3], "at least 5 sizes, and there are 4"),
        ([1e3, 1e3, 2e3, 3e3, 4e3], [0.1, 0.1, 0.2, 0.3, 0.4], "there are 4: three fit it exactly"),
        (SIZES, [0.2] * 6, "quality does not rise with size: a line through 6 measurements, from 0.2000 at 3,000"),
        (SIZES, [0.3, 0.28, 0.27, 0.26, 0.2, 0.1], "to 0.1000 at 2,000,000, does not go up"),
        (SIZES, [0.1, 0.2, np.nan, 0.3, 0.31, 0.32], "measurement 2 has the size 40000 and the value nan"),
        ([0, *SIZES[1:]], [0.1, 0.2, 0.25, 0.3, 0.31, 0.32], "measurement 0 has the size 0"),
        ([], [], "there are 0"),
        ([1e3, 1.01e3, 1.02e3, 1.03e3, 1.04e3], RISING, "1,040 parameters, is 1.04 times the smallest"),
        ([1e3, 2e3, 4e3, 8e3, 9.99e3], RISING, "is 9.99 times the smallest"),
        ([1e3, 1.1e3, 1.2e3, 1.3e3, 1e4], RISING, "of the 5 sizes only 2 are 1.33 times the one before or more"),
    ],
)
def test_what_tells_no_law_is_refused_in_a_sentence(sizes: Sequence[float], values: Sequence[float], told: str) -> None:
    with pytest.raises(NoLaw, match=told):
        require_a_curve(np.array(sizes, float), np.array(values, float))
