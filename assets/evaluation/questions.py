"""From tables to what the evaluation asks: cases by vocabulary row, training histories, candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.evaluation.split import REQUEST_TIME, TARGET_IDS, Split
from models.columns import AVAILABLE_FROM, ITEM_ID, USER_ID

if TYPE_CHECKING:
    from models.evaluation.cases import EvaluationCases
    from models.evaluation.report import Protocol
    from models.evaluation.scorer import Catalogue
    from models.history import Histories
    from models.vocabulary import Vocabulary


@dataclass(frozen=True)
class Questions:
    """One split in terms of one vocabulary: what the baselines learn from, and what every scorer is asked."""

    training: Histories
    cases: dict[Protocol, EvaluationCases]
    catalogue: Catalogue


def make_questions(split: Split, items: pl.DataFrame, vocabulary: Vocabulary) -> Questions:
    """Args:
    split: The split that the candidate was trained on.
    items: `item_id`, `available_from` of the catalogue, one row per item.
    vocabulary: The candidate's vocabulary; a target that it lacks counts as a miss of every scorer.
    """
    from models.evaluation.scorer import Catalogue
    from models.history import histories

    training = histories(split.training, vocabulary)
    trained = np.bincount(training.rows, minlength=len(vocabulary) + 1) > 0
    frames: dict[Protocol, pl.DataFrame] = {"time": split.time_cases, "leave_one_out": split.leave_one_out_cases}
    return Questions(
        training=training,
        cases={protocol: _cases(frame, vocabulary) for protocol, frame in frames.items() if frame.height},
        catalogue=Catalogue(available_from=_available_from(items, vocabulary), cold=~trained),
    )


def _cases(frame: pl.DataFrame, vocabulary: Vocabulary) -> EvaluationCases:
    from models.evaluation.cases import EvaluationCases
    from models.history import histories

    return EvaluationCases(
        user_ids=frame[USER_ID],
        histories=histories(frame, vocabulary),
        request_times=frame[REQUEST_TIME].dt.epoch("ms").to_numpy(),
        target_rows=vocabulary.rows(frame[TARGET_IDS].explode()),
        target_offsets=np.concatenate([[0], np.cumsum(frame[TARGET_IDS].list.len().to_numpy().astype(np.int64))]),
    )


def _available_from(items: pl.DataFrame, vocabulary: Vocabulary) -> np.ndarray:
    """(n+1,) int64 ms; 0 for items that the catalogue does not know or gives no time."""
    times = np.zeros(len(vocabulary) + 1, np.int64)
    times[vocabulary.rows(items[ITEM_ID])] = items[AVAILABLE_FROM].dt.epoch("ms").fill_null(0).to_numpy()
    times[0] = 0
    return times
