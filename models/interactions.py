"""Interactions of many users: everything that is known of each, by column, and how they are selected and cut."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from models.columns import ACTIONS, ID_MASKED, ITEM_INDEX, PROPENSITY, REPEATED, REQUEST_GROUP, STARTED, TIMESTAMP
from models.known import CONTRACT, Known
from models.merging import Merging, merge_runs

NO_FEATURES = frozenset({ITEM_INDEX, TIMESTAMP, STARTED, REQUEST_GROUP, ID_MASKED, REPEATED, PROPENSITY})
"""Columns that interactions may have and that no model reads as a feature."""

Whole = Sequence[int] | np.ndarray
"""Whole numbers of one user."""

AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Interactions:
    """Interactions of B users, oldest first. Whatever selects or cuts them does so in all columns.

    Attributes:
        offsets: (B + 1,) int64; user b owns the interactions from offsets[b] to offsets[b + 1].
        columns: (L,) arrays by name. Always there are
            item_index: integers, the index of the item in the vocabulary, 1..n; 0 stands for one that it lacks,
            timestamp: int64 epoch milliseconds of the last action, not decreasing within a user.
            There may be
            started: int64 epoch milliseconds of the first action,
            actions: bit masks of what was done, by the vocabulary of the sequences that they come from,
            value: float32 durations, prices and the like, NaN where there is none,
            surface: position among the names of surfaces, -1 where there was none,
            request_group: int64, equal for what one request showed,
            count: int64 interactions that were merged into one,
            id_masked: bool, for training alone: the item was too new to have an ID then,
            repeated: bool, for training alone: the user had chosen the item before,
            propensity: float32, for evaluation alone: the probability with which the item was chosen, NaN if unknown,
            and the columns that a profile declares.
        declared: When each feature is known: those of the contract and of a profile (`models.known`).

    Raises:
        ValueError: the arrays contradict each other or the above; it names the user by position.
    """

    offsets: np.ndarray
    columns: Mapping[str, np.ndarray]
    declared: Mapping[str, Known] = field(default_factory=lambda: CONTRACT)

    def __post_init__(self) -> None:
        if not len(self.offsets):
            raise ValueError("interactions of B users have B + 1 offsets, the first of them 0: there is none")
        for name, column in self.columns.items():
            if len(column) != self.offsets[-1]:
                raise ValueError(
                    f"there are {len(column)} values of {name}, but the offsets end at {self.offsets[-1]}: every "
                    "interaction has one"
                )
            if name not in NO_FEATURES and name not in self.declared:
                raise ValueError(f"column {name!r} is not declared: say whether it is known at the request or after it")
        whole = {name: self.columns[name] for name in (ITEM_INDEX, TIMESTAMP)}
        for name, numbers in (whole | {"offsets": self.offsets}).items():
            _refuse_fractions(numbers, f"{name} of the interactions")
        if self.offsets[0] != 0:
            raise ValueError(f"the first user starts at interaction {self.offsets[0]}: offsets start at 0")
        if self.lengths.min(initial=0) < 0:
            user = int(np.argmin(self.lengths))
            raise ValueError(f"user {user} has {self.lengths[user]} interactions: offsets never decrease")
        if self.item_index.min(initial=0) < 0:
            place = int(np.argmin(self.item_index))
            raise ValueError(
                f"{self._name(place)} has item index {self.item_index[place]}: indices are 1..n, and 0 if unknown"
            )
        self._refuse_steps_back()

    @classmethod
    def of(cls, users: Sequence[tuple[Whole, Whole]]) -> "Interactions":
        """Packs (item indices, timestamps) pairs, one per user; nobody says what was done, so all actions are alike.

        Raises:
            ValueError: a user's items and timestamps differ in number or are not whole numbers, or as above.
        """
        for user, (items, times) in enumerate(users):
            if len(items) != len(times):
                raise ValueError(f"user {user} has {len(items)} items, but {len(times)} timestamps")
        packed = _packed([items for items, _ in users], "item indices")
        return cls(
            np.concatenate([[0], np.cumsum([len(items) for items, _ in users])]).astype(np.int64),
            {
                ITEM_INDEX: packed,
                TIMESTAMP: _packed([times for _, times in users], "timestamps"),
                ACTIONS: np.zeros(len(packed), np.int32),
            },
        )

    @classmethod
    def concatenated(cls, parts: Sequence["Interactions"]) -> "Interactions":
        """The users of `parts`, which all have the same columns, end to end; at least one part."""
        ends = np.cumsum([part.offsets[-1] for part in parts]).astype(np.int64)
        starts = [0, *ends[:-1].tolist()]
        offsets = [part.offsets[1:] + start for part, start in zip(parts, starts, strict=True)]
        columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
        return cls(np.concatenate([np.zeros(1, np.int64), *offsets]), columns, parts[0].declared)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def item_index(self) -> np.ndarray:
        """(L,) integers."""
        return self.columns[ITEM_INDEX]

    @property
    def timestamps(self) -> np.ndarray:
        """(L,) int64 epoch milliseconds."""
        return self.columns[TIMESTAMP]

    @property
    def lengths(self) -> np.ndarray:
        """(B,) int64 number of interactions of each user."""
        return np.diff(self.offsets)

    def column(self, name: str) -> np.ndarray:
        """The column `name`.

        Raises:
            ValueError: there is none.
        """
        if name not in self.columns:
            raise ValueError(f"these interactions hold no {name}, only {', '.join(self.columns)}: read them with it")
        return self.columns[name]

    def renumbered(self, index: np.ndarray) -> "Interactions":
        """With items by other numbers: `index` (R + 1,) holds the new one of each, and 0 at 0."""
        return self.with_columns({ITEM_INDEX: index[self.item_index]})

    def with_columns(self, columns: Mapping[str, np.ndarray]) -> "Interactions":
        """With `columns` added, or in the place of those of the same name."""
        return replace(self, columns={**self.columns, **columns})

    def only(self, columns: Iterable[str] = ()) -> "Interactions":
        """With no columns but item, time and those of `columns` that there are."""
        kept = {ITEM_INDEX, TIMESTAMP, *columns}
        return replace(self, columns={name: column for name, column in self.columns.items() if name in kept})

    def take(self, users: np.ndarray, last: int | None = None, skipped: np.ndarray | None = None) -> "Interactions":
        """The interactions of `users` (positions), each cut to their `last` most recent ones.

        With `skipped` (B,) int64, no more than each has, so many of the most recent are left out before.
        """
        ends = self.offsets[users + 1] if skipped is None else self.offsets[users + 1] - skipped
        lengths = ends - self.offsets[users]
        if last is not None:
            lengths = np.minimum(lengths, last)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        positions = np.arange(offsets[-1]) + np.repeat(ends - lengths - offsets[:-1], lengths)
        return self._at(positions, offsets)

    def where(self, keep: np.ndarray) -> "Interactions":
        """Only the interactions at which `keep` (L,) is true; no user is dropped."""
        kept_before = np.concatenate([[0], np.cumsum(keep)])
        return self._at(np.flatnonzero(keep), kept_before[self.offsets])

    def known(self) -> "Interactions":
        """Without the interactions whose item the vocabulary does not know; itself where it knows all."""
        return self if self.item_index.min(initial=1) > 0 else self.where(self.item_index > 0)

    def until(self, moment: int) -> "Interactions":
        """What had been done by `moment`, epoch milliseconds: at it or before."""
        return self.where(self.timestamps <= moment)

    def before(self, moment: int) -> "Interactions":
        """What had been done before `moment`, epoch milliseconds, and not at it."""
        return self.where(self.timestamps < moment)

    def carrying(self, bits: int) -> np.ndarray:
        """(L,) bool, the interactions that carry one of the actions in `bits` (`models.actions.action_bits`).

        The one place that says which interactions count as positive.

        Raises:
            ValueError: these interactions have no actions.
        """
        return (self.column(ACTIONS) & bits) != 0

    def repeated(self) -> np.ndarray:
        """(L,) bool, the interactions with an item that their user had chosen before."""
        owner = np.repeat(np.arange(len(self)), self.lengths)
        key = owner * (int(self.item_index.max(initial=0)) + 1) + self.item_index
        again = np.ones(len(key), bool)
        # Interactions are in order of time, so the first of a user's with an item is the new one.
        again[np.unique(key, return_index=True)[1]] = False
        return again

    def returns(self) -> np.ndarray:
        """(L,) bool, those of `repeated` that do not follow an interaction with the same item."""
        same = np.zeros(len(self.item_index), bool)
        same[1:] = self.item_index[1:] == self.item_index[:-1]
        same[self.offsets[:-1][self.lengths > 0]] = False
        return self.repeated() & ~same

    def last_moment(self, ties: bool = False) -> np.ndarray:
        """(L,) bool, what each user did last: all that happened at once; one interaction where `ties` may be parted."""
        filled = self.lengths > 0
        last = np.zeros(len(self.timestamps), bool)
        last[self.offsets[1:][filled] - 1] = True
        if ties:
            return last
        return self.timestamps == np.repeat(self.timestamps[last], self.lengths[filled])

    def merged(self, by: Merging | None, cutoff_ms: int | None = None) -> "Interactions":
        """With each run of adjacent interactions of one kind (`models.merging`) as one, at the time of its last.

        The one place that merges what a model reads: training and scoring both come here. None merges nothing.

        Raises:
            ValueError: by kind, of interactions without actions.
        """
        if by is None:
            return self
        if by == "kind" and ACTIONS not in self.columns:
            raise ValueError("these interactions hold no actions: read them with their actions, or merge by item")
        offsets, columns = merge_runs(self.offsets, self.columns, self.declared, by, cutoff_ms)
        return replace(self, offsets=offsets, columns=columns)

    def within(self, items: int) -> "Interactions":
        """These interactions, whose items all stand in a table of indices 1..`items`.

        Raises:
            ValueError: an index lies outside; it names the user.
        """
        if self.item_index.max(initial=0) > items:
            place = int(np.argmax(self.item_index))
            raise ValueError(
                f"{self._name(place)} has item index {self.item_index[place]}, but only indices 1..{items} are in the "
                "table: make indices by the vocabulary of this model"
            )
        return self

    def among(self, items: np.ndarray) -> "Interactions":
        """These interactions, whose items are all among those at which `items` (n + 1,) is true, or unknown.

        Raises:
            ValueError: one is not; it names the user.
        """
        self.within(len(items) - 1)
        allowed = np.concatenate([[True], items[1:]])
        # Some at a time: the interactions may lie in a file, and nothing as long as they are is made of them.
        for start in range(0, len(self.item_index), AT_ONCE):
            wrong = ~allowed[self.item_index[start : start + AT_ONCE]]
            if wrong.any():
                place = start + int(np.argmax(wrong))
                raise ValueError(
                    f"{self._name(place)} has item index {self.item_index[place]}, an item without an ID embedding: "
                    "train on the items of the vocabulary's `trained`"
                )
        return self

    def _refuse_steps_back(self) -> None:
        back = self.timestamps[1:] < self.timestamps[:-1]
        starts = self.offsets[1:-1]
        back[starts[(starts > 0) & (starts < len(self.timestamps))] - 1] = False
        if back.any():
            place = int(np.argmax(back)) + 1
            raise ValueError(
                f"{self._name(place)} happened at {self.timestamps[place]} ms, the one before at "
                f"{self.timestamps[place - 1]} ms: sort each user's interactions by time"
            )

    def _name(self, place: int) -> str:
        user = int(np.searchsorted(self.offsets, place, side="right")) - 1
        return f"interaction {place - self.offsets[user]} of user {user}"

    def _at(self, positions: np.ndarray, offsets: np.ndarray) -> "Interactions":
        return Interactions(offsets, {name: column[positions] for name, column in self.columns.items()}, self.declared)


def _packed(sequences: list[Whole], what: str) -> np.ndarray:
    arrays = [np.asarray(sequence) for sequence in sequences if len(sequence)]
    for array in arrays:
        _refuse_fractions(array, what)
    return np.concatenate([np.empty(0, np.int64), *arrays]).astype(np.int64)


def _refuse_fractions(array: np.ndarray, what: str) -> None:
    if array.dtype.kind not in "iu":
        raise ValueError(f"{what} are {array.dtype}: they must be whole numbers, timestamps in epoch milliseconds")
