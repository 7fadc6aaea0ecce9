"""Calibration: whether what is said to happen with some probability happens that often."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.strict import Strict


class ReliabilityBin(Strict):
    """Impressions of like probability."""

    said: float = Field(ge=0, le=1, description="Their mean predicted probability.")
    taken: float = Field(ge=0, le=1, description="The share of them on which the action was taken.")
    shown: int = Field(ge=1, description="How many there are.")


def reliability(logits: NDArray[np.floating], taken: NDArray[np.bool_], bins: int = 10) -> list[ReliabilityBin]:
    """Impressions by their predicted probability, in `bins` parts of about the same size, the lowest first.

    Equal probabilities are never parted, so there may be fewer bins.

    Args:
        logits: (T,) finite.
        taken: (T,) bool.

    Raises:
        ValueError: nothing was shown, or a logit is not finite.
    """
    if not len(logits):
        raise ValueError("nothing was shown: there is nothing to measure")
    if not np.isfinite(logits).all():
        raise ValueError(f"the logit of impression {int(np.argmin(np.isfinite(logits)))} is not finite")
    from scipy.special import expit

    said = expit(logits.astype(np.float64))
    edges = np.unique(np.quantile(said, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, said)
    counts = np.bincount(place)
    return [
        ReliabilityBin(said=mean, taken=share, shown=shown)
        for mean, share, shown in zip(
            (np.bincount(place, said) / np.maximum(counts, 1)).tolist(),
            (np.bincount(place, taken) / np.maximum(counts, 1)).tolist(),
            counts.tolist(),
            strict=True,
        )
        if shown
    ]


def calibration_error(table: Sequence[ReliabilityBin]) -> float:
    """Expected calibration error: the mean distance of said and taken, bins weighted by size (Guo et al. 2017)."""
    distances = [abs(one.said - one.taken) * one.shown for one in table]
    return sum(distances) / sum(one.shown for one in table)
