"""Why off-policy estimates may say little: too little overlap, too few rewards, propensities that are not true."""

import numpy as np
from numpy.typing import NDArray

FEWEST_EFFECTIVE_ROWS = 100
FEWEST_REWARDED_ROWS = 10
FARTHEST_MEAN = 3.0
"""In standard errors from 1, which the weights' mean is where propensities are true and cover the judged policy."""


def doubts_of(
    users: NDArray[np.int64],
    raw: NDArray[np.float64],
    weights: NDArray[np.float64],
    without_propensity: int,
    effective_rows: float,
    rewarded: int,
) -> list[str]:
    """A sentence for each doubt; none where nothing speaks against the estimates.

    Args:
        users: (N,) 0..U - 1.
        raw: (N,) weights before they were clipped.
        weights: (N,) the same, clipped.
        without_propensity: Rows that are not among the N.
        effective_rows: What the weights are worth.
        rewarded: Rows with a weight and a reward.
    """
    rows, doubts = len(raw), []
    if without_propensity:
        doubts.append(
            f"{without_propensity} of {rows + without_propensity} rows have no propensity and are left out: the "
            "estimates are of the rest"
        )
    if not rows:
        return [*doubts, "no row is left, so that the log says nothing of the policy"]
    if not raw.any():
        return [
            *doubts,
            f"the policy would have chosen nothing of what the {rows} rows hold: the log says nothing of it",
        ]
    if effective_rows < FEWEST_EFFECTIVE_ROWS:
        doubts.append(
            f"the overlap is too small to tell: for this policy {rows} rows are worth {effective_rows:.0f}, fewer than "
            f"{FEWEST_EFFECTIVE_ROWS}"
        )
    if not rewarded:
        doubts.append("nothing that the policy could have chosen, too, has a reward: intervals cannot be told")
    elif rewarded < FEWEST_REWARDED_ROWS:
        doubts.append(
            f"the estimates rest on {rewarded} rewards, fewer than {FEWEST_REWARDED_ROWS}: intervals are too narrow"
        )
    mean = raw.mean()
    error = np.linalg.norm(np.bincount(users, raw - mean)) / rows
    if abs(mean - 1) > FARTHEST_MEAN * error + 1e-3:
        doubts.append(
            f"weights are {mean:.3g} in the mean (standard error {error:.2g}) where 1 is due: propensities are not "
            "true, or the policy would choose what the log's could not"
        )
    if cut := int((weights < raw).sum()):
        gone = 1 - weights.sum() / raw.sum()
        doubts.append(
            f"{cut} of {rows} weights were clipped, which took {gone:.1%} of all weight: `ips` is "
            "too low by about as much, the others are biased towards the log's policy and the model"
        )
    return doubts
