"""Jagged batches: what the encoder reads, rows of different length packed end to end without padding."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.history import Histories


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
