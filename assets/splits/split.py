"""The one split of sequences into what training sees and what evaluation asks; the training set holds its outcome.

Two protocols share one training part:

- time: training ends strictly before the cutoff, the targets of a user lie in [cutoff, cutoff + window);
- leave-one-out: of some users the last moment before the cutoff is held out of training, and its items are targets:
  most often one, in a shop all of a basket.

Items that a user had chosen before are targets only where the rule says `repeats`.

Everything is decided by timestamps, so interactions at equal timestamps are never on both sides of the cutoff, nor of
a user's held-out ones, and nothing at or after the cutoff changes what lies before it. Published protocols differ in
one thing: of interactions at one time they hold out the one that arrived last (`hold_out_ties`).

The log is read some users at a time, so no more of it than that is in memory, besides the cases.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import polars_hash as plh

from assets.splits.settings import SplitSettings
from models.interactions import Interactions
from storage.user_interactions import ROWS_IN_MEMORY, InteractionLog, UserInteractions, concatenated, read_positives

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class SplitRule:
    """The rule by which a log is split.

    Attributes:
        cutoff: First instant (UTC) that training does not see.
        window: Length of the time split's target window.
        positives: Bit mask, by the vocabulary of the log, of the actions that count (`models.actions.action_bits`).
        leave_one_out_users: Users at most whose last moment before the cutoff is held out of training.
        max_users: Cases at most of the time split.
        repeats: Whether items that the user had chosen before are targets, too.
        hold_out_ties: Whether it is the last positive alone that is held out, though others happened at its time.
        seed: Seed of both samples of users, which hash the user id and so are the same in every run.
    """

    cutoff: datetime
    window: timedelta
    positives: int
    leave_one_out_users: int
    max_users: int | None = None
    repeats: bool = False
    hold_out_ties: bool = False
    seed: int = 0

    @classmethod
    def by(cls, settings: SplitSettings, cutoff: datetime, positives: int) -> "SplitRule":
        """The rule that `settings` give for a log that is cut there."""
        return cls(
            cutoff=cutoff,
            window=settings.window,
            positives=positives,
            leave_one_out_users=settings.leave_one_out_users,
            max_users=settings.max_users,
            repeats=settings.repeats,
            hold_out_ties=settings.hold_out_ties,
            seed=settings.seed,
        )

    def asks_for(self, positives: Interactions) -> np.ndarray:
        """(L,) bool: what may be a target, by what its user had chosen before it."""
        return np.ones(len(positives.item_index), bool) if self.repeats else ~positives.repeated()

    @property
    def cutoff_ms(self) -> int:
        return _milliseconds(self.cutoff)

    @property
    def end_ms(self) -> int:
        return _milliseconds(self.cutoff + self.window)


@dataclass(frozen=True)
class Cases:
    """Users with a history and what they chose next; an item's index is its row in `item_rows`.

    Attributes:
        users: Ids of B users, and what they had done before they asked.
        request_times: (B,) int64 ms of each user's first target.
        targets: (T,) items, distinct within a user.
        target_offsets: (B + 1,) int64.
    """

    users: UserInteractions
    request_times: np.ndarray
    targets: np.ndarray
    target_offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True)
class Split:
    """Training interactions and the cases of both protocols.

    Attributes:
        log: What was split.
        rule: How.
        held_out: Of each part of the log, the positions of the users whose last moment is held out, ascending.
        time_cases: In the order of the log.
        leave_one_out_cases: Those who chose something at that moment that is asked for.
        columns: Read of each interaction beside items, times and actions.
        rows_in_memory: Interactions of a part at most.
    """

    log: InteractionLog
    rule: SplitRule
    held_out: list[np.ndarray]
    time_cases: Cases
    leave_one_out_cases: Cases
    columns: Collection[str] = ()
    rows_in_memory: int = ROWS_IN_MEMORY

    def training(self) -> Iterator[UserInteractions]:
        """The users with something to train on, a part at a time: positives before the cutoff that are not held out."""
        parts = _read(self.log, self.rule, self.columns, self.rows_in_memory)
        for part, held_out in zip(parts, self.held_out, strict=True):
            past = part.where(part.interactions.timestamps < self.rule.cutoff_ms)
            kept = past.where(~_held_out(past.interactions, held_out, self.rule.hold_out_ties))
            yield kept.take(np.flatnonzero(kept.interactions.lengths))


def split(
    log: InteractionLog, rule: SplitRule, columns: Collection[str] = (), rows_in_memory: int = ROWS_IN_MEMORY
) -> Split:
    """Splits the log, in which interactions are in stable (timestamp, arrival) order.

    Args:
        columns: What training reads of each interaction beside items, times and actions.
        rows_in_memory: Interactions at most that are read at once.
    """
    asked, held_out = [], []
    for part in _read(log, rule, columns, rows_in_memory):
        past = part.where(part.interactions.timestamps < rule.cutoff_ms)
        asked.append(_hashed(part.users, _asked(part.interactions, rule), rule.seed))
        held_out.append(_hashed(part.users, _asked_at_last(past.interactions, rule), rule.seed))
    chosen, left_out = _sampled(asked, rule.max_users), _sampled(held_out, rule.leave_one_out_users)
    time, leave_one_out = [], []
    for part, later, last in zip(_read(log, rule, columns, rows_in_memory), chosen, left_out, strict=True):
        some = part.take(later)
        past = part.where(part.interactions.timestamps < rule.cutoff_ms)
        time.append(_time_cases(some, rule))
        leave_one_out.append(_leave_one_out_cases(past.take(last), rule))
    return Split(log, rule, left_out, _joined(time), _joined(leave_one_out), columns, rows_in_memory)


def _read(
    log: InteractionLog, rule: SplitRule, columns: Collection[str], rows_in_memory: int
) -> Iterator[UserInteractions]:
    return read_positives(log, rule.positives, columns, rows_in_memory)


def _targets(positives: Interactions, rule: SplitRule) -> Interactions:
    """What is chosen within the window and asked for, each item once. Of users without a past there is nothing."""
    times = positives.timestamps
    owner = np.repeat(np.arange(len(positives)), positives.lengths)
    has_past = np.bincount(owner[times < rule.cutoff_ms], minlength=len(positives)) > 0
    within = (times >= rule.cutoff_ms) & (times < rule.end_ms) & has_past[owner]
    return _once(positives.where(rule.asks_for(positives) & within))


def _targets_at_last(past: Interactions, rule: SplitRule) -> Interactions:
    """What is chosen at the last moment and asked for, each item once."""
    return _once(past.where(past.last_moment(rule.hold_out_ties) & rule.asks_for(past)))


def _once(chosen: Interactions) -> Interactions:
    return chosen.where(~chosen.repeated())


def _asked(positives: Interactions, rule: SplitRule) -> np.ndarray:
    """Positions of the users of whom the time split has something to ask."""
    return np.flatnonzero(_targets(positives, rule).lengths)


def _asked_at_last(past: Interactions, rule: SplitRule) -> np.ndarray:
    """Positions of the users of whose last moment there is something to ask, and who have a history before it.

    All of a moment is held out, but for ties that are not: a history that holds what was done at the very moment of the
    request tells of the future.
    """
    history = past.where(~past.last_moment(rule.hold_out_ties))
    return np.flatnonzero((_targets_at_last(past, rule).lengths > 0) & (history.lengths > 0))


def _time_cases(part: UserInteractions, rule: SplitRule) -> Cases:
    """Of users who are asked: what they had chosen before the cutoff, and what they chose after it."""
    past = part.where(part.interactions.timestamps < rule.cutoff_ms)
    return _cases(past, _targets(part.interactions, rule))


def _leave_one_out_cases(past: UserInteractions, rule: SplitRule) -> Cases:
    """Of users whose last moment is held out: what they had chosen before it, and what they chose then."""
    history = past.where(~past.interactions.last_moment(rule.hold_out_ties))
    return _cases(history, _targets_at_last(past.interactions, rule))


def _cases(users: UserInteractions, targets: Interactions) -> Cases:
    first = targets.timestamps[targets.offsets[:-1]]
    return Cases(users, first, targets.item_index.astype(np.int64), targets.offsets)


def _held_out(interactions: Interactions, users: np.ndarray, ties: bool) -> np.ndarray:
    """(L,) bool, the last moment of each of the `users` (positions)."""
    is_one = np.zeros(len(interactions), bool)
    is_one[users] = True
    return np.repeat(is_one, interactions.lengths) & interactions.last_moment(ties)


@dataclass(frozen=True)
class _Hashed:
    """Users of one part: (n,) positions, and uint64 hashes of their ids."""

    places: np.ndarray
    hashes: np.ndarray


def hashes(users: pl.Series, salt: str) -> np.ndarray:
    """(len,) uint64 of the ids of users, the same in every run."""
    salted = users.cast(pl.String).alias("user").to_frame()
    salted = salted.select(pl.concat_str(pl.lit(f"{salt}:"), pl.col("user")).alias("user"))
    return np.asarray(salted.select(plh.col("user").nchash.xxhash64())["user"].to_numpy())


def _hashed(users: pl.Series, places: np.ndarray, seed: int) -> _Hashed:
    return _Hashed(places, hashes(users.gather(pl.Series(places)), str(seed)))


def _sampled(parts: list[_Hashed], limit: int | None) -> list[np.ndarray]:
    """Of each part the positions of those chosen, at most `limit` in all, by the hash of the user: users who come and
    go leave the others' choice alone.
    """
    hashes = np.concatenate([np.zeros(0, np.uint64), *(part.hashes for part in parts)])
    kept = np.zeros(len(hashes), bool)
    kept[np.argsort(hashes, kind="stable")[:limit]] = True
    starts = np.cumsum([0, *(len(part.places) for part in parts)])
    return [part.places[kept[start : start + len(part.places)]] for part, start in zip(parts, starts, strict=False)]


def _joined(parts: list[Cases]) -> Cases:
    if not parts:
        nobody = UserInteractions(pl.Series(dtype=pl.Int64), Interactions.of([]))
        return Cases(nobody, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(1, np.int64))
    targets = [part.targets for part in parts]
    lengths = np.concatenate([np.diff(part.target_offsets) for part in parts])
    return Cases(
        concatenated([part.users for part in parts]),
        np.concatenate([part.request_times for part in parts]),
        np.concatenate(targets),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


def _milliseconds(moment: datetime) -> int:
    return int((moment - EPOCH) / timedelta(milliseconds=1))
