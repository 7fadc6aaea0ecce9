"""Histories: which of a user's interactions count, and as which rows the model reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from models.columns import ACTIONS, ITEM_ID, ITEM_IDS, TIMESTAMP, TIMESTAMPS, USER_ID
from models.vocabulary import Vocabulary


@dataclass(frozen=True)
class Histories:
    """Interactions of B users, oldest first.

    Attributes:
        rows: (L,) int64 vocabulary rows, 1..n; 0 stands for an item that the vocabulary does not know.
        timestamps: (L,) int64 epoch milliseconds, not decreasing within a user.
        offsets: (B + 1,) int64; user b owns `rows[offsets[b]:offsets[b + 1]]`.
        hidden: (L,) bool, for training alone: interactions whose item was too new to have an ID then. None: no such.
    """

    rows: np.ndarray
    timestamps: np.ndarray
    offsets: np.ndarray
    hidden: np.ndarray | None = None

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
        return self._at(positions, offsets)

    def known(self) -> "Histories":
        """Without the interactions whose item the vocabulary does not know."""
        return self.where(self.rows > 0)

    def where(self, keep: np.ndarray) -> "Histories":
        """Only the interactions at which `keep` (L,) is true; no user is dropped."""
        kept_before = np.concatenate([[0], np.cumsum(keep)])
        return self._at(np.flatnonzero(keep), kept_before[self.offsets])

    def _at(self, positions: np.ndarray, offsets: np.ndarray) -> "Histories":
        hidden = None if self.hidden is None else self.hidden[positions]
        return Histories(self.rows[positions], self.timestamps[positions], offsets, hidden)


def action_bits(vocabulary: Sequence[str], chosen: Sequence[str]) -> int:
    """The bit mask of `chosen` actions in a declared action vocabulary.

    Raises:
        ValueError: an action is not in the vocabulary.
    """
    unknown = [action for action in chosen if action not in vocabulary]
    if unknown:
        raise ValueError(f"actions {unknown} are not declared: the profile's vocabulary is {list(vocabulary)}")
    return sum(1 << list(vocabulary).index(action) for action in dict.fromkeys(chosen))


def positive_interactions(sequences: pl.LazyFrame, bits: int) -> pl.LazyFrame:
    """`user_id`, `item_id`, `timestamp`: one row per interaction that carries one of the actions in `bits`.

    Args:
        sequences: One row per user; users and their interactions stay in this order.
    """
    return (
        sequences.select(USER_ID, pl.col(ITEM_IDS).alias(ITEM_ID), pl.col(TIMESTAMPS).alias(TIMESTAMP), ACTIONS)
        .explode(ITEM_ID, TIMESTAMP, ACTIONS)
        .filter((pl.col(ACTIONS) & bits) != 0)
        .drop(ACTIONS)
    )


def interaction_lists(interactions: pl.DataFrame) -> pl.DataFrame:
    """`user_id`, `item_ids`, `timestamps`: one row per user of `interactions`, order kept."""
    return interactions.group_by(USER_ID, maintain_order=True).agg(
        pl.col(ITEM_ID).alias(ITEM_IDS), pl.col(TIMESTAMP).alias(TIMESTAMPS)
    )


def histories(frame: pl.DataFrame, vocabulary: Vocabulary) -> Histories:
    """The histories in `frame`'s list columns `item_ids` and `timestamps`, one per row, as vocabulary rows."""
    lengths = frame[ITEM_IDS].list.len().to_numpy().astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    filled = frame.filter(pl.col(ITEM_IDS).list.len() > 0)
    return Histories(
        rows=vocabulary.rows(filled[ITEM_IDS].explode()),
        timestamps=filled[TIMESTAMPS].explode().dt.epoch("ms").to_numpy().astype(np.int64),
        offsets=offsets,
    )
