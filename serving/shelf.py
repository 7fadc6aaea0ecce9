"""What an answer may choose from, and what became of everything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from serving.catalogue import Catalogue
from serving.schema import Shortage

Cause = Literal["gone", "not_available_yet", "of_other_categories", "seen", "excluded"]

IN_WORDS: dict[Cause, str] = {
    "gone": "no longer in the catalogue",
    "not_available_yet": "not available yet",
    "of_other_categories": "of other categories",
    "seen": "in the history",
    "excluded": "excluded",
}


@dataclass
class Shelf:
    """The items of one request.

    Attributes:
        left: (n + 1,) bool: what may be chosen.
        known: How many items there are.
        taken: How many were taken away, by cause; each for the first cause that applied.
    """

    left: np.ndarray
    known: int
    taken: dict[Cause, int] = field(default_factory=dict)

    @classmethod
    def at(cls, catalogue: Catalogue, now_ms: int) -> Shelf:
        """What can be shown at a moment."""
        shelf = cls(catalogue.known.copy(), int(catalogue.known.sum()))
        shelf.take("gone", catalogue.gone(now_ms))
        shelf.take("not_available_yet", catalogue.coming(now_ms))
        return shelf

    def take(self, cause: Cause, away: np.ndarray) -> None:
        """Takes the items away at which `away` (n + 1,) is true."""
        self.taken[cause] = int((self.left & away).sum())
        self.left &= ~away

    def marked(self, items: np.ndarray) -> np.ndarray:
        """(n + 1,) bool, true at the indices `items`."""
        mask = np.zeros(len(self.left), bool)
        mask[items] = True
        return mask

    def shortage(self, found: int, wanted: int) -> Shortage | None:
        """Why `found` items are fewer than `wanted`; None where they are not."""
        if found >= wanted:
            return None
        without_score = int(self.left.sum()) - found
        causes = [f"{count} {IN_WORDS[cause]}" for cause, count in self.taken.items() if count]
        causes += [f"{without_score} without a score"] if without_score else []
        others = f", the others are: {', '.join(causes)}" if causes else ""
        return Shortage(
            detail=f"{found} of {wanted} items: {self.known} are known{others}",
            known=self.known,
            without_score=without_score,
            **self.taken,
        )
