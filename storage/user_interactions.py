"""Users and their interactions, a part at a time: the one way in which trainer, evaluation and server read them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl

from models.interactions import Interactions

ROWS_IN_MEMORY = 4_000_000


@dataclass(frozen=True)
class UserInteractions:
    """Interactions of B users and who these are.

    Attributes:
        users: (B,) ids, strings or int64.
        interactions: Their interactions; where they come from a log, an item's index is its row in `item_rows`.
    """

    users: pl.Series
    interactions: Interactions

    def __len__(self) -> int:
        return len(self.users)

    def take(self, places: np.ndarray) -> "UserInteractions":
        """The users at the positions `places`."""
        return UserInteractions(self.users.gather(pl.Series(places)), self.interactions.take(places))

    def where(self, keep: np.ndarray) -> "UserInteractions":
        """All users, with only the interactions at which `keep` (L,) is true."""
        return UserInteractions(self.users, self.interactions.where(keep))


class InteractionLog(Protocol):
    """All users' interactions; reading it again gives the same users in the same order."""

    def parts(self, columns: Collection[str] = (), rows_in_memory: int = ROWS_IN_MEMORY) -> Iterator[UserInteractions]:
        """The users, some at a time.

        Args:
            columns: What is read beside items, times and actions.
            rows_in_memory: Interactions of a part at most, but for a user with more.
        """

    def item_ids(self) -> pl.Series:
        """(R,) the items of rows 1..R."""


def read_positives(
    log: InteractionLog, bits: int, columns: Collection[str] = (), rows_in_memory: int = ROWS_IN_MEMORY
) -> Iterator[UserInteractions]:
    """All users, a part at a time, with their interactions that carry one of the actions in `bits`.

    Args:
        bits: Mask of the actions that count, by the vocabulary of the log (`models.actions.action_bits`).
        columns, rows_in_memory: As in `InteractionLog.parts`.
    """
    for part in log.parts(columns, rows_in_memory):
        yield part.where(part.interactions.carrying(bits))


def concatenated(parts: Sequence[UserInteractions]) -> UserInteractions:
    """The users of all `parts`, in this order; at least one part."""
    together = Interactions.concatenated([part.interactions for part in parts])
    return UserInteractions(pl.concat([part.users for part in parts]), together)


def cut_into_parts(whole: UserInteractions, rows_in_memory: int) -> Iterator[UserInteractions]:
    """The users in their order, as views, at most `rows_in_memory` interactions at a time but for a user with more."""
    offsets = whole.interactions.offsets
    start = 0
    while start < len(whole):
        within = int(np.searchsorted(offsets, offsets[start] + rows_in_memory, side="right")) - 1
        end = min(max(within, start + 1), len(whole))
        first, last = offsets[start], offsets[end]
        columns = {name: column[first:last] for name, column in whole.interactions.columns.items()}
        cut = Interactions(offsets[start : end + 1] - first, columns, whole.interactions.declared)
        yield UserInteractions(whole.users[start:end], cut)
        start = end
