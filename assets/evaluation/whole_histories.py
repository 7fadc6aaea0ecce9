"""Versions that read all that happened, asked what the others are asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.splits.request_moments import RequestMoments
from models.interactions import Interactions
from serving.history import read_whole
from storage.sequence_store import SequenceFiles

if TYPE_CHECKING:
    from models.artifact import Artifact
    from models.evaluation.cases import EvaluationCases
    from models.evaluation.model_scorer import ModelScorer


@dataclass(frozen=True)
class WholeHistoryScorer:
    """Scores by the path that the endpoint uses, from all that the users of the cases had done.

    Attributes:
        model: The version, and the vocabulary of the cases.
        histories: Of C cases, in the terms of the version.
        places: User and time of the request to the place of the case in `histories`.
    """

    model: ModelScorer
    histories: Interactions
    places: dict[tuple[str | int, int], int]

    @property
    def name(self) -> str:
        return self.model.name

    @classmethod
    def of(
        cls,
        model: ModelScorer,
        log: SequenceFiles,
        protocols: Iterable[EvaluationCases],
        cutoff_ms: int,
    ) -> WholeHistoryScorer:
        """Reads what it needs of the log, which holds what the cases ask for, too.

        Args:
            protocols: The cases of each.
            cutoff_ms: Nothing of later is read.
        """
        histories: list[Interactions] = []
        places: dict[tuple[str | int, int], int] = {}
        for cases in protocols:
            histories.append(_before(log, model.artifact, cases, cutoff_ms))
            for key in _keys(cases):
                places[key] = len(places)
        return cls(model, Interactions.concatenated(histories), places)

    def score(self, cases: EvaluationCases) -> np.ndarray:
        """(B, n+1) scores; minus infinity for unknown items."""
        own = self.histories.take(np.array([self.places[key] for key in _keys(cases)], np.int64))
        if cases.known_until is not None:
            own = own.where(own.timestamps <= np.repeat(cases.known_until, own.lengths))
        return self.model.score_own(own, cases.request_times)


def _keys(cases: EvaluationCases) -> list[tuple[str | int, int]]:
    return list(zip(cases.user_ids.to_list(), cases.request_times.tolist(), strict=True))


def _before(log: SequenceFiles, artifact: Artifact, cases: EvaluationCases, cutoff_ms: int) -> Interactions:
    """All that the user of each case may be known to have done, in the order of the cases."""
    asked = RequestMoments(cases.user_ids, cases.request_times)
    users, parts = [], []
    for part in read_whole(log, artifact):
        some = part.take(np.flatnonzero(part.users.is_in(cases.user_ids.implode()).to_numpy()))
        users.append(some.users)
        parts.append(some.where(asked.before(some, cutoff_ms)).interactions)
    order = pl.DataFrame({"user": pl.concat(users)}).with_row_index("place")
    wanted = cases.user_ids.alias("user").to_frame().join(order, on="user", how="left", maintain_order="left")
    return Interactions.concatenated(parts).take(wanted["place"].to_numpy())
