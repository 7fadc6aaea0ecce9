"""What the ranker would have earned, had it chosen what was shown: estimates by the propensities of the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assets.ranking.settings import OffPolicySettings
from models.columns import PROPENSITY, SURFACE

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from models.evaluation.off_policy import PolicyValue
    from models.ranking.examples import RankingExamples


def off_policy(
    model: nn.Module,
    examples: RankingExamples,
    actions: Sequence[str],
    settings: OffPolicySettings,
    resamples: int,
    seed: int,
) -> dict[str, dict[str, PolicyValue]]:
    """Action to policy to its value, where taking the action is the reward, and the policy chooses by the ranker.

    For each place where something was shown, a policy chooses among all items that were shown on the same surface in
    the window. The ranker's own probabilities are the reward model: it learned from nothing of the window.

    Args:
        resamples: Bootstrap resamples of the users.
        seed: Of them, and of the choice of users.

    Raises:
        ValueError: the model gives a logit that is not finite.
    """
    import numpy as np

    from models.evaluation.off_policy import LoggedChoices, policy_value
    from models.ranking.policies import POLICIES, choices

    users, taken = examples.owners, examples.taken()
    rows = _rows(users, settings.rows, seed)
    chosen = choices(model, examples, rows, examples.column(SURFACE), settings.temperature)
    propensities = examples.column(PROPENSITY)[rows].astype(np.float64)
    return {
        action: {
            policy: policy_value(
                LoggedChoices(users[rows], propensities, taken[rows, place].astype(np.float64)),
                chosen.policy(policy, place),
                settings.clip,
                resamples,
                seed,
            )
            for policy in POLICIES
        }
        for place, action in enumerate(actions)
    }


def _rows(users: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Ascending positions of all that was shown to some users, drawn until they have `most` of it or more."""
    import numpy as np

    _, numbers = np.unique(users, return_inverse=True)
    counts = np.bincount(numbers)
    drawn = np.random.default_rng(seed).permutation(len(counts))
    enough = int(np.searchsorted(np.cumsum(counts[drawn]), most)) + 1
    return np.flatnonzero(np.isin(numbers, drawn[:enough]))
