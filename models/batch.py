"""Jagged batches: what the encoder reads, users of different length packed end to end without padding."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from models.columns import ID_MASKED, REPEATED
from models.interactions import Interactions
from models.jagged import longest
from models.stochastic_length import StochasticLength

REACH_MS = 68 * 365 * 24 * 60 * 60 * 1000
"""What lies longer back than this from the latest time of a user is read as just so long ago. Buckets of time grow with
the logarithm, so no data tells them apart there, and attention computes differences in 31 bits of seconds."""


@dataclass(frozen=True)
class JaggedBatch:
    """What the encoder reads.

    Attributes:
        item_index: (L,) int64 indices in the vocabulary.
        timestamps: (L,) int64 epoch milliseconds.
        next_timestamps: (L,) int64, the time of the interaction that follows; at the end of a user, the request time.
        offsets: (B + 1,) int64.
        id_masked: (L,) bool, items whose ID the model may not use; all false outside training.
        columns: (L,) further columns of the interactions by name, as many as the model asks for.
        longest: Length of the longest user, on the host: nobody must ask a device for it. Found where it is not given.

    Raises:
        ValueError: the tensors contradict each other; it names the user. Where `longest` is given the offsets are not
            read, as they may lie on a device: whoever knows it has checked them.
    """

    item_index: Tensor
    timestamps: Tensor
    next_timestamps: Tensor
    offsets: Tensor
    id_masked: Tensor
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    longest: int = -1

    def __post_init__(self) -> None:
        per_token = {name: getattr(self, name) for name in ("timestamps", "next_timestamps", "id_masked")}
        for name, values in (per_token | dict(self.columns)).items():
            if len(values) != len(self.item_index):
                raise ValueError(f"a batch of {len(self.item_index)} tokens has {len(values)} {name}")
        for name in ("item_index", "timestamps", "next_timestamps", "offsets"):
            if getattr(self, name).dtype != torch.int64:
                raise ValueError(f"{name} of the batch are {getattr(self, name).dtype}: they must be int64")
        if self.longest < 0:
            object.__setattr__(self, "longest", _longest(self.offsets, len(self.item_index)))
            if (self.item_index < 0).any():
                place = int((self.item_index < 0).int().argmax())
                raise ValueError(
                    f"token {place} of the batch has item index {int(self.item_index[place])}: indices are never "
                    "negative"
                )

    def to(self, device: torch.device | str) -> "JaggedBatch":
        return replace(
            self,
            item_index=self.item_index.to(device),
            timestamps=self.timestamps.to(device),
            next_timestamps=self.next_timestamps.to(device),
            offsets=self.offsets.to(device),
            id_masked=self.id_masked.to(device),
            columns={name: column.to(device) for name, column in self.columns.items()},
        )


@dataclass(frozen=True)
class Labels:
    """What comes next at every position of a batch.

    Attributes:
        item_index: (L,) int64.
        id_masked: (L,) bool as in the batch.
        columns: (L,) further columns of what comes next, the same as the batch's.
        repeated: (L,) bool, items that the user had chosen before; None: there are none.
    """

    item_index: Tensor
    id_masked: Tensor
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    repeated: Tensor | None = None

    def to(self, device: torch.device | str) -> "Labels":
        columns = {name: column.to(device) for name, column in self.columns.items()}
        repeated = None if self.repeated is None else self.repeated.to(device)
        return Labels(self.item_index.to(device), self.id_masked.to(device), columns, repeated)


def request_batch(
    interactions: Interactions, request_times: Sequence[int] | np.ndarray, max_length: int, columns: Iterable[str] = ()
) -> JaggedBatch:
    """The batch that answers requests at `request_times` (B,) int64 ms: the last `max_length` known interactions.

    The one place that truncates a history for scoring; offline evaluation and the endpoint both come here.

    Args:
        interactions: Of B users.
        request_times: One per user.
        max_length: Most interactions that the model reads.
        columns: Names of the further columns that it reads.

    Raises:
        ValueError: request times are not one whole number per user, or lie before the user's last interaction.
    """
    asked = np.asarray(request_times)
    if asked.shape != (len(interactions),) or (asked.size and asked.dtype.kind not in "iu"):
        raise ValueError(
            f"request times of {len(interactions)} users are {asked.dtype} of shape {asked.shape}: give one in whole "
            "milliseconds per user"
        )
    kept = last_known(interactions, max_length)
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
    return _batch(kept, following, columns)


def last_known(interactions: Interactions, max_length: int) -> Interactions:
    """Of each user the last `max_length` interactions with an item that the vocabulary knows."""
    return interactions.known().take(np.arange(len(interactions)), last=max_length)


def training_batch(
    interactions: Interactions,
    users: np.ndarray,
    max_length: int,
    skipped: np.ndarray | None = None,
    shortening: StochasticLength | None = None,
    numbers: np.ndarray | None = None,
    columns: Iterable[str] = (),
) -> tuple[JaggedBatch, Labels]:
    """Inputs and labels of `users`: each of the last `max_length` interactions predicts the one after it.

    Args:
        interactions: Of all users.
        users: (B,) positions in `interactions`.
        max_length: Most interactions that the model reads.
        skipped: (B,) int64 most recent interactions that are left out before (`models.windows`); None: none.
        shortening: Drops some inputs together with their labels: what stays still predicts what came next.
        numbers: (B,) int64 numbers that shortening knows the users by; None: their positions.
        columns: Names of the further columns that batch and labels hold.
    """
    kept = interactions.take(users, last=max_length + 1, skipped=skipped)
    filled = kept.lengths > 0
    follows = np.ones(len(kept.timestamps), bool)
    follows[kept.offsets[:-1][filled]] = False
    followed = np.ones(len(kept.timestamps), bool)
    followed[kept.offsets[1:][filled] - 1] = False
    inputs, labels = kept.where(followed), kept.where(follows)
    if shortening is not None:
        inputs, labels = shortening.shorten(inputs, labels, users if numbers is None else numbers)
    batch = _batch(inputs, labels.timestamps, columns)
    items = _tensor(labels.item_index, np.int64)
    return batch, Labels(items, _id_masked(labels), _columns(labels, columns), _repeated(labels))


def _batch(inputs: Interactions, following: np.ndarray, columns: Iterable[str]) -> JaggedBatch:
    earliest = np.zeros(0, np.int64)
    if len(following):
        filled = inputs.lengths > 0
        earliest = np.repeat(following[inputs.offsets[1:][filled] - 1] - REACH_MS, inputs.lengths[filled])
    return JaggedBatch(
        item_index=_tensor(inputs.item_index, np.int64),
        timestamps=_tensor(np.maximum(inputs.timestamps, earliest), np.int64),
        next_timestamps=_tensor(np.maximum(following, earliest), np.int64),
        offsets=_tensor(inputs.offsets, np.int64),
        id_masked=_id_masked(inputs),
        columns=_columns(inputs, columns),
        longest=int(inputs.lengths.max(initial=0)),
    )


def _longest(offsets: Tensor, tokens: int) -> int:
    if offsets.dim() != 1 or not len(offsets) or offsets[0] != 0 or offsets[-1] != tokens:
        raise ValueError(
            f"offsets of a batch of {tokens} tokens must run from 0 to {tokens}, not {offsets.tolist()[:5]}"
        )
    lengths = offsets.diff()
    if (lengths < 0).any():
        user = int(lengths.argmin())
        raise ValueError(f"user {user} of the batch has {int(lengths[user])} tokens: offsets never decrease")
    return longest(offsets)


def _id_masked(interactions: Interactions) -> Tensor:
    marks = interactions.columns.get(ID_MASKED)
    return _tensor(np.zeros(len(interactions.timestamps), bool) if marks is None else marks, np.bool_)


def _repeated(labels: Interactions) -> Tensor | None:
    marks = labels.columns.get(REPEATED)
    return None if marks is None or not marks.any() else _tensor(marks, np.bool_)


def _columns(interactions: Interactions, names: Iterable[str]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(interactions.column(name))) for name in names}


def _tensor(array: np.ndarray, dtype: type) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype))
