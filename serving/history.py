"""Every user's history in memory: flat arrays, 12 bytes an interaction, no Python object per event."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.columns import ACTIONS, ITEM_INDEX
from models.interactions import Interactions
from models.vocabulary import Vocabulary
from serving.ids import as_stored
from storage.user_interactions import InteractionLog, read_positives


@dataclass(frozen=True)
class UserHistories:
    """The positive interactions of all users, oldest first.

    Attributes:
        users: (U,) user ids in ascending order.
        positions: (U,) int64, the place of each of `users` in `interactions`.
        interactions: Of U users, with int32 item indices, and with actions where the model merges by them.
        latest: Epoch milliseconds of the newest interaction; None where there is none.
    """

    users: pl.Series
    positions: np.ndarray
    interactions: Interactions
    latest: int | None

    def __len__(self) -> int:
        return len(self.users)

    def of(self, user_id: str | int) -> Interactions | None:
        """The history of one user as a batch of one; None for a user without positive interactions."""
        user = as_stored(user_id, self.users.dtype)
        if user is None or not len(self.users):
            return None
        place = int(self.users.search_sorted(user))
        if place == len(self.users) or self.users[place] != user:
            return None
        return self.interactions.take(self.positions[place : place + 1])


def load_histories(
    log: InteractionLog, positive_bits: int, vocabulary: Vocabulary, *, keep_actions: bool = False
) -> UserHistories:
    """Reads the sequences, keeping the interactions that the model was trained on.

    Args:
        log: All users' interactions.
        positive_bits: Bit mask of the actions that count, by the vocabulary of these sequences.
        vocabulary: Maps items to indices.
        keep_actions: Whether the model reads them: 4 more bytes an interaction.
    """
    index, kept = vocabulary.index_by_row(log.item_ids()), [ACTIONS] if keep_actions else []
    users, parts = [], []
    for part in read_positives(log, positive_bits):
        some = part.take(np.flatnonzero(part.interactions.lengths))
        users.append(some.users)
        parts.append(some.interactions.only(kept).renumbered(index))
    ids = pl.concat(users) if users else pl.Series(dtype=pl.Int64)
    packed, order = Interactions.concatenated(parts or [Interactions.of([]).only(kept)]), ids.arg_sort()
    return UserHistories(
        users=ids.gather(order),
        positions=order.to_numpy().astype(np.int64),
        interactions=packed.with_columns({ITEM_INDEX: packed.item_index.astype(np.int32)}),
        latest=int(packed.timestamps.max()) if len(packed.timestamps) else None,
    )
