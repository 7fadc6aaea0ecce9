"""Histories: which of a user's interactions count, and as which rows the model reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from models.columns import ACTIONS, ITEM_ID, ITEM_IDS, TIMESTAMP, TIMESTAMPS, USER_ID
from models.merging import Merging, run_ends
from models.vocabulary import Vocabulary


@dataclass(frozen=True)
class Histories:
    """Interactions of B users, oldest first.

    Attributes:
        rows: (L,) int64 vocabulary rows, 1..n; 0 stands for an item that the vocabulary does not know.
        timestamps: (L,) int64 epoch milliseconds, not decreasing within a user.
        offsets: (B + 1,) int64; user b owns `rows[offsets[b]:offsets[b + 1]]`.
        hidden: (L,) bool, for training alone: interactions whose item was too new to have an ID then. None: no such.
        actions: (L,) bit masks of what was done, which only merging by kind asks for: it compares them with each other,
            so that any vocabulary serves. None: not read.

    Raises:
        ValueError: the arrays contradict each other or the above; it names the user by position.
    """

    rows: np.ndarray
    timestamps: np.ndarray
    offsets: np.ndarray
    hidden: np.ndarray | None = None
    actions: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not len(self.offsets):
            raise ValueError("histories of B users have B + 1 offsets, the first of them 0: there is none")
        if len(self.rows) != len(self.timestamps) or len(self.rows) != self.offsets[-1]:
            raise ValueError(
                f"histories hold {len(self.rows)} rows and {len(self.timestamps)} timestamps, "
                f"but the offsets end at {self.offsets[-1]}: all three must agree"
            )
        for marks, what in ((self.hidden, "marks of hidden ones"), (self.actions, "masks of actions")):
            if marks is not None and len(marks) != len(self.rows):
                raise ValueError(f"histories hold {len(self.rows)} rows, but {len(marks)} {what}")
        for name in ("rows", "timestamps", "offsets"):
            _refuse_fractions(getattr(self, name), f"{name} of the histories")
        if self.offsets[0] != 0:
            raise ValueError(f"the first user starts at interaction {self.offsets[0]}: offsets start at 0")
        if self.lengths.min(initial=0) < 0:
            user = int(np.argmin(self.lengths))
            raise ValueError(f"user {user} has {self.lengths[user]} interactions: offsets never decrease")
        if self.rows.min(initial=0) < 0:
            place = int(np.argmin(self.rows))
            raise ValueError(f"{self._name(place)} has item row {self.rows[place]}: rows are 1..n, and 0 if unknown")
        self._refuse_steps_back()

    @classmethod
    def of(cls, histories: Sequence[tuple[Sequence[int], Sequence[int]]]) -> "Histories":
        """Packs (rows, timestamps) pairs, one per user; nobody says what was done, so all actions are alike.

        Raises:
            ValueError: a user's items and timestamps differ in number or are not whole numbers, or as above.
        """
        for user, (rows, times) in enumerate(histories):
            if len(rows) != len(times):
                raise ValueError(f"user {user} has {len(rows)} items, but {len(times)} timestamps")
        packed = _packed([rows for rows, _ in histories], "item rows")
        return cls(
            rows=packed,
            actions=np.zeros(len(packed), np.int32),
            timestamps=_packed([times for _, times in histories], "timestamps"),
            offsets=np.concatenate([[0], np.cumsum([len(rows) for rows, _ in histories])]).astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(B,) int64 number of interactions of each user."""
        return np.diff(self.offsets)

    def take(self, users: np.ndarray, last: int | None = None, skipped: np.ndarray | None = None) -> "Histories":
        """The histories of `users` (positions), each cut to its `last` most recent interactions.

        With `skipped` (B,) int64, no more than each has, so many of the most recent are left out before.
        """
        ends = self.offsets[users + 1] if skipped is None else self.offsets[users + 1] - skipped
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

    def merged(self, by: Merging | None) -> "Histories":
        """With each run of adjacent interactions of one kind (`models.merging`) as one, at the time of its last.

        The one place that merges what a model reads: training and scoring both come here. None merges nothing.

        Raises:
            ValueError: by kind, of histories without actions.
        """
        if by is None:
            return self
        if self.actions is None and by == "kind":
            raise ValueError("these histories hold no actions: read them with their actions, or merge by item")
        same = [] if self.actions is None or by == "item" else [self.actions]
        keep = np.zeros(len(self.rows), bool)
        keep[run_ends(self.offsets, self.rows, *same)] = True
        return self.where(keep)

    def within(self, items: int) -> "Histories":
        """These histories, whose rows all stand in a table of rows 1..`items`.

        Raises:
            ValueError: a row lies outside; it names the user.
        """
        if self.rows.max(initial=0) > items:
            place = int(np.argmax(self.rows))
            raise ValueError(
                f"{self._name(place)} has item row {self.rows[place]}, but only rows 1..{items} are in the table: "
                "make rows by the vocabulary of this model"
            )
        return self

    def _refuse_steps_back(self) -> None:
        back = self.timestamps[1:] < self.timestamps[:-1]
        starts = self.offsets[1:-1]
        back[starts[(starts > 0) & (starts < len(self.rows))] - 1] = False
        if back.any():
            place = int(np.argmax(back)) + 1
            raise ValueError(
                f"{self._name(place)} happened at {self.timestamps[place]} ms, the one before at "
                f"{self.timestamps[place - 1]} ms: sort each user's interactions by time"
            )

    def _name(self, place: int) -> str:
        user = int(np.searchsorted(self.offsets, place, side="right")) - 1
        return f"interaction {place - self.offsets[user]} of user {user}"

    def _at(self, positions: np.ndarray, offsets: np.ndarray) -> "Histories":
        hidden, actions = (None if marks is None else marks[positions] for marks in (self.hidden, self.actions))
        return Histories(self.rows[positions], self.timestamps[positions], offsets, hidden, actions)


