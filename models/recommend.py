"""The best items for users: the model's scores, or popularity where it has nothing to read; endpoint and notebook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.interactions import Interactions
from models.top_k import top_k_of_each

if TYPE_CHECKING:
    from torch import Tensor

    from models.artifact import Artifact

OnFailure = Callable[[Exception], object]
Score = Callable[["Artifact", Interactions, NDArray[np.int64]], "Tensor"]
"""(B, n + 1) scores of every item for each of B users, as `Family.score` gives them."""


@dataclass(frozen=True)
class Recommended:
    """Lists for B users.

    Attributes:
        items: (B, K) int64 indices of the best items, best first; 0 where there are fewer.
        scores: (B, K) float32 scores of the model, by its family (`Family.score`), or popularity.
        by_model: (B,) bool, false where popularity answered.
    """

    items: NDArray[np.int64]
    scores: NDArray[np.float32]
    by_model: NDArray[np.bool_]


def recommend(
    artifact: Artifact,
    histories: Interactions,
    request_times: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    k: int,
    on_failure: OnFailure | None = None,
    score: Score | None = None,
) -> Recommended:
    """The `k` best of the allowed items for each of B users.

    A user without a known item gets what is popular, and so does everybody from a family that reads nothing.

    Args:
        histories: B users.
        request_times: (B,) int64 epoch milliseconds; one before a user's last interaction is taken at its time.
        allowed: (B, n + 1) bool, the items that may be listed.
        k: Length of the lists.
        on_failure: Told what the model failed with; everyone then gets what is popular. None: the failure is raised.
        score: What scores in the place of the version's family.

    Raises:
        ValueError: the model cannot score, and nobody is there to be told.
    """
    known = histories.known()
    readable = known.lengths > 0
    asked = request_times.copy()
    asked[readable] = np.maximum(asked[readable], known.timestamps[known.offsets[1:][readable] - 1])
    scores = np.tile(artifact.vocabulary.popularity, (len(histories), 1))
    reads = artifact.family.reads != "nothing"
    try:
        users = np.flatnonzero(readable) if reads else np.arange(len(histories))
        if len(users):
            scores[users] = (score or artifact.family.score)(artifact, known.take(users), asked[users]).numpy()
    except Exception as error:
        if on_failure is None:
            raise
        on_failure(error)
        readable = np.zeros(len(histories), bool)
    best = top_k_of_each(scores, allowed & artifact.vocabulary.known, k)
    return Recommended(best, np.take_along_axis(scores, best, axis=1), readable & reads)
