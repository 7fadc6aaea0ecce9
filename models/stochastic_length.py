"""Stochastic Length (HSTU paper section 3.2 and appendix F; spec section 5): training on shortened long histories.

A history of n tokens, in a model that sees at most N, is whole up to N^(alpha/2) tokens; a longer one is whole with
probability N^alpha / n^2 and otherwise a subsequence of N^(alpha/2) tokens. Attention then costs O(N^alpha) a user
instead of O(N^2). Serving reads whole histories.
"""

from dataclasses import dataclass

import numpy as np

from models.config.training import StochasticLengthConfig
from models.hashing import uniform
from models.interactions import Interactions


def threshold(max_length: int, alpha: float) -> int:
    """The longest history that is never shortened, and the length of those that are."""
    # A power that is whole in exact arithmetic may come out a hair smaller.
    return int(max_length ** (alpha / 2) + 1e-9)


def keep_probability(lengths: np.ndarray, max_length: int, alpha: float) -> np.ndarray:
    """(B,) float64 probability that a history of each length stays whole."""
    longer = max_length**alpha / np.square(np.maximum(lengths, 1).astype(np.float64))
    return np.where(lengths <= threshold(max_length, alpha), 1.0, np.minimum(longer, 1.0))


def sparsity(kept: np.ndarray, lengths: np.ndarray) -> float:
    """1 - mean(n) / max(n): mean of the shortened lengths, maximum of the whole ones (paper, table 3)."""
    return float(1 - kept.mean() / lengths.max())


@dataclass(frozen=True)
class StochasticLength:
    """One epoch's choice of tokens: a function of seed, epoch and user alone, whoever asks and in whatever batch.

    Attributes:
        config: How much is dropped, and which tokens.
        max_length: N, the most tokens that the model sees.
        seed: With `epoch` and the user's number, decides.
        epoch: Counted from 0.
    """

    config: StochasticLengthConfig
    max_length: int
    seed: int
    epoch: int

    def kept_lengths(self, users: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(B,) int64 number of tokens of each user that remain.

        Args:
            users: (B,) int64 numbers of the users.
            lengths: (B,) int64 tokens of each, at most `max_length`.

        Returns:
            (B,) int64.
        """
        whole = uniform(self.seed, self.epoch, users, 0) < keep_probability(lengths, self.max_length, self.config.alpha)
        return np.where(whole, lengths, np.minimum(lengths, threshold(self.max_length, self.config.alpha)))

    def kept(self, users: np.ndarray, offsets: np.ndarray, timestamps: np.ndarray) -> np.ndarray:
        """Which tokens remain; a user's last is always among them.

        `greedy` keeps the most recent. `random` and `recency` draw without replacement, one token after the other,
        each with probability proportional to its weight among those left: equal weights, or 1 - f / sum f where f is
        the time from the token to the user's last (by exponential clocks, Efraimidis and Spirakis 2006: the tokens
        whose clocks ring first).

        Args:
            users: (B,) int64 numbers of the users.
            offsets: (B + 1,) int64 boundaries of their tokens.
            timestamps: (L,) int64 ms, oldest first within a user.

        Returns:
            (L,) bool.
        """
        lengths = np.diff(offsets)
        owner = np.repeat(np.arange(len(users)), lengths)
        place = np.arange(len(timestamps)) - offsets[owner]
        to_last = lengths[owner] - 1 - place
        if self.config.selection == "greedy":
            ring = to_last.astype(np.float64)
        else:
            ring = -np.log(uniform(self.seed, self.epoch, users[owner], place + 1))
            if self.config.selection == "recency":
                ring = ring / _recency(timestamps, offsets, owner)
        ring[to_last == 0] = -np.inf
        kept = np.empty(len(timestamps), bool)
        kept[np.lexsort((ring, owner))] = place < self.kept_lengths(users, lengths)[owner]
        return kept

    def shorten(
        self, inputs: Interactions, labels: Interactions, users: np.ndarray
    ) -> tuple[Interactions, Interactions]:
        """Drops inputs together with their labels: what stays still predicts what came next.

        Args:
            inputs: What the model reads.
            labels: What came next, one for each of `inputs`.
            users: (B,) int64 numbers of their users.
        """
        if self.config.alpha == 2:
            return inputs, labels
        kept = self.kept(users, inputs.offsets, inputs.timestamps)
        return inputs.where(kept), labels.where(kept)


def _recency(timestamps: np.ndarray, offsets: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """(L,) weights 1 - f / sum f; 1 where a user's tokens all have one time."""
    since = (timestamps[offsets[owner + 1] - 1] - timestamps).astype(np.float64)
    total = np.bincount(owner, since)[owner]
    # A weight of 0 is told from none by a hair: such a token is taken last.
    return np.maximum(1 - since / np.maximum(total, 1), 1e-300)
