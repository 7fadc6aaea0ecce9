"""The sequences of a log that fits in memory, by the rules by which buckets of them are made."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from assets.sequences.encode import Encoding, extended_categories
from assets.sequences.merge import NewEvents, merge_sequences
from models.columns import ACTIONS, DAY, ITEM_ID, ITEM_INDEX, ROW, TIMESTAMP
from models.declared import NO_COLUMNS
from models.interactions import Interactions
from storage.sequence_store import BucketSequences
from storage.user_interactions import ROWS_IN_MEMORY, UserInteractions, cut_into_parts


@dataclass(frozen=True)
class SequencesInMemory:
    """All users' interactions (`storage.user_interactions.InteractionLog`), without a profile's own columns.

    Attributes:
        actions: The actions in the order of their bits.
        items: (R,) the items of rows 1..R.
    """

    sequences: BucketSequences
    actions: Sequence[str]
    items: pl.Series

    @classmethod
    def of(cls, events: pl.DataFrame, actions: Sequence[str], request_gap: timedelta) -> "SequencesInMemory":
        """Args:
        events: As the table `events` has them.
        actions: The action vocabulary, which has all actions of the events.
        request_gap: Actions of one request on one item that lie further apart are two interactions.
        """
        items = events.group_by(ITEM_ID).agg(pl.col(DAY).min()).sort(DAY, ITEM_ID).select(ITEM_ID)
        rows = items.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias(ROW))
        encoding = Encoding(rows, actions, NO_COLUMNS, extended_categories({}, events.lazy(), NO_COLUMNS))
        new: NewEvents = encoding.encode(events)
        nobody = BucketSequences.empty(new.user_ids)
        return cls(merge_sequences(nobody, new, request_gap, encoding.categories, NO_COLUMNS), actions, rows[ITEM_ID])

    def parts(self, columns: Collection[str] = (), rows_in_memory: int = ROWS_IN_MEMORY) -> Iterator[UserInteractions]:
        """The users, some at a time."""
        every = self.sequences.columns
        read = {ITEM_INDEX: every["item_row"], **{name: every[name] for name in {TIMESTAMP, ACTIONS, *columns}}}
        whole = UserInteractions(self.sequences.user_ids, Interactions(self.sequences.offsets, read))
        yield from cut_into_parts(whole, rows_in_memory)

    def item_ids(self) -> pl.Series:
        """The items of rows 1..R, in this order."""
        return self.items
