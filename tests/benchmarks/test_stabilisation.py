"""What the benchmark calls lost: nothing where vectors stay as they were, all of it where their basis is another."""

import numpy as np
import polars as pl
import pytest

from benchmarks.stabilisation import _seconds, mean_auc

IDS = np.arange(600)
POINTS = np.random.default_rng(0).normal(size=(600, 4))
LABELS = pl.DataFrame({"id": IDS, "label": np.where(POINTS[:, 0] > 0, "above", "below")})


def vectors(turned: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"id": IDS, "vector": (POINTS @ turned).tolist()})


def test_what_is_lost_is_told_by_the_basis() -> None:
    same, other = vectors(np.eye(4)), vectors(np.eye(4)[[1, 2, 3, 0]])
    assert mean_auc(same, same, LABELS) > 0.95
    assert mean_auc(same, other, LABELS) == pytest.approx(0.5, abs=0.1)
    assert mean_auc(other, other, LABELS) > 0.95
    with pytest.raises(ValueError, match="give more --events"):
        mean_auc(same, same, LABELS.with_columns(label=pl.lit("above")))
    assert _seconds(1_000, 4) > 0
