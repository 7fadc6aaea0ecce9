"""What a ranker and ARGUS read: all interactions of all users, with what was shown and what was done with it.

As with the training set of the other models (`assets.training.dataset`), what is as long as the log is written a part
at a time to files that readers map into memory.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.splits.request_moments import RequestMoments
from assets.training.dataset import CONTENT, VOCABULARY
from assets.training.interaction_files import COLUMNS_READ, JaggedFiles, StoredColumns
from models.actions import require_declared
from models.columns import ACTIONS, ITEM_ID, ITEM_INDEX, PROPENSITY, STARTED, SURFACE, TIMESTAMP, VALUE
from models.content import content_matrix
from models.evaluation.off_policy import require_propensities
from models.interactions import Interactions
from models.item_counts import ItemCounts
from models.vocabulary import Vocabulary
from storage.interaction_columns import stored_columns
from storage.sequence_store import SequenceFiles
from storage.user_interactions import ROWS_IN_MEMORY, UserInteractions

HISTORIES, VALIDATION, ASKED = "histories", "validation", "asked"
OF_CONTRACT = (ITEM_INDEX, TIMESTAMP, STARTED, ACTIONS, VALUE, SURFACE)


@dataclass(frozen=True)
class ShownRule:
    """What is learned from and what is asked.

    Attributes:
        actions: What is told of an item that is shown. Bit k of a mask is `actions[k]`, the bit after the last one says
            that the item was shown, and the other actions of the log follow.
        exposure: The action of the log that says so.
        cutoff: First instant (UTC) that training does not see.
        end: The end of the window, from the cutoff on, in which what was shown is asked about.
        validation_users: Users at most that are left to the learning curve, but no more than one in ten.
        seed: Chooses them.
        propensity: The declared column with the probability by which what was shown was chosen, where there is one.
        held_out: Of whom the evaluation asks what they chose before the cutoff, as it asks the other models.
    """

    actions: tuple[str, ...]
    exposure: str
    cutoff: datetime
    end: datetime
    validation_users: int
    seed: int
    propensity: str | None = None
    held_out: RequestMoments = field(default_factory=RequestMoments.none)

    @property
    def shown(self) -> int:
        return 1 << len(self.actions)

    @property
    def cutoff_ms(self) -> int:
        return int(self.cutoff.timestamp() * 1000)

    @property
    def end_ms(self) -> int:
        return int(self.end.timestamp() * 1000)


def vocabulary_before(log: SequenceFiles, catalogue: pl.DataFrame, rule: ShownRule) -> Vocabulary:
    """The vocabulary of all interactions that are learned from, of whatever action.

    Raises:
        ValueError: there is no such interaction.
    """
    item_ids = log.item_ids()
    counts = ItemCounts(len(item_ids), rule.cutoff_ms)
    for part in log.parts([STARTED]):
        counts.add(part.where(rule.held_out.before(part, rule.cutoff_ms)).interactions)
    vocabulary = counts.vocabulary(item_ids, catalogue[ITEM_ID])
    if not len(vocabulary.trained):
        raise ValueError("there is no interaction before the cutoff: materialize `sequences` for earlier days first")
    return vocabulary


def write_ranking_set(
    folder: Path,
    log: SequenceFiles,
    rule: ShownRule,
    vocabulary: Vocabulary,
    content: pl.DataFrame | None,
    rows_in_memory: int = ROWS_IN_MEMORY,
) -> "Shown":
    """Writes the training set of a ranker to `folder`, users by their ids; `read_dataset` reads it.

    Besides, `asked` holds the users to whom something was shown in the window, with all that they had begun by its end.

    Args:
        folder: What stands there is replaced.
        vocabulary: Of what happened before the cutoff, and the catalogue.
        content: `item_id`, `vector`; None trains without content.
        rows_in_memory: Interactions at most that are read at once.

    Raises:
        ValueError: before the cutoff something was shown to fewer than two users, an action is not declared, or what
            is said to be a propensity is none.
    """
    survey = _survey(log, rule, rows_in_memory)
    held_out = survey.held_out(rule)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    vocabulary.write(folder / VOCABULARY)
    np.save(folder / CONTENT, content_matrix(vocabulary, content))
    (folder / COLUMNS_READ).write_text(_meaning(log, rule).model_dump_json(indent=2))
    np.save(folder / "cold_share.npy", 0.0)
    for name in ("validation_targets", "validation_times"):
        np.save(folder / f"{name}.npy", np.zeros(0, np.int64))
    np.save(folder / "validation_masked.npy", np.zeros(0, bool))
    learned = (survey.lengths > 0) & ~held_out
    own = {column.name: column.dtype for column in stored_columns(log.declared) if column.name in log.declared}
    groups = {
        HISTORIES: _Group(folder, HISTORIES, learned, survey.lengths, own),
        VALIDATION: _Group(folder, VALIDATION, held_out, survey.lengths, own),
        ASKED: _Group(folder, ASKED, survey.asked, survey.begun, own, [PROPENSITY] if rule.propensity else []),
    }
    index, done = vocabulary.index_by_row(log.item_ids()), 0
    for part in _read(log, rule, rows_in_memory):
        places = survey.places[done : done + len(part)]
        done += len(part)
        told = UserInteractions(part.users, part.interactions.renumbered(index))
        before = told.where(rule.held_out.before(told, rule.cutoff_ms))
        begun = told.where(told.interactions.column(STARTED) < rule.end_ms)
        _require_propensities(begun.interactions, rule)
        for name, group in groups.items():
            group.put(places, begun if name == ASKED else before)
    return Shown(int(survey.shown[learned].sum()), int(survey.shown_after.sum()), int(survey.asked.sum()))


@dataclass(frozen=True)
class Shown:
    """What a training set holds: how much that was shown is learned from, how much is asked, and of how many users."""

    learned: int
    asked: int
    asked_users: int


class _Group:
    """Some of the users in files of their own, each at their place among them.

    Args:
        chosen: (U,) bool, by place among all users.
        lengths: (U,) int64 interactions of each.
        declared: The types of the profile's own columns.
        more: Columns that are written beside these and the contract's.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        chosen: np.ndarray,
        lengths: np.ndarray,
        declared: Mapping[str, np.dtype[Any]],
        more: Sequence[str] = (),
    ) -> None:
        self._chosen, self._place = chosen, np.cumsum(chosen) - 1
        self._files = JaggedFiles(folder, name, lengths[chosen], (*OF_CONTRACT, *more, *declared), declared)

    def put(self, places: np.ndarray, part: UserInteractions) -> None:
        """Writes those of `part` that are among the chosen; the users are at `places` among all."""
        mine = np.flatnonzero(self._chosen[places])
        self._files.put(self._place[places[mine]], part.interactions.take(mine))


