"""Off-policy estimates: what another policy would have earned, from the log of one whose propensities are known.

With w the probability that the judged policy gives to a logged choice, over its propensity, r the reward and q a
model's reward (Dudík, Langford and Li 2011; Swaminathan and Joachims 2015), over all rows:

- `ips`, inverse propensity: the mean of w r. Unbiased where the log's policy could choose all that the judged one does.
- `snips`, self-normalised: the sum of w r over that of w. A little biased, steadier, never outside the rewards' range.
- `dr`, doubly robust: the mean of the reward that q expects of the judged policy, plus w (r - q). Unbiased whatever q
  is, as long as q was not learned from the row, and steadier the better q is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.evaluation.intervals import draw_counts
from models.evaluation.off_policy_doubts import doubts_of
from models.evaluation.report import Measure
from models.strict import Strict

LOGGED = "logged"
ESTIMATORS = ("ips", "snips", "dr")

FloatArray = NDArray[np.float64]


class Estimate(Measure):
    """A mean reward of a row with its 95 % bootstrap interval over users; nulls where these cannot be told."""

    standard_error: float | None = Field(default=None, description="Over users, to first order.")


class PolicyValue(Strict):
    """What a policy is estimated to have earned with the requests of a log."""

    rows: int = Field(ge=0, description="Choices of the log that the estimates rest on.")
    without_propensity: int = Field(ge=0, description="Choices that are no part of them.")
    logged: Estimate | None = Field(description="What the log's own policy earned; null: no rows.")
    estimates: dict[str, Estimate] = Field(
        description="ips, snips and dr; none where the judged policy would have chosen nothing that the log did."
    )
    rewarded: int = Field(ge=0, description="Rows with a reward that the judged policy could have had, too.")
    effective_rows: float = Field(ge=0, description="(sum of weights)² / sum of their squares (Kish 1965).")
    mean_weight: float = Field(ge=0, description="Before clipping; 1 but for chance.")
    largest_weight: float = Field(ge=0, description="Before clipping.")
    clipped: int = Field(ge=0, description="Weights that were cut to the clip.")
    doubts: list[str] = Field(description="Sentences on why the estimates say little; empty where nothing is known.")


def require_propensities(propensities: NDArray[np.floating]) -> None:
    """Refuses numbers that are no probabilities of what happened; NaN, which says that one is not known, passes.

    Raises:
        ValueError: one is not above 0 and at most 1.
    """
    wrong = ~(np.isnan(propensities) | ((propensities > 0) & (propensities <= 1)))
    if wrong.any():
        raise ValueError(
            f"{int(wrong.sum())} of {len(wrong)} propensities are not above 0 and at most 1, such as "
            f"{propensities[wrong][0]:g}: they are no probabilities of what was shown, name the right column"
        )


@dataclass(frozen=True)
class LoggedChoices:
    """N choices of the policy that made the log.

    Attributes:
        users: (N,) int64 any numbers, equal for one user's.
        propensities: (N,) the probability with which the policy chose what it chose; NaN where it is not known.
        rewards: (N,) what came of it.

    Raises:
        ValueError: lengths differ, a reward is not finite, or a propensity is not above 0 and at most 1.
    """

    users: NDArray[np.int64]
    propensities: FloatArray
    rewards: FloatArray

    def __post_init__(self) -> None:
        if not len(self.users) == len(self.propensities) == len(self.rewards):
            raise ValueError(
                f"{len(self.users)} users, {len(self.propensities)} propensities and {len(self.rewards)} rewards "
                "are not the rows of one log"
            )
        if not np.isfinite(self.rewards).all():
            raise ValueError(f"the reward of row {int(np.argmin(np.isfinite(self.rewards)))} is not a finite number")
        require_propensities(self.propensities)


@dataclass(frozen=True)
class JudgedPolicy:
    """What the policy that is judged would have done with the same N requests.

    Attributes:
        probabilities: (N,) with which it would have chosen what was logged; 0 where it never would.
        predicted: (N,) a model's reward of what was logged, the model not having seen the row.
        expected: (N,) the same model's reward of what the judged policy would have chosen, in the mean.

    Raises:
        ValueError: lengths differ, a probability is not in [0, 1], or a prediction is not finite.
    """

    probabilities: FloatArray
    predicted: FloatArray
    expected: FloatArray

    def __post_init__(self) -> None:
        if not len(self.probabilities) == len(self.predicted) == len(self.expected):
            raise ValueError("a judged policy has as many probabilities as predictions and expectations, one a row")
        if not ((self.probabilities >= 0) & (self.probabilities <= 1 + 1e-6)).all():
            raise ValueError("a probability of the judged policy is not in [0, 1]: it is no policy")
        if not (np.isfinite(self.predicted).all() and np.isfinite(self.expected).all()):
            raise ValueError("a reward that the model predicts is not a finite number: the model is broken")


def policy_value(
    log: LoggedChoices, judged: JudgedPolicy, clip: float | None = None, resamples: int = 1000, seed: int = 0
) -> PolicyValue:
    """The judged policy's value by every estimator.

    Args:
        clip: Larger weights are cut to it: less variance, and a bias downwards that `doubts` tells of.
        resamples: Bootstrap resamples of the users; all estimators see the same.
        seed: Of them.

    Raises:
        ValueError: the policy is judged on other rows than the log's, or `clip` is not above 0.
    """
    if len(judged.probabilities) != len(log.rewards):
        raise ValueError(f"a policy is judged on {len(judged.probabilities)} rows, but the log has {len(log.rewards)}")
    if clip is not None and not clip > 0:
        raise ValueError(f"weights cannot be clipped to {clip:g}: give a number above 0")
    known = np.isfinite(log.propensities)
    _, users = np.unique(log.users[known], return_inverse=True)
    rewards, predicted, expected = log.rewards[known], judged.predicted[known], judged.expected[known]
    raw = judged.probabilities[known] / log.propensities[known]
    weights = raw if clip is None else np.minimum(raw, clip)
    rewarded = int(((weights > 0) & (rewards != 0)).sum())
    columns = (np.ones(len(users)), weights, rewards, weights * rewards, expected + weights * (rewards - predicted))
    sums = np.stack([np.bincount(users, column).astype(np.float64) for column in columns], axis=1)
    measured = _estimates(sums, resamples, seed) if len(users) else {}
    estimates = {name: measured[name] for name in ESTIMATORS} if weights.any() else {}
    effective = float(weights.sum() ** 2 / (weights @ weights)) if weights.any() else 0.0
    return PolicyValue(
        rows=len(users),
        without_propensity=int((~known).sum()),
        logged=measured.get(LOGGED),
        estimates=estimates,
        rewarded=rewarded,
        effective_rows=effective,
        mean_weight=float(raw.mean()) if len(raw) else 0.0,
        largest_weight=float(raw.max(initial=0.0)),
        clipped=int((weights < raw).sum()),
        doubts=doubts_of(users, raw, weights, int((~known).sum()), effective, rewarded),
    )


def _estimates(sums: FloatArray, resamples: int, seed: int) -> dict[str, Estimate]:
    """What was logged, and every estimate, of the sums by user (U, 5) of 1, w, r, w r and the terms of `dr`.

    Without a reward, as without a second user, there is no variation from which an interval could be told.
    """
    users, total = len(sums), sums.sum(axis=0)
    generator = np.random.default_rng(seed)
    drawn = np.concatenate([_ratios(draw_counts(generator, 1, users) @ sums) for _ in range(resamples)])
    estimates = {}
    for place, (name, (of, over)) in enumerate(_RATIOS.items()):
        if not total[over]:
            continue
        mean = float(total[of] / total[over])
        estimates[name] = Estimate(mean=mean, n=users)
        if users > 1 and total[2 if name == LOGGED else 3]:
            low, high = (float(bound) for bound in np.nanpercentile(drawn[:, place], [2.5, 97.5]))
            error = float(np.linalg.norm(sums[:, of] - mean * sums[:, over]) / total[over])
            estimates[name] = Estimate(mean=mean, low=low, high=high, n=users, standard_error=error)
    return estimates


_RATIOS = {LOGGED: (2, 0), "ips": (3, 0), "snips": (3, 1), "dr": (4, 0)}
"""Each is the sum of one column of `_estimates` over that of another one."""


def _ratios(sums: FloatArray) -> FloatArray:
    """(B, 4) of sums (B, 5); NaN where nothing has a weight."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([sums[:, of] / sums[:, over] for of, over in _RATIOS.values()], axis=1)
