"""Sliding windows (Netflix spec section 7; arXiv 2409.14517): training on all of a history that the model cannot hold.

Of N epochs, X train on the latest window of every history and N - X on one drawn uniformly over its overlapping
windows. So the beginning of a long history is learned from too, at no cost per epoch, and none at all when serving:
evaluation and endpoint read the latest window.
"""

from dataclasses import dataclass

import numpy as np

from models.config.training import WindowsConfig
from models.hashing import uniform

DRAW = (1 << 64) - 1
"""Names these numbers among a user's: Stochastic Length counts its own up from 0."""


@dataclass(frozen=True)
class Windows:
    """One epoch's choice of windows: a function of seed, epoch and user alone, whoever asks and in whatever batch.

    Attributes:
        config: Which epochs slide.
        max_length: Interactions that the model reads; a window is one longer, as its last is a label only.
        seed: With `epoch` and the user's number, decides.
        epoch: Counted from 0.
        epochs: N, how many there will be.
    """

    config: WindowsConfig
    max_length: int
    seed: int
    epoch: int
    epochs: int

    @property
    def slides(self) -> bool:
        """Whether this epoch does: N - X of N, spread evenly; the first does, and the last does not if any does not."""
        if self.config.sampling == "latest":
            return False
        sliding = self.epochs - round(self.config.latest_share * self.epochs)
        begun, ended = (-(-epoch * sliding // self.epochs) for epoch in (self.epoch, self.epoch + 1))
        return ended > begun

    def skipped(self, users: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(B,) int64 number of each user's most recent interactions, those after the window.

        Args:
            users: (B,) int64 numbers of the users.
            lengths: (B,) int64 interactions of each.

        Returns:
            (B,) int64, 0 where the window is the latest: each of the positions is as likely as any other.
        """
        if not self.slides:
            return np.zeros(len(users), np.int64)
        spare = np.maximum(lengths - (self.max_length + 1), 0)
        # A number just below 1 times the number of positions may round up to it.
        return np.minimum((uniform(self.seed, self.epoch, users, DRAW) * (spare + 1)).astype(np.int64), spare)
