"""What the two towers learn from and are asked: impressions, each with the newest state that is old enough.

The states of a history are made in one causal pass. An impression is matched to the newest of them that is at least
`delay_hours` old when it is shown, and with no delay to the newest that had ended before (ARGUS spec section 4).
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from models.argus.batch import ArgusBatch
from models.argus.examples import ArgusExamples
from models.argus.features import NO_LABEL, item_codes, labels
from models.argus.two_towers_config import TwoTowersConfig
from models.columns import STARTED
from models.examples import Epoch
from models.heads.calendar import HOUR_MS
from models.interactions import AT_ONCE, Interactions
from models.past import count_before


@dataclass(frozen=True)
class ImpressionBatch:
    """T impressions by row, in the order in which they were shown.

    Attributes:
        histories: L interactions of B users, which are read; the others are not of interest here.
        items: (T,) int64 indices of the items that were shown.
        states: (T,) int64 after which of the L the user's state is taken.
        rows: (T,) int64 the row of each, not decreasing.
        grades: (T,) int64 how good what came of it was.
    """

    histories: ArgusBatch
    items: Tensor
    states: Tensor
    rows: Tensor
    grades: Tensor

    def __len__(self) -> int:
        """Impressions."""
        return len(self.items)

    def to(self, device: torch.device | str) -> "ImpressionBatch":
        return ImpressionBatch(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True)
class LeftOut:
    """How many impressions take no part, each counted for the first reason that applies.

    Attributes:
        unknown_item: Their item is not in the vocabulary.
        without_grade: Nothing is known of what came of them.
        without_state: Their user had no state that was old enough.
    """

    unknown_item: int
    without_grade: int
    without_state: int

    def __str__(self) -> str:
        return (
            f"{self.without_state:,} impressions of users without a state that was old enough, {self.without_grade:,} "
            f"of which nothing is known, {self.unknown_item:,} of unknown items"
        )


class NoImpressions(ValueError):
    """There is no impression to learn from or to judge; the message says why."""


class ImpressionExamples:
    """Examples of impressions: in training each is a chunk of a history with the impressions matched to its states.

    Args:
        interactions: Of all users, with the columns `started` and those that `config` reads.
        config: The model's.
        asked: (L,) bool which impressions are asked about; None: all, in chunks of the histories. Where only some are,
            a state reads at least half of what the model can read, where there is as much before it.

    Attributes:
        left_out: The impressions that take no part.
        at: (T,) int64 the position of each impression, in the order of the batches.
        states: (T,) int64 the position of the interaction after which its state is taken.

    Raises:
        NoImpressions: none is left.
        ValueError: a column is missing.
    """

    def __init__(self, interactions: Interactions, config: TwoTowersConfig, asked: np.ndarray | None = None) -> None:
        self.config, self._interactions = config, interactions
        started = interactions.column(STARTED)
        at = every_impression(interactions, config)
        if asked is not None:
            at = at[asked[at]]
        users = np.searchsorted(interactions.offsets, at, side="right") - 1
        at = at[np.lexsort((at, started[at], users))]
        states = self._states(at)
        unknown = interactions.item_index[at] == 0
        without_grade = ~unknown & ~graded(config, self._labels(at))
        without_state = ~unknown & ~without_grade & (states < 0)
        self.left_out = LeftOut(int(unknown.sum()), int(without_grade.sum()), int(without_state.sum()))
        kept = ~(unknown | without_grade | without_state)
        self.at, self.states = at[kept], states[kept]
        if not len(self.at):
            raise NoImpressions(f"no impression is left to learn from or to judge: there are {self.left_out}")
        self._windows = self._read_windows(None if asked is None else self.states)
        first = self._windows.examples[:, 3]
        window = np.searchsorted(first, self.states, side="right") - 1
        self._examples, counts = np.unique(window, return_counts=True)
        self._offsets = np.concatenate([[0], np.cumsum(counts)])

    def __len__(self) -> int:
        return len(self._examples)

    @property
    def users(self) -> np.ndarray:
        """(T,) int64 position of the user of each impression."""
        return np.searchsorted(self._interactions.offsets, self.at, side="right") - 1

    @property
    def items(self) -> np.ndarray:
        """(T,) the item of each."""
        items: np.ndarray = self._interactions.item_index[self.at]
        return items

    @property
    def pairs(self) -> int:
        """How many neighbours of one example differ in grade."""
        rows = np.repeat(np.arange(len(self)), np.diff(self._offsets))
        return int(((np.diff(self.grades()) != 0) & (np.diff(rows) == 0)).sum())

    def labels(self) -> np.ndarray:
        """(T, factors) int64 the class of each factor, NO_LABEL where it is not known."""
        return self._labels(self.at)

    def grades(self) -> np.ndarray:
        """(T,) int64 how good what came of each impression was."""
        return grades(self.config, self.labels())

    def item_codes(self) -> np.ndarray:
        """(n + 1, features) int64 what else is known of each item up to the greatest index that occurs, 0 for nothing.

        Of an item, all interactions say the same (`models.argus.columns`); one of them is asked.
        """
        items = self._interactions.item_index
        place = np.full(int(items.max(initial=0)) + 1, -1)
        for start in range(0, len(items), AT_ONCE):
            part = items[start : start + AT_ONCE]
            place[part] = start + np.arange(len(part))
        seen = place[1:] >= 0
        columns = {name: self._interactions.column(name)[place[1:][seen]] for name in self.config.read}
        codes = item_codes(self.config, columns, int(seen.sum()))
        known = np.zeros((len(place), codes.shape[1]), np.int64)
        known[1:][seen] = codes
        return known

    def epoch(self, epoch: int) -> Epoch:
        """The same examples in every epoch."""
        lengths = self._windows.epoch(epoch).lengths[self._examples]
        return Epoch(lengths, lengths, self.batch)

    def batch(self, examples: np.ndarray) -> ImpressionBatch:
        """The batch of `examples` (B,), in that order."""
        histories = self._windows.batch(self._examples[examples])
        counts = np.diff(self._offsets)[examples]
        rows = np.repeat(np.arange(len(examples)), counts)
        chosen = np.concatenate([np.arange(*self._offsets[one : one + 2]) for one in examples.tolist()])
        at = self.at[chosen]
        starts = self._windows.examples[self._examples[examples], 1]
        states = self.states[chosen] - starts[rows] + histories.offsets.numpy()[rows]
        return ImpressionBatch(
            histories=histories,
            items=torch.from_numpy(self._interactions.item_index[at].astype(np.int64)),
            states=torch.from_numpy(states),
            rows=torch.from_numpy(rows),
            grades=torch.from_numpy(grades(self.config, self._labels(at))),
        )

    def _states(self, at: np.ndarray) -> np.ndarray:
        """(T,) int64 position of the newest interaction that may be known at each impression, -1 for none."""
        delay = round(self.config.delay_hours * HOUR_MS)
        offsets, started = self._interactions.offsets, self._interactions.column(STARTED)[at]
        users = np.searchsorted(offsets, at, side="right") - 1
        # What is as old as the delay is old enough; without one, what ends as an impression begins was not before it.
        known = count_before(self._interactions, users, started - delay + (delay > 0))
        return np.where(known > 0, offsets[users] + known - 1, -1)

    def _read_windows(self, states: np.ndarray | None) -> ArgusExamples:
        if states is None:
            return ArgusExamples(self._interactions, self.config)
        needed = np.zeros(len(self._interactions.timestamps), bool)
        needed[states] = True
        return ArgusExamples(self._interactions, self.config, needed)

    def _labels(self, places: np.ndarray) -> np.ndarray:
        return labels_at(self._interactions, self.config, places)


def every_impression(interactions: Interactions, config: TwoTowersConfig) -> np.ndarray:
    """(T,) int64 the positions of the interactions that say that an item was shown."""
    if not config.exposure:
        return np.arange(len(interactions.timestamps))
    return np.flatnonzero(interactions.carrying(1 << config.actions.index(config.exposure)))


def labels_at(interactions: Interactions, config: TwoTowersConfig, places: np.ndarray) -> np.ndarray:
    """(T, factors) int64 the class of each factor of the interactions at `places`, NO_LABEL where it is not known."""
    columns = {name: interactions.column(name)[places] for name in config.read}
    return labels(config, columns, len(places))


def graded(config: TwoTowersConfig, classes: np.ndarray) -> np.ndarray:
    """(T,) bool, of which interactions anything is known that the scale asks for, by their classes (T, factors)."""
    names = [factor.name for factor in config.factors]
    asked = [names.index(step.factor) for step in config.scale]
    known: np.ndarray = (classes[:, asked] != NO_LABEL).any(axis=1)
    return known


def reached(config: TwoTowersConfig, classes: np.ndarray) -> np.ndarray:
    """(T, steps) bool, which steps of the scale hold, by the classes (T, factors)."""
    names = [factor.name for factor in config.factors]
    return np.stack([classes[:, names.index(step.factor)] >= step.least for step in config.scale], axis=1)


def grades(config: TwoTowersConfig, classes: np.ndarray) -> np.ndarray:
    """(T,) int64 the grade of the last step of the scale that holds, 0 where none does, by the classes (T, factors)."""
    found = np.zeros(len(classes), np.int64)
    for step, holds in zip(config.scale, reached(config, classes).T, strict=True):
        found[holds] = step.grade
    return found
