"""Parts of what a ranker is asked, each measured by itself: by surface, by length of history, by age of the item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.columns import STARTED, SURFACE

if TYPE_CHECKING:
    import numpy as np

    from models.ranking.examples import RankingExamples

SURFACES = 6
"""The surfaces on which most was shown; the others are no slices."""

HISTORY_LENGTHS = (0, 1, 16, 64, 256)
"""Where classes of histories begin."""

AGES = (0, 1, 7, 30)
"""Days where classes of ages begin."""

DAY_MS = 86_400_000


def slices_of(
    examples: RankingExamples, learned: RankingExamples, items: int, surfaces: Sequence[str]
) -> dict[str, np.ndarray]:
    """Name to a (T,) mask of the candidates; slices that hold none are left out.

    Args:
        examples: What is asked.
        learned: What was learned from; an item's age counts from when it first shows an item.
        items: n of the vocabulary.
        surfaces: Their names by code; without any there are no slices by surface.
    """
    import numpy as np

    first = np.full(items + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, learned.items, learned.column(STARTED))
    age = (examples.column(STARTED) - first[examples.items]) // DAY_MS
    slices = {
        **(_by_surface(examples.column(SURFACE), surfaces) if surfaces else {}),
        **_by_class("history", examples.history_lengths, HISTORY_LENGTHS, ""),
        "item never shown before": first[examples.items] == np.iinfo(np.int64).max,
        **_by_class("item's age", age, AGES, " days"),
    }
    return {name: mask for name, mask in slices.items() if mask.any()}


def _by_surface(codes: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    import numpy as np

    shown = np.bincount(codes[codes >= 0], minlength=len(names))
    most = np.argsort(-shown, kind="stable")[:SURFACES]
    return {f"surface {names[code]}": codes == code for code in most.tolist()}


def _by_class(what: str, values: np.ndarray, begins: Sequence[int], unit: str) -> dict[str, np.ndarray]:
    """Masks of `begin` to the next one (exclusive), the last one open; what is below the first is in none."""
    named = {}
    for begin, end in zip(begins, [*begins[1:], None], strict=True):
        single = end is not None and end == begin + 1
        name = f"{begin}" if single else f"{begin} or more" if end is None else f"{begin}-{end - 1}"
        named[f"{what} {name}{unit}"] = (values >= begin) & ((values < end) if end is not None else True)
    return named
