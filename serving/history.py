"""Every user's history in memory: flat arrays, no Python object per event; 12 bytes an interaction, and what more of
each the model reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from models.actions import action_bits
from models.columns import ACTIONS, ITEM_INDEX, STARTED, VALUE
from models.interactions import Interactions
from models.vocabulary import Vocabulary
from serving.ids import as_stored
from storage.sequence_store import SequenceFiles
from storage.user_interactions import ROWS_IN_MEMORY, InteractionLog, UserInteractions, read_positives

if TYPE_CHECKING:
    from models.artifact import Artifact


@dataclass(frozen=True)
class UserHistories:
    """The interactions of all users that the model reads, oldest first: the positive ones, or all.

    Attributes:
        users: (U,) user ids in ascending order.
        positions: (U,) int64, the place of each of `users` in `interactions`.
        interactions: Of U users, with int32 item indices, and with actions where the model merges by them.
        latest: Epoch milliseconds of the newest interaction; None where there is none.
        chosen_bits: Where all interactions are held, the actions that make one a positive; else None.
    """

    users: pl.Series
    positions: np.ndarray
    interactions: Interactions
    latest: int | None
    chosen_bits: int | None = None

    def __len__(self) -> int:
        return len(self.users)

    def of(self, user_id: str | int) -> Interactions | None:
        """The history of one user as a batch of one; None for a user without any interaction that is read."""
        user = as_stored(user_id, self.users.dtype)
        if user is None or not len(self.users):
            return None
        place = int(self.users.search_sorted(user))
        if place == len(self.users) or self.users[place] != user:
            return None
        return self.interactions.take(self.positions[place : place + 1])

    def chosen(self, history: Interactions) -> Interactions:
        """The positive interactions of a history."""
        return history if self.chosen_bits is None else history.where(history.carrying(self.chosen_bits))


def histories_of(log: SequenceFiles, artifact: Artifact) -> UserHistories:
    """The histories that a version reads."""
    chosen = None
    if artifact.family.reads == "all":
        chosen = action_bits(artifact.model.config.actions, artifact.manifest.positive_actions)
    return packed(read_histories(log, artifact), chosen)


def read_histories(
    log: SequenceFiles, artifact: Artifact, rows_in_memory: int = ROWS_IN_MEMORY
) -> Iterator[UserInteractions]:
    """What a version reads of all users, in its terms, a part at a time."""
    if artifact.family.reads == "all":
        return read_whole(log, artifact, rows_in_memory)
    bits = action_bits(log.actions, artifact.manifest.positive_actions)
    keep_actions = artifact.manifest.merge_adjacent == "kind"
    return read_chosen(log, bits, artifact.vocabulary, keep_actions, rows_in_memory)


def read_whole(
    log: SequenceFiles, artifact: Artifact, rows_in_memory: int = ROWS_IN_MEMORY
) -> Iterator[UserInteractions]:
    """All that all users did, in the terms of a version that reads all, a part at a time."""
    from models.argus.log import in_terms_of

    config, index = artifact.model.config, artifact.vocabulary.index_by_row(log.item_ids())
    there = [column.name for column in config.columns if column.name in (VALUE, *log.categories, *log.declared)]
    for part in log.parts([STARTED, *there], rows_in_memory):
        told = in_terms_of(config, part.interactions.renumbered(index), log.actions, log.categories)
        yield UserInteractions(part.users, told)


def read_chosen(
    log: InteractionLog,
    positive_bits: int,
    vocabulary: Vocabulary,
    keep_actions: bool = False,
    rows_in_memory: int = ROWS_IN_MEMORY,
) -> Iterator[UserInteractions]:
    """The interactions that a model of positives reads, of all users, a part at a time.

    Args:
        log: All users' interactions.
        positive_bits: Bit mask of the actions that count, by the vocabulary of these sequences.
        vocabulary: Maps items to indices.
        keep_actions: Whether the model reads them: 4 more bytes an interaction.
        rows_in_memory: Interactions of a part at most, but for a user with more.
    """
    index, kept = vocabulary.index_by_row(log.item_ids()), [ACTIONS] if keep_actions else []
    for part in read_positives(log, positive_bits, rows_in_memory=rows_in_memory):
        yield UserInteractions(part.users, part.interactions.only(kept).renumbered(index))


def packed(read: Iterable[UserInteractions], chosen_bits: int | None = None) -> UserHistories:
    """Those who did anything, end to end."""
    some = [part.take(np.flatnonzero(part.interactions.lengths)) for part in read]
    ids = pl.concat([part.users for part in some]) if some else pl.Series(dtype=pl.Int64)
    packed = Interactions.concatenated([part.interactions for part in some] or [Interactions.of([])])
    order = ids.arg_sort()
    return UserHistories(
        users=ids.gather(order),
        positions=order.to_numpy().astype(np.int64),
        interactions=packed.with_columns({ITEM_INDEX: packed.item_index.astype(np.int32)}),
        latest=int(packed.timestamps.max()) if len(packed.timestamps) else None,
        chosen_bits=chosen_bits,
    )