def action_bits(vocabulary: Sequence[str], chosen: Sequence[str]) -> int:
    """The bit mask of `chosen` actions in the vocabulary of the sequences that are read with it.

    An action that the vocabulary lacks stands nowhere in those sequences; whoever declares actions asks
    `require_declared` besides.

    Raises:
        ValueError: the vocabulary has none of them.
    """
    bits = sum(1 << bit for bit, action in enumerate(vocabulary) if action in chosen)
    if not bits:
        raise ValueError(
            f"the sequences know none of the actions {', '.join(chosen)}, only {', '.join(vocabulary) or 'none'}: put "
            "one back into quality.actions, or train on others"
        )
    return bits


def require_declared(vocabulary: Sequence[str], chosen: Sequence[str]) -> None:
    """Raises:
    ValueError: an action is not in the vocabulary.
    """
    unknown = [action for action in chosen if action not in vocabulary]
    if unknown:
        raise ValueError(f"actions {unknown} are not declared: the profile's vocabulary is {list(vocabulary)}")


def positive_interactions(sequences: pl.LazyFrame, bits: int, *, keep_actions: bool = False) -> pl.LazyFrame:
    """`user_id`, `item_id`, `timestamp`: one row per interaction that carries one of the actions in `bits`.

    Args:
        sequences: One row per user; users and their interactions stay in this order.
        bits: Mask of the actions that count, by the vocabulary of these sequences (`action_bits`).
        keep_actions: Whether each interaction's own mask is kept, as `actions`.
    """
    positives = (
        sequences.select(USER_ID, pl.col(ITEM_IDS).alias(ITEM_ID), pl.col(TIMESTAMPS).alias(TIMESTAMP), ACTIONS)
        .explode(ITEM_ID, TIMESTAMP, ACTIONS)
        .filter((pl.col(ACTIONS) & bits) != 0)
    )
    return positives if keep_actions else positives.drop(ACTIONS)


def interaction_lists(interactions: pl.DataFrame) -> pl.DataFrame:
    """`user_id`, `item_ids`, `timestamps`, and `actions` where they are kept: one row per user, order kept."""
    actions = [pl.col(ACTIONS)] if ACTIONS in interactions.columns else []
    return interactions.group_by(USER_ID, maintain_order=True).agg(
        pl.col(ITEM_ID).alias(ITEM_IDS), pl.col(TIMESTAMP).alias(TIMESTAMPS), *actions
    )


def histories(frame: pl.DataFrame, vocabulary: Vocabulary) -> Histories:
    """The histories in `frame`'s list columns `item_ids` and `timestamps`, one per row, as vocabulary rows.

    A list column `actions`, where there is one, is read besides.

    Raises:
        ValueError: a row's lists differ in length, hold nulls, go back in time, or `timestamps` holds no datetimes.
    """
    lengths = frame[ITEM_IDS].list.len().cast(pl.Int64)
    _refuse_ragged(frame, lengths)
    filled = frame.filter(lengths > 0)
    items, times = filled[ITEM_IDS].explode(), filled[TIMESTAMPS].explode()
    actions = filled[ACTIONS].explode() if ACTIONS in frame.columns else None
    for column in (items, times, *([] if actions is None else [actions])):
        _refuse_nulls(column, lengths)
    return Histories(
        rows=vocabulary.rows(items),
        timestamps=times.dt.epoch("ms").to_numpy().astype(np.int64),
        offsets=np.concatenate([[0], np.cumsum(lengths.to_numpy())]),
        actions=None if actions is None else actions.to_numpy(),
    )


def _refuse_ragged(frame: pl.DataFrame, lengths: pl.Series) -> None:
    times = frame[TIMESTAMPS]
    if not isinstance(times.dtype, pl.List) or not isinstance(times.dtype.inner, pl.Datetime):
        raise ValueError(f"column {TIMESTAMPS!r} is {times.dtype}: it must hold lists of datetimes")
    for column in (times, *([frame[ACTIONS]] if ACTIONS in frame.columns else [])):
        uneven = (lengths != column.list.len()).fill_null(True)
        if uneven.any():
            row = int(uneven.arg_max() or 0)
            raise ValueError(f"row {row} has {lengths[row]} items, but {column.list.len()[row]} {column.name}")


def _refuse_nulls(exploded: pl.Series, lengths: pl.Series) -> None:
    if exploded.null_count():
        place = int(exploded.is_null().arg_max() or 0)
        row = int((lengths.cum_sum() > place).arg_max() or 0)
        raise ValueError(f"row {row} has a null among its {exploded.name}: every interaction has an item and a time")


def _packed(sequences: list[Sequence[int]], what: str) -> np.ndarray:
    arrays = [np.asarray(sequence) for sequence in sequences if len(sequence)]
    for array in arrays:
        _refuse_fractions(array, what)
    return np.concatenate([np.empty(0, np.int64), *arrays]).astype(np.int64)


def _refuse_fractions(array: np.ndarray, what: str) -> None:
    if array.dtype.kind not in "iu":
        raise ValueError(f"{what} are {array.dtype}: they must be whole numbers, timestamps in epoch milliseconds")
