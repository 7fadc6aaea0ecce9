"""What is evaluated: anything that scores the whole catalogue for a batch of cases."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.evaluation.cases import EvaluationCases


class Scorer(Protocol):
    """A model or a baseline.

    `score` gives (B, n+1) float32, higher is better, column i for the item of index i; column 0 is ignored. Minus
    infinity means "never recommended"; NaN is an error. A scorer must not look at the cases' targets.
    """

    @property
    def name(self) -> str: ...

    def score(self, cases: EvaluationCases) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Catalogue:
    """What the evaluation knows of the n items of the vocabulary, by index; 0 is padding.

    Attributes:
        available_from: (n+1,) int64, ms since the epoch; an item is not a candidate for an earlier request.
        cold: (n+1,) bool, true for items without an interaction in training.
        gone_from: (n+1,) int64, ms since the epoch; an item is not a candidate for this request or a later one. None:
            nothing is gone.
        known: (n+1,) bool, false for items that nobody can know: they are no candidates ever. None: all are known.
    """

    available_from: NDArray[np.int64]
    cold: NDArray[np.bool_]
    gone_from: NDArray[np.int64] | None = None
    known: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        given = [
            array.shape for array in (self.available_from, self.cold, self.gone_from, self.known) if array is not None
        ]
        if len(set(given)) > 1 or len(self.cold) < 2:
            raise ValueError(f"a catalogue of n items needs n+1 entries in all arrays, n > 0; got {given}")

    @property
    def items(self) -> int:
        """n, the greatest index."""
        return len(self.cold) - 1

    @property
    def offered(self) -> int:
        """Number of known items."""
        return self.items if self.known is None else int(self.known[1:].sum())
