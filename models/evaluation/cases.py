"""The questions of an offline evaluation: users with a history, and the items they chose next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.interactions import Interactions

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class EvaluationCases:
    """One case per user; B cases, histories and targets jagged (values and offsets).

    Items go by their indices 1..n in the vocabulary. 0 in a history is an item that it does not know; 0 among the
    targets is one that no scorer can recommend: it counts as a miss.

    Attributes:
        user_ids: (B,) raw ids.
        histories: The B users' interactions before their request.
        request_times: (B,) int64 epoch ms: when the recommendation is asked for.
        targets: (T,) int64, distinct within a case apart from 0; at least one a case.
        target_offsets: (B+1,) int64.
        repeats: Whether the items of a history are candidates.
        known_until: (B,) int64 epoch ms: what happened later is hidden, though it was before the request. None: nothing
            is.

    Raises:
        ValueError: the arrays contradict each other or the above.
    """

    user_ids: pl.Series
    histories: Interactions
    request_times: IntArray
    targets: IntArray
    target_offsets: IntArray
    repeats: bool = False
    known_until: IntArray | None = None

    def __post_init__(self) -> None:
        if not len(self.user_ids) == len(self.histories) == len(self.request_times) == len(self.target_offsets) - 1:
            raise ValueError(
                f"cases of {len(self.user_ids)} users have {len(self.histories)} histories, "
                f"{len(self.request_times)} request times and targets of {len(self.target_offsets) - 1}"
            )
        if self.target_offsets[0] != 0 or self.target_offsets[-1] != len(self.targets):
            raise ValueError(f"target_offsets must run from 0 to {len(self.targets)}, the number of targets")
        if self.targets.min(initial=0) < 0:
            raise ValueError("a target is negative: indices are 1..n, and 0 for an unknown item")
        self._refuse(np.diff(self.target_offsets) < 1, "has no target")
        late = self.histories.timestamps > self.request_times[self.history_cases]
        self._refuse(np.bincount(self.history_cases[late], minlength=len(self)) > 0, "has history after its request")
        self._refuse(self._repeats_a_target(), "names a target twice")

    def __len__(self) -> int:
        return len(self.user_ids)

    @property
    def history_cases(self) -> IntArray:
        """(L,) the case that each history element belongs to."""
        return np.repeat(np.arange(len(self)), self.histories.lengths)

    @property
    def target_cases(self) -> IntArray:
        """(T,) the case that each target belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.target_offsets))

    def part(self, start: int, stop: int) -> EvaluationCases:
        """The cases `start` to `stop` (exclusive)."""
        return self.take(np.arange(start, stop))

    def take(self, chosen: IntArray) -> EvaluationCases:
        """The cases at the positions `chosen`."""
        counts = np.diff(self.target_offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        targets = np.arange(offsets[-1]) + np.repeat(self.target_offsets[chosen] - offsets[:-1], counts)
        return EvaluationCases(
            user_ids=self.user_ids.gather(pl.Series(chosen)),
            histories=self.histories.take(chosen),
            request_times=self.request_times[chosen],
            targets=self.targets[targets],
            target_offsets=offsets,
            repeats=self.repeats,
            known_until=None if self.known_until is None else self.known_until[chosen],
        )

    def stale(self, age_ms: int) -> EvaluationCases:
        """The same asked of states that are so old: what happened in the time before the request is hidden."""
        known_until = self.request_times - age_ms
        known = self.histories.timestamps <= known_until[self.history_cases]
        return replace(self, histories=self.histories.where(known), known_until=known_until)

    def batches(self, size: int) -> Iterator[EvaluationCases]:
        for start in range(0, len(self), size):
            yield self.part(start, min(start + size, len(self)))

    def _refuse(self, wrong: NDArray[np.bool_], what: str) -> None:
        if wrong.any():
            raise ValueError(f"the case of user {self.user_ids[int(np.argmax(wrong))]!r} {what}")

    def _repeats_a_target(self) -> NDArray[np.bool_]:
        known = self.targets > 0
        cases, items = self.target_cases[known], self.targets[known]
        order = np.lexsort((items, cases))
        repeated = (np.diff(items[order]) == 0) & (np.diff(cases[order]) == 0)
        return np.bincount(cases[order][1:][repeated], minlength=len(self)) > 0
