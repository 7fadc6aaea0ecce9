"""A trained version as a scorer, on its own vocabulary or on that of a newer version."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.evaluation.cases import EvaluationCases, IntArray
from models.interactions import Interactions
from models.vocabulary import Vocabulary

if TYPE_CHECKING:
    from models.artifact import Artifact


@dataclass(frozen=True)
class ModelScorer:
    """Scores by the path that the endpoint uses.

    Attributes:
        name: Its name in reports.
        artifact: The version.
        vocabulary: The vocabulary of the cases. Items that the version does not know are skipped in histories and
            never recommended, as in production.
    """

    name: str
    artifact: Artifact
    vocabulary: Vocabulary
    own_index: IntArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        own = self.artifact.vocabulary.indices(self.vocabulary.item_ids)
        object.__setattr__(self, "own_index", np.concatenate([[0], own]))

    def score(self, cases: EvaluationCases) -> NDArray[np.float32]:
        """(B, n+1) cosine of user and item; minus infinity for unknown items."""
        return self.score_own(cases.histories.renumbered(self.own_index), cases.request_times)

    def score_own(self, histories: Interactions, request_times: IntArray) -> NDArray[np.float32]:
        """The same of histories in the terms of the version."""
        scores: NDArray[np.float32] = self.artifact.family.score(self.artifact, histories, request_times).numpy()
        # Index 0 scores minus infinity, and it is that of every item that the version does not know.
        return scores[:, self.own_index]