@dataclass(frozen=True)
class _Survey:
    """What is known of the users before anything is written; but for `places`, in ascending order of their ids.

    Attributes:
        places: (U,) int64 the place of each user, in the order of the log, in that order.
        lengths: (U,) int64 interactions before the cutoff.
        begun: (U,) int64 interactions that had begun by the end of the window.
        shown: (U,) int64 interactions before the cutoff that say that something was shown.
        shown_after: (U,) int64 the same within the window.
    """

    places: np.ndarray
    lengths: np.ndarray
    begun: np.ndarray
    shown: np.ndarray
    shown_after: np.ndarray

    @property
    def asked(self) -> np.ndarray:
        """(U,) bool, who is asked about."""
        return self.shown_after > 0

    def held_out(self, rule: ShownRule) -> np.ndarray:
        """(U,) bool: the users of the learning curve."""
        eligible = np.flatnonzero(self.shown)
        if len(eligible) < 2:
            raise ValueError(
                f"before {rule.cutoff:%Y-%m-%d} something was shown to {len(eligible)} users: a ranker needs two, one "
                f"to learn from and one to be measured on; does the source log the action {rule.exposure!r} "
                "(ranking.exposure)?"
            )
        drawn = np.random.default_rng(rule.seed).permutation(eligible)
        chosen = np.zeros(len(self.lengths), bool)
        chosen[drawn[: min(rule.validation_users, max(1, len(eligible) // 10))]] = True
        return chosen


def _survey(log: SequenceFiles, rule: ShownRule, rows_in_memory: int) -> _Survey:
    users, columns = [], []
    for part in _read(log, rule, rows_in_memory):
        told, started = part.interactions, part.interactions.column(STARTED)
        before, shown = rule.held_out.before(part, rule.cutoff_ms), told.carrying(rule.shown)
        within = shown & (started >= rule.cutoff_ms) & (started < rule.end_ms)
        flags = (before, started < rule.end_ms, before & shown, within)
        users.append(part.users)
        columns.append(np.stack([told.where(flag).lengths for flag in flags]))
    order = pl.concat(users).arg_sort().to_numpy() if users else np.zeros(0, np.int64)
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    counted = np.concatenate([np.zeros((4, 0), np.int64), *columns], axis=1)[:, order]
    return _Survey(places, *counted)


def _meaning(log: SequenceFiles, rule: ShownRule) -> StoredColumns:
    categories = {name: tuple(names) for name, names in log.categories.items()}
    return StoredColumns(actions=_actions(log, rule), declared=dict(log.declared), categories=categories)


def _actions(log: SequenceFiles, rule: ShownRule) -> tuple[str, ...]:
    """The actions of the log by the bits of the masks: what is told, exposure, and the others."""
    first = (*rule.actions, rule.exposure)
    return (*first, *(action for action in log.actions if action not in first))


def _read(log: SequenceFiles, rule: ShownRule, rows_in_memory: int) -> Iterator[UserInteractions]:
    """The users a part at a time, with masks by the bits of `_actions`."""
    require_declared(log.actions, [*rule.actions, rule.exposure])
    bits = [log.actions.index(action) for action in _actions(log, rule)]
    if rule.propensity:
        _require_number_of_the_request(log, rule.propensity)
    for part in log.parts([STARTED, VALUE, SURFACE, *log.declared], rows_in_memory):
        given = part.interactions.column(ACTIONS)
        masks = np.zeros(len(given), np.int64)
        for bit, place in enumerate(bits):
            masks |= ((given.astype(np.int64) >> place) & 1) << bit
        columns = {ACTIONS: masks}
        if rule.propensity:
            columns[PROPENSITY] = part.interactions.column(rule.propensity)
        yield UserInteractions(part.users, part.interactions.with_columns(columns))


def _require_number_of_the_request(log: SequenceFiles, name: str) -> None:
    column = log.declared.get(name)
    if column is None or column.type != "number" or column.known != "request":
        told = "not declared" if column is None else f"a {column.type} known at the {column.known}"
        raise ValueError(
            f"ranking.off_policy.propensity is {name!r}, which is {told}: declare it in quality.columns as "
            "{known: request, type: number}"
        )


def _require_propensities(begun: Interactions, rule: ShownRule) -> None:
    """Raises:
    ValueError: something that was shown in the window has a number that is no propensity.
    """
    if rule.propensity:
        within = begun.carrying(rule.shown) & (begun.column(STARTED) >= rule.cutoff_ms)
        try:
            require_propensities(begun.column(PROPENSITY)[within])
        except ValueError as error:
            raise ValueError(f"ranking.off_policy.propensity is {rule.propensity!r}, but {error}") from error
