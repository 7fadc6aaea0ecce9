"""Jagged histories and batches: rows of different length, packed end to end without padding."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Histories:
    """Interactions of B users, oldest first.

    Attributes:
        rows: (L,) int64 vocabulary rows, 1..n; 0 stands for an item that the vocabulary does not know.
        timestamps: (L,) int64 epoch milliseconds, not decreasing within a user.
        offsets: (B + 1,) int64; user b owns `rows[offsets[b]:offsets[b + 1]]`.
    """

    rows: np.ndarray
    timestamps: np.ndarray
    offsets: np.ndarray

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.timestamps) or len(self.rows) != self.offsets[-1]:
            raise ValueError(
                f"histories hold {len(self.rows)} rows and {len(self.timestamps)} timestamps, "
                f"but the offsets end at {self.offsets[-1]}: all three must agree"
            )

    @classmethod
    def of(cls, histories: Sequence[tuple[Sequence[int], Sequence[int]]]) -> "Histories":
        """Packs (rows, timestamps) pairs, one per user."""
        lengths = [len(rows) for rows, _ in histories]
        return cls(
            rows=np.concatenate([np.asarray(rows, np.int64) for rows, _ in histories] or [np.empty(0, np.int64)]),
            timestamps=np.concatenate(
                [np.asarray(times, np.int64) for _, times in histories] or [np.empty(0, np.int64)]
            ),
            offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(B,) int64 number of interactions of each user."""
        return np.diff(self.offsets)

    def take(self, users: np.ndarray, last: int | None = None) -> "Histories":
        """The histories of `users` (positions), each cut to its `last` most recent interactions."""
        ends = self.offsets[users + 1]
        lengths = ends - self.offsets[users]
        if last is not None:
            lengths = np.minimum(lengths, last)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        positions = np.arange(offsets[-1]) + np.repeat(ends - lengths - offsets[:-1], lengths)
        return Histories(self.rows[positions], self.timestamps[positions], offsets)

    def known(self) -> "Histories":
        """Without the interactions whose item the vocabulary does not know."""
        keep = self.rows > 0
        kept_before = np.concatenate([[0], np.cumsum(keep)])
        return Histories(self.rows[keep], self.timestamps[keep], kept_before[self.offsets])


@dataclass(frozen=True)
class JaggedBatch:
    """What the encoder reads.

    Attributes:
        rows: (L,) int64 vocabulary rows.
        timestamps: (L,) int64 epoch milliseconds.
        next_timestamps: (L,) int64, the time of the interaction that follows; at the end of a user, the request time.
        offsets: (B + 1,) int64.
    """

    rows: Tensor
    timestamps: Tensor
    next_timestamps: Tensor
    offsets: Tensor

    def to(self, device: torch.device | str) -> "JaggedBatch":
        return JaggedBatch(
            self.rows.to(device), self.timestamps.to(device), self.next_timestamps.to(device), self.offsets.to(device)
        )


def request_batch(histories: Histories, request_times: np.ndarray, max_length: int) -> JaggedBatch:
    """The batch that answers requests at `request_times` (B,) int64 ms: the last `max_length` known interactions.

    The one place that truncates a history for scoring; offline evaluation and the endpoint both come here.
    """
    kept = histories.known().take(np.arange(len(histories)), last=max_length)
    following = np.empty_like(kept.timestamps)
    following[:-1] = kept.timestamps[1:]
    ends = kept.offsets[1:][kept.lengths > 0] - 1
    following[ends] = np.asarray(request_times, np.int64)[kept.lengths > 0]
    return _batch(kept.rows, kept.timestamps, following, kept.offsets)


def training_batch(histories: Histories, users: np.ndarray, max_length: int) -> tuple[JaggedBatch, Tensor]:
    """Inputs and labels of `users`: each of the last `max_length` interactions predicts the one after it.

    Returns:
        The batch of all interactions but each user's last, and the (L,) int64 rows that follow them.
    """
    kept = histories.take(users, last=max_length + 1)
    first = np.zeros(len(kept.rows), bool)
    first[kept.offsets[:-1][kept.lengths > 0]] = True
    last = np.zeros(len(kept.rows), bool)
    last[kept.offsets[1:][kept.lengths > 0] - 1] = True
    lengths = np.maximum(kept.lengths - 1, 0)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    batch = _batch(kept.rows[~last], kept.timestamps[~last], kept.timestamps[~first], offsets)
    return batch, torch.from_numpy(np.ascontiguousarray(kept.rows[~first]))


def _batch(rows: np.ndarray, timestamps: np.ndarray, following: np.ndarray, offsets: np.ndarray) -> JaggedBatch:
    arrays = (rows, timestamps, following, offsets)
    return JaggedBatch(*(torch.from_numpy(np.ascontiguousarray(array, np.int64)) for array in arrays))
