"""Small synthetic cases, and a scorer that answers from a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.evaluation.cases import EvaluationCases
from models.evaluation.scorer import Catalogue
from models.interactions import Interactions

Case = tuple[Sequence[int], Sequence[int]]
"""(history rows, target rows)"""


def make_cases(cases: Sequence[Case], request_time: int = 1_000) -> EvaluationCases:
    """Histories at times 0, 1, 2 ..., users numbered from 0."""
    targets = [list(wanted) for _, wanted in cases]
    return EvaluationCases(
        user_ids=pl.Series(range(len(cases)), dtype=pl.Int64),
        histories=Interactions.of([(rows, range(len(rows))) for rows, _ in cases]),
        request_times=np.full(len(cases), request_time, np.int64),
        targets=np.array([row for wanted in targets for row in wanted], np.int64),
        target_offsets=np.cumsum([0, *map(len, targets)]),
    )


def make_catalogue(items: int, cold: Sequence[int] = (), later: Sequence[int] = ()) -> Catalogue:
    """`later` items become available after every request."""
    rows = np.arange(items + 1)
    return Catalogue(np.where(np.isin(rows, later), 1 << 60, 0), np.isin(rows, cold))


@dataclass(frozen=True)
class TableScorer:
    """Scores user u by row u of a table."""

    table: NDArray[np.float32]
    name: str = "table"

    def score(self, cases: EvaluationCases) -> NDArray[np.float32]:
        return self.table[cases.user_ids.to_numpy()]
