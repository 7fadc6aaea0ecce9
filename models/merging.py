"""Merging adjacent interactions of one kind into one (Netflix spec section 7: "byte-pair-encoding style").

Somebody who watches one film in five sittings leaves five interactions, and one token says as much: which film, when
last, how long in all, what came of it, how often. Histories become shorter, so that the model sees further back.

What is "one kind" is a choice: `item`, the same item whatever was done with it; `kind`, the same item and the same set
of actions, so that a click and the purchase after it stay two interactions.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np

from models.columns import (
    ACTIONS,
    COUNT,
    ID_MASKED,
    ITEM_INDEX,
    REPEATED,
    REQUEST_GROUP,
    STARTED,
    SURFACE,
    TIMESTAMP,
    VALUE,
)
from models.known import Known

Merging = Literal["item", "kind"]

Rule = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(column, starts, ends) -> the column of the merged interactions; starts and ends are positions of each run."""


def merge_runs(
    offsets: np.ndarray,
    columns: Mapping[str, np.ndarray],
    declared: Mapping[str, Known],
    by: Merging,
    cutoff_ms: int | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Offsets and columns with every run of one kind as one interaction, by one rule for each column.

    No value is lost: one that is missing adds nothing, and the sum of missing ones is missing. Doing it twice does
    nothing more.

    Args:
        offsets: (B + 1,) int64 user boundaries.
        columns: (L,) arrays, oldest first, and not merged across `cutoff_ms` before; by kind with `actions`.
        declared: When a column that a profile declares is known, which decides its rule.
        by: What is one kind.
        cutoff_ms: What happened before this moment is not merged with what happened at it or later; None: no such.
    """
    same = [columns[ACTIONS]] if by == "kind" else []
    sides = [] if cutoff_ms is None else [columns[TIMESTAMP] >= cutoff_ms]
    ends = run_ends(offsets, columns[ITEM_INDEX], *same, *sides)
    if not len(ends):
        return offsets, dict(columns)
    starts = np.concatenate([[0], ends[:-1] + 1])
    merged = {
        name: (RULES.get(name) or DECLARED_RULES[declared[name]])(column, starts, ends)
        for name, column in columns.items()
    }
    return np.searchsorted(ends, offsets), merged


def run_ends(offsets: np.ndarray, items: np.ndarray, *same: np.ndarray) -> np.ndarray:
    """(S,) int64 positions of the last element of every run: one user, one known item, and alike in all of `same`."""
    if not len(items):
        return np.empty(0, np.int64)
    continues = (items[1:] == items[:-1]) & (items[1:] > 0)
    for values in same:
        continues &= values[1:] == values[:-1]
    inner = offsets[(offsets > 0) & (offsets < len(items))]
    continues[inner - 1] = False
    return np.flatnonzero(np.append(~continues, True))


def _first(column: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return column[starts]


def _last(column: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return column[ends]


def _union(column: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return np.bitwise_or.reduceat(column, starts)


def _added(column: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return np.add.reduceat(column, starts)


def _sum_of_what_is_there(column: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    missing = np.isnan(column)
    sums = np.add.reduceat(np.where(missing, 0, column).astype(np.float64), starts)
    return np.where(np.logical_and.reduceat(missing, starts), np.nan, sums).astype(column.dtype)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        ITEM_INDEX: _last,
        # Who cuts time before the last action of a merged interaction has seen no part of it.
        TIMESTAMP: _last,
        ID_MASKED: _last,
        STARTED: _first,
        # Who chose it in between chose the same item.
        REPEATED: _first,
        # The request that began the run.
        SURFACE: _first,
        REQUEST_GROUP: _first,
        ACTIONS: _union,
        VALUE: _sum_of_what_is_there,
        COUNT: _added,
    }
)
DECLARED_RULES: Mapping[Known, Rule] = MappingProxyType({"request": _first, "outcome": _last})
