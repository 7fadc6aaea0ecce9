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
        hidden: (L,) bool, items whose ID the model may not use; all false outside training.
    """

    rows: Tensor
    timestamps: Tensor
    next_timestamps: Tensor
    offsets: Tensor
    hidden: Tensor

    def to(self, device: torch.device | str) -> "JaggedBatch":
        return JaggedBatch(
            self.rows.to(device),
            self.timestamps.to(device),
            self.next_timestamps.to(device),
            self.offsets.to(device),
            self.hidden.to(device),
        )


@dataclass(frozen=True)
class Labels:
    """What comes next at every position of a batch: (L,) int64 `rows`, and (L,) bool `hidden` as in the batch."""

    rows: Tensor
    hidden: Tensor

    def to(self, device: torch.device | str) -> "Labels":
        return Labels(self.rows.to(device), self.hidden.to(device))


def request_batch(histories: Histories, request_times: np.ndarray, max_length: int) -> JaggedBatch:
    """The batch that answers requests at `request_times` (B,) int64 ms: the last `max_length` known interactions.

    The one place that truncates a history for scoring; offline evaluation and the endpoint both come here.
    """
    kept = histories.known().take(np.arange(len(histories)), last=max_length)
    following = np.empty_like(kept.timestamps)
    following[:-1] = kept.timestamps[1:]
    ends = kept.offsets[1:][kept.lengths > 0] - 1
    following[ends] = np.asarray(request_times, np.int64)[kept.lengths > 0]
    return _batch(kept, following)


def training_batch(histories: Histories, users: np.ndarray, max_length: int) -> tuple[JaggedBatch, Labels]:
    """Inputs and labels of `users`: each of the last `max_length` interactions predicts the one after it."""
    kept = histories.take(users, last=max_length + 1)
    filled = kept.lengths > 0
    follows = np.ones(len(kept.rows), bool)
    follows[kept.offsets[:-1][filled]] = False
    followed = np.ones(len(kept.rows), bool)
    followed[kept.offsets[1:][filled] - 1] = False
    inputs, labels = kept.where(followed), kept.where(follows)
    batch = _batch(inputs, following=labels.timestamps)
    return batch, Labels(_tensor(labels.rows, np.int64), _hidden(labels))


def _batch(inputs: Histories, following: np.ndarray) -> JaggedBatch:
    return JaggedBatch(
        rows=_tensor(inputs.rows, np.int64),
        timestamps=_tensor(inputs.timestamps, np.int64),
        next_timestamps=_tensor(following, np.int64),
        offsets=_tensor(inputs.offsets, np.int64),
        hidden=_hidden(inputs),
    )


def _hidden(histories: Histories) -> Tensor:
    return _tensor(np.zeros(len(histories.rows), bool) if histories.hidden is None else histories.hidden, np.bool_)


def _tensor(array: np.ndarray, dtype: type) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype))
