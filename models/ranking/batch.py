"""What the ranker reads: histories with the actions taken, and the candidates of each request."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from models.batch import last_known
from models.columns import ACTIONS
from models.interactions import Interactions


@dataclass(frozen=True)
class RankingBatch:
    """B requests. Each row is a history, oldest first, and then the candidates.

    Attributes:
        item_index: (L,) int64 indices in the vocabulary.
        actions: (L,) int64 bit masks of the actions taken; never read at candidates, where they are not known yet.
        timestamps: (L,) int64 epoch milliseconds; of a candidate, when it would be shown.
        request_times: (B,) int64 epoch milliseconds.
        offsets: (B + 1,) int64.
        targets: (B,) int64 candidates at the end of each row.
        context: (B, C) int64 value of each contextual slot.
    """

    item_index: Tensor
    actions: Tensor
    timestamps: Tensor
    request_times: Tensor
    offsets: Tensor
    targets: Tensor
    context: Tensor

    def to(self, device: torch.device | str) -> "RankingBatch":
        return RankingBatch(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True)
class LabelledBatch:
    """A training batch: requests, and (T,) int64 the mask of the actions taken with each candidate."""

    requests: RankingBatch
    taken: Tensor

    def __len__(self) -> int:
        """Candidates that are learned from."""
        return len(self.taken)

    def to(self, device: torch.device | str) -> "LabelledBatch":
        return LabelledBatch(self.requests.to(device), self.taken.to(device))


def ranking_batch(
    interactions: Interactions,
    candidates: Sequence[Sequence[int] | np.ndarray],
    request_times: Sequence[int] | np.ndarray,
    max_length: int,
    context: Sequence[Sequence[int]] | None = None,
) -> RankingBatch:
    """The batch of B requests, each history cut to its `max_length` most recent known interactions.

    Args:
        interactions: Of B users, with the bit masks of their `actions`.
        candidates: Indices of the items to score, per request.
        request_times: ms, per request; candidates happen then.
        context: (B, C) value of each contextual slot.

    Raises:
        ValueError: a length disagrees, an action mask is below zero, a candidate is not in the vocabulary, or an
            interaction comes after its request; names the request.
    """
    times = np.asarray(request_times, np.int64)
    given = [np.asarray(items, np.int64) for items in candidates]
    if not len(interactions) == len(given) == len(times):
        raise ValueError(
            f"the histories of {len(interactions)} users need as many requests, not {len(given)} lists of candidates "
            f"and {len(times)} request times"
        )
    slots = np.asarray(context, np.int64) if context is not None else np.zeros((len(given), 0), np.int64)
    if len(slots) != len(given):
        raise ValueError(f"context is of {len(slots)} requests, not of {len(given)}")
    _check(interactions, given, times)
    kept = last_known(interactions, max_length)
    targets = np.array([len(items) for items in given], np.int64)
    # Each history's tokens, then its candidates: a stable sort by request of both, end to end.
    owners = [np.repeat(np.arange(len(given)), lengths) for lengths in (kept.lengths, targets)]
    order = np.argsort(np.concatenate(owners), kind="stable")
    none = np.zeros(int(targets.sum()), np.int64)
    return RankingBatch(
        item_index=_tensor(np.concatenate([kept.item_index, *given])[order]),
        actions=_tensor(np.concatenate([kept.column(ACTIONS), none])[order]),
        timestamps=_tensor(np.concatenate([kept.timestamps, np.repeat(times, targets)])[order]),
        request_times=_tensor(times),
        offsets=_tensor(np.concatenate([[0], np.cumsum(kept.lengths + targets)])),
        targets=_tensor(targets),
        context=_tensor(slots),
    )


def _check(interactions: Interactions, candidates: list[np.ndarray], times: np.ndarray) -> None:
    wrong = np.flatnonzero([bool((items <= 0).any()) for items in candidates])
    if len(wrong):
        raise ValueError(f"a candidate of request {wrong[0]} is not in the vocabulary: indices are 1 and above")
    owner = np.repeat(np.arange(len(interactions)), interactions.lengths)
    for what, bad in (
        ("an action mask below zero", interactions.column(ACTIONS) < 0),
        ("an interaction after its request", interactions.timestamps > times[owner]),
    ):
        if bad.any():
            raise ValueError(f"request {owner[np.argmax(bad)]} has {what}")


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.int64))
