"""Every user's history in memory: flat arrays, 12 bytes an interaction, no Python object per event."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.columns import USER_ID
from models.history import Histories, histories, interaction_lists, positive_interactions
from models.vocabulary import Vocabulary
from serving.ids import as_stored


@dataclass(frozen=True)
class UserHistories:
    """The positive interactions of all users, oldest first.

    Attributes:
        users: (U,) user ids in ascending order.
        positions: (U,) int64, the place of each of `users` in `offsets`.
        rows: (L,) int32 vocabulary rows, 0 for an item that the vocabulary does not know.
        timestamps: (L,) int64 epoch milliseconds.
        offsets: (U + 1,) int64.
        latest: Epoch milliseconds of the newest interaction; None where there is none.
        actions: (L,) int32 bit masks of what was done, where the model merges by it; else None.
    """

    users: pl.Series
    positions: np.ndarray
    rows: np.ndarray
    timestamps: np.ndarray
    offsets: np.ndarray
    latest: int | None
    actions: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.users)

    def of(self, user_id: str | int) -> Histories | None:
        """The history of one user as a batch of one; None for a user without positive interactions."""
        user = as_stored(user_id, self.users.dtype)
        if user is None or not len(self.users):
            return None
        place = int(self.users.search_sorted(user))
        if place == len(self.users) or self.users[place] != user:
            return None
        return self.at(int(self.positions[place]))

    def at(self, position: int) -> Histories:
        """The history at `position` of `offsets`, as a batch of one."""
        start, end = self.offsets[position], self.offsets[position + 1]
        return Histories(
            self.rows[start:end].astype(np.int64),
            self.timestamps[start:end],
            np.array([0, end - start], np.int64),
            actions=None if self.actions is None else self.actions[start:end],
        )


def load_histories(
    sequences: pl.LazyFrame, positive_bits: int, vocabulary: Vocabulary, *, keep_actions: bool = False
) -> UserHistories:
    """Reads the `sequences` table, keeping the interactions that the model was trained on.

    Args:
        sequences: Rows of the `sequences` table.
        positive_bits: Bit mask of the actions that count, by the vocabulary of these sequences.
        vocabulary: Maps items to rows.
        keep_actions: Whether the model reads them: 4 more bytes an interaction.
    """
    frame = interaction_lists(positive_interactions(sequences, positive_bits, keep_actions=keep_actions).collect())
    packed = histories(frame, vocabulary)
    order = frame[USER_ID].arg_sort()
    return UserHistories(
        users=frame[USER_ID].gather(order),
        positions=order.to_numpy().astype(np.int64),
        rows=packed.rows.astype(np.int32),
        timestamps=packed.timestamps,
        offsets=packed.offsets,
        latest=int(packed.timestamps.max()) if len(packed.timestamps) else None,
        actions=packed.actions,
    )
