"""What the benchmark calls lost: nothing where vectors stay as they were, all of it where their basis is another."""

import numpy as np
import pytest

from benchmarks.stabilisation import Examples, _lost, _seconds


def night(turned: np.ndarray, seed: int) -> Examples:
    """Points of which one direction tells the label, in a basis of their own."""
    random = np.random.default_rng(seed)
    points = random.normal(size=(2_000, 4))
    return Examples(points @ turned, points[:, 0] + random.normal(size=2_000) > 0, np.arange(2_000))


def test_what_is_lost_is_told_by_the_basis() -> None:
    same, other = np.eye(4), np.eye(4)[[1, 2, 3, 0]]
    assert _lost(night(same, 0), night(same, 1)) == pytest.approx(0, abs=0.02)
    assert _lost(night(same, 0), night(other, 1)) == pytest.approx(1, abs=0.2)
    assert _seconds(1_000, 4) > 0
