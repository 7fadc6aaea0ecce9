"""Merging adjacent actions of the same kind into one step (Netflix spec section 7: "byte-pair-encoding style").

Somebody who watches one film in five sittings leaves five actions, and one token says as much: which film, when last,
how long in all, what came of it, how often. Histories become shorter, so that the model sees further back.

What is "the same kind" is a choice: `item`, the same item whatever was done with it; `kind`, the same item and the
same set of actions, so that a click and the purchase after it stay two steps.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Merging = Literal["item", "kind"]


@dataclass(frozen=True)
class Steps:
    """What B users did, oldest first, as flat arrays.

    Attributes:
        offsets: (B + 1,) int64; user b owns `rows[offsets[b]:offsets[b + 1]]`.
        rows: (L,) integer item rows 1..n, 0 where unknown.
        started: (L,) int64 epoch milliseconds of the first action of a step.
        timestamps: (L,) int64 ms of its last action: who cuts time before it has seen no part of the step.
        actions: (L,) int32 bit masks of what was done.
        values: (L,) float32 durations, prices and the like, NaN where there is none.
        surfaces: (L,) integer position of the first action's surface among their names, -1 where it had none.
        counts: (L,) int64 actions that were merged into a step.

    Raises:
        ValueError: the arrays differ in length.
    """

    offsets: np.ndarray
    rows: np.ndarray
    started: np.ndarray
    timestamps: np.ndarray
    actions: np.ndarray
    values: np.ndarray
    surfaces: np.ndarray
    counts: np.ndarray

    def __post_init__(self) -> None:
        for name in ("started", "timestamps", "actions", "values", "surfaces", "counts"):
            if len(getattr(self, name)) != self.offsets[-1] or len(self.rows) != self.offsets[-1]:
                raise ValueError(
                    f"steps hold {len(self.rows)} rows and {len(getattr(self, name))} {name}, but the offsets end at "
                    f"{self.offsets[-1]}: all three must agree"
                )


def merge_adjacent(steps: Steps, by: Merging, cutoff_ms: int | None = None) -> Steps:
    """Runs of one kind as one step each: values summed, actions OR-ed, counts added.

    The surface is that of the first action, the one whose request began the step. No value is lost: one that is
    missing adds nothing, and the sum of missing ones is missing. Doing it twice does nothing more.

    Args:
        steps: Oldest first, and not merged across `cutoff_ms` before.
        by: What is the same kind.
        cutoff_ms: What happened before this moment is not merged with what happened at it or later; None: no such.
    """
    same = [steps.actions] if by == "kind" else []
    sides = [] if cutoff_ms is None else [steps.timestamps >= cutoff_ms]
    ends = run_ends(steps.offsets, steps.rows, *same, *sides)
    if not len(ends):
        return steps
    starts = np.concatenate([[0], ends[:-1] + 1])
    missing = np.isnan(steps.values)
    sums = np.add.reduceat(np.where(missing, 0, steps.values).astype(np.float64), starts)
    return Steps(
        offsets=np.searchsorted(ends, steps.offsets),
        rows=steps.rows[ends],
        started=steps.started[starts],
        timestamps=steps.timestamps[ends],
        actions=np.bitwise_or.reduceat(steps.actions, starts),
        values=np.where(np.logical_and.reduceat(missing, starts), np.nan, sums).astype(np.float32),
        surfaces=steps.surfaces[starts],
        counts=np.add.reduceat(steps.counts, starts),
    )


def run_ends(offsets: np.ndarray, rows: np.ndarray, *same: np.ndarray) -> np.ndarray:
    """(S,) int64 positions of the last element of every run: one user, one known item, and alike in all of `same`."""
    if not len(rows):
        return np.empty(0, np.int64)
    continues = (rows[1:] == rows[:-1]) & (rows[1:] > 0)
    for values in same:
        continues &= values[1:] == values[:-1]
    inner = offsets[(offsets > 0) & (offsets < len(rows))]
    continues[inner - 1] = False
    return np.flatnonzero(np.append(~continues, True))
