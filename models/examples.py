"""What a family gives the trainer: examples, and in each epoch how long each is and batches of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch


class Batch(Protocol):
    """What a model's `view` reads."""

    def __len__(self) -> int:
        """Positions that are learned from: what a batch counts in the mean of an epoch."""
        ...

    def to(self, device: torch.device | str) -> Any: ...


@dataclass(frozen=True)
class Epoch:
    """One epoch's examples, the same whoever asks.

    Attributes:
        lengths: (E,) int64 tokens of each example, not 0, as shortened in this epoch.
        whole: (E,) int64 tokens of each without that.
        batch: The batch of some examples, (B,) int64 positions in `lengths`.
    """

    lengths: np.ndarray
    whole: np.ndarray
    batch: Callable[[np.ndarray], Batch]


class Examples(Protocol):
    """All that a model is trained on."""

    def epoch(self, epoch: int) -> Epoch:
        """The examples of epoch `epoch`, counted from 0."""
        ...
