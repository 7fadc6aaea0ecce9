"""Versions on the same cases, as the line's evaluation asks them."""

from collections.abc import Mapping

import numpy as np

from assets.evaluation.evaluate_version import questions_of
from models.artifact import Artifact
from models.evaluation.evaluate import RankingSettings, evaluate
from models.evaluation.model_scorer import ModelScorer
from models.evaluation.report import OVERALL, EvaluationReport, Protocol
from storage.lake import Lake


def side_by_side(
    lake: Lake, candidate: Artifact, versions: Mapping[str, Artifact], parts: Mapping[str, np.ndarray] | None = None
) -> dict[Protocol, EvaluationReport]:
    """Reports of all `versions` by their names, every two compared, on what the training set of `candidate` asks.

    Args:
        parts: Slices of the targets besides all: name to item indices in the vocabulary of `candidate`.
    """
    questions = questions_of(lake, candidate)
    scorers = [ModelScorer(name, artifact, candidate.vocabulary) for name, artifact in versions.items()]
    return {
        protocol: evaluate(
            scorers,
            cases,
            questions.catalogue,
            {
                OVERALL: np.ones(len(cases.targets), bool),
                **{name: np.isin(cases.targets, items) for name, items in (parts or {}).items()},
            },
            RankingSettings(),
            contestants=list(versions),
        )
        for protocol, cases in questions.cases.items()
    }
