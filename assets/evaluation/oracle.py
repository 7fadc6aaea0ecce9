"""The oracle: where the source is a synthetic world, the best that any scorer can expect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from models.evaluation.cases import EvaluationCases
    from models.vocabulary import Vocabulary


@runtime_checkable
class KnownTruth(Protocol):
    """A source that knows what its users want."""

    def expected_feedback(self, user_ids: np.ndarray, item_ids: np.ndarray, day: date) -> np.ndarray:
        """(U, I) float32 expected number of positives of each user on each item on `day`."""
        ...


@dataclass(frozen=True)
class Oracle:
    """Scores by the truth of the day of the request."""

    truth: KnownTruth
    vocabulary: Vocabulary
    name: str = "oracle"

    def score(self, cases: EvaluationCases) -> np.ndarray:
        users, items = cases.user_ids.to_numpy(), self.vocabulary.item_ids.to_numpy()
        days = cases.request_times // 86_400_000
        scores = np.zeros((len(cases), len(items) + 1), np.float32)
        for day in np.unique(days).tolist():
            asked = np.flatnonzero(days == day)
            when = datetime.fromtimestamp(day * 86_400, UTC).date()
            scores[asked, 1:] = self.truth.expected_feedback(users[asked], items, when)
        return scores
