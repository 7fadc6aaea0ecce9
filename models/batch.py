"""Jagged batches: what the encoder reads, rows of different length packed end to end without padding."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.history import Histories
from models.jagged import longest

REACH_MS = 68 * 365 * 24 * 60 * 60 * 1000
"""What lies longer back than this from the latest time of a row is read as just so long ago. Buckets of time grow with
the logarithm, so no data tells them apart there, and attention computes differences in 31 bits of seconds."""


@dataclass(frozen=True)
class JaggedBatch:
    """What the encoder reads.

    Attributes:
        rows: (L,) int64 vocabulary rows.
        timestamps: (L,) int64 epoch milliseconds.
        next_timestamps: (L,) int64, the time of the interaction that follows; at the end of a user, the request time.
        offsets: (B + 1,) int64.
        hidden: (L,) bool, items whose ID the model may not use; all false outside training.
        longest: Length of the longest row, on the host: nobody must ask a device for it. Found where it is not given.

    Raises:
        ValueError: the tensors contradict each other; it names the row. Where `longest` is given the offsets are not
            read, as they may lie on a device: whoever knows it has checked them.
    """

    rows: Tensor
    timestamps: Tensor
    next_timestamps: Tensor
    offsets: Tensor
    hidden: Tensor
    longest: int = -1

    def __post_init__(self) -> None:
        for name in ("timestamps", "next_timestamps", "hidden"):
            if len(getattr(self, name)) != len(self.rows):
                raise ValueError(f"a batch of {len(self.rows)} rows has {len(getattr(self, name))} {name}")
        for name in ("rows", "timestamps", "next_timestamps", "offsets"):
            if getattr(self, name).dtype != torch.int64:
                raise ValueError(f"{name} of the batch are {getattr(self, name).dtype}: they must be int64")
        if self.longest < 0:
            object.__setattr__(self, "longest", _longest(self.offsets, len(self.rows)))
            if (self.rows < 0).any():
                place = int((self.rows < 0).int().argmax())
                raise ValueError(
                    f"token {place} of the batch has item row {int(self.rows[place])}: rows are never negative"
                )

    def to(self, device: torch.device | str) -> "JaggedBatch":
        return replace(
            self,
            rows=self.rows.to(device),
            timestamps=self.timestamps.to(device),
            next_timestamps=self.next_timestamps.to(device),
            offsets=self.offsets.to(device),
            hidden=self.hidden.to(device),
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

    Raises:
        ValueError: request times are not one whole number per user, or lie before the user's last interaction.
    """
    asked = np.asarray(request_times)
    if asked.shape != (len(histories),) or (asked.size and asked.dtype.kind not in "iu"):
        raise ValueError(
            f"request times of {len(histories)} users are {asked.dtype} of shape {asked.shape}: give one in whole "
            "milliseconds per user"
        )
    kept = histories.known().take(np.arange(len(histories)), last=max_length)
    following = np.empty_like(kept.timestamps)
    following[:-1] = kept.timestamps[1:]
    filled = kept.lengths > 0
    ends = kept.offsets[1:][filled] - 1
    following[ends] = asked[filled]
    if (following < kept.timestamps).any():
        user = int(np.flatnonzero(filled)[np.argmax(following[ends] < kept.timestamps[ends])])
        raise ValueError(
            f"user {user} asks at {asked[user]} ms, before the last interaction of the history: cut the history there"
        )
    return _batch(kept, following)


def training_batch(
    histories: Histories, users: np.ndarray, max_length: int, skipped: np.ndarray | None = None
) -> tuple[JaggedBatch, Labels]:
    """Inputs and labels of `users`: each of the last `max_length` interactions predicts the one after it.

    Args:
        histories: Of all users.
        users: (B,) positions in `histories`.
        max_length: Most interactions that the model reads.
        skipped: (B,) int64 most recent interactions that are left out before (`models.windows`); None: none.
    """
    kept = histories.take(users, last=max_length + 1, skipped=skipped)
    filled = kept.lengths > 0
    follows = np.ones(len(kept.rows), bool)
    follows[kept.offsets[:-1][filled]] = False
    followed = np.ones(len(kept.rows), bool)
    followed[kept.offsets[1:][filled] - 1] = False
    inputs, labels = kept.where(followed), kept.where(follows)
    batch = _batch(inputs, following=labels.timestamps)
    return batch, Labels(_tensor(labels.rows, np.int64), _hidden(labels))


def _batch(inputs: Histories, following: np.ndarray) -> JaggedBatch:
    earliest = np.zeros(0, np.int64)
    if len(following):
        filled = inputs.lengths > 0
        earliest = np.repeat(following[inputs.offsets[1:][filled] - 1] - REACH_MS, inputs.lengths[filled])
    return JaggedBatch(
        rows=_tensor(inputs.rows, np.int64),
        timestamps=_tensor(np.maximum(inputs.timestamps, earliest), np.int64),
        next_timestamps=_tensor(np.maximum(following, earliest), np.int64),
        offsets=_tensor(inputs.offsets, np.int64),
        hidden=_hidden(inputs),
        longest=int(inputs.lengths.max(initial=0)),
    )


def _longest(offsets: Tensor, tokens: int) -> int:
    if offsets.dim() != 1 or not len(offsets) or offsets[0] != 0 or offsets[-1] != tokens:
        raise ValueError(f"offsets of a batch of {tokens} rows must run from 0 to {tokens}, not {offsets.tolist()[:5]}")
    lengths = offsets.diff()
    if (lengths < 0).any():
        row = int(lengths.argmin())
        raise ValueError(f"row {row} of the batch has {int(lengths[row])} tokens: offsets never decrease")
    return longest(offsets)


def _hidden(histories: Histories) -> Tensor:
    return _tensor(np.zeros(len(histories.rows), bool) if histories.hidden is None else histories.hidden, np.bool_)


def _tensor(array: np.ndarray, dtype: type) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype))
