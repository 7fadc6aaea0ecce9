"""When a feature is known: with the request, or only after the action. Two types, so that none stands for the other.

What the model reads at step t is known when the recommendation of step t is asked for: the request features of t, and
what came of the step before, the outcome features of t - 1 (Netflix spec section 7; the rule of ARGUS spec section 2).
Shifting them by hand is where leaks come from, so it is done here, once. Which column is which says
`models.known`. A column on the wrong side is an error before any number is computed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from models.columns import ACTIONS, COUNT, STARTED, SURFACE, VALUE
from models.interactions import Interactions
from models.known import CONTRACT, DURATION, GAP, Known

PREVIOUS = "previous_"


@dataclass(frozen=True)
class _Features:
    """Columns of L steps.

    Attributes:
        columns: (L,) array of each.
        known: When each column that there may be is known (`declared`).

    Raises:
        TypeError: a column is known at another time than features of this type.
        ValueError: a column is not declared, or of another length than the rest.
    """

    columns: Mapping[str, np.ndarray]
    known: Mapping[str, Known] = field(default_factory=lambda: CONTRACT)

    moment: ClassVar[Known]

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            if name not in self.known:
                raise ValueError(f"column {name!r} is not declared: say whether it is known at the request or after it")
            if self.known[name] != self.moment:
                raise TypeError(
                    f"column {name!r} is known as {self.known[name]}: it is no part of {type(self).__name__}, which "
                    f"hold what is known as {self.moment}"
                )
            if len(column) != len(self):
                raise ValueError(f"column {name!r} has {len(column)} steps, not the {len(self)} of the first column")

    def __len__(self) -> int:
        return next((len(column) for column in self.columns.values()), 0)


@dataclass(frozen=True)
class RequestFeatures(_Features):
    """What is known when a step's recommendation is asked for: surface, device, time since the step before."""

    moment: ClassVar[Known] = "request"


@dataclass(frozen=True)
class OutcomeFeatures(_Features):
    """What is known only after a step's action: which it was, how long it took, what was paid."""

    moment: ClassVar[Known] = "outcome"


@dataclass(frozen=True)
class StepInputs:
    """What may be read at each of L steps.

    Attributes:
        columns: (L,) arrays: request features by their name, outcomes of the step before as `previous_` and the name,
            zero at a user's first step.
        first: (L,) bool, the first step of each user: there is nothing before it, which is not the same as zero.
    """

    columns: Mapping[str, np.ndarray]
    first: np.ndarray


def step_inputs(request: RequestFeatures, outcome: OutcomeFeatures, offsets: np.ndarray) -> StepInputs:
    """Joins the request features of every step to the outcome features of the same user's step before.

    Args:
        request: Of L steps, users end to end, oldest first.
        outcome: Of the same steps: not shifted yet.
        offsets: (B + 1,) int64 user boundaries.

    Raises:
        TypeError: features of the one kind are given as the other.
        ValueError: they are of another number of steps than the offsets.
    """
    for given, wanted in ((request, RequestFeatures), (outcome, OutcomeFeatures)):
        if not isinstance(given, wanted):
            raise TypeError(f"{type(given).__name__} were given where {wanted.__name__} are read: they would leak")
        if given.columns and len(given) != offsets[-1]:
            raise ValueError(f"{wanted.__name__} are of {len(given)} steps, but the offsets end at {offsets[-1]}")
    first = _firsts(offsets)
    shifted = {PREVIOUS + name: _of_the_step_before(column, first) for name, column in outcome.columns.items()}
    return StepInputs({**request.columns, **shifted}, first)


def request_features(interactions: Interactions) -> RequestFeatures:
    """Surface, the declared columns that are known at the request, and the ms from the last action of the interaction
    before to the first of this one; 0 at a user's first.
    """
    first = _firsts(interactions.offsets)
    gaps = np.where(first, 0, interactions.column(STARTED) - _of_the_step_before(interactions.timestamps, first))
    return RequestFeatures(
        {SURFACE: interactions.column(SURFACE), GAP: np.maximum(gaps, 0), **_declared(interactions, "request")},
        interactions.declared,
    )


def outcome_features(interactions: Interactions) -> OutcomeFeatures:
    """Bit mask of the actions, value, how many interactions were merged, the ms from the first action to the last, and
    the declared columns that are known only after the action.
    """
    return OutcomeFeatures(
        {
            **{name: interactions.column(name) for name in (ACTIONS, VALUE, COUNT)},
            DURATION: interactions.timestamps - interactions.column(STARTED),
            **_declared(interactions, "outcome"),
        },
        interactions.declared,
    )


def _declared(interactions: Interactions, moment: Known) -> dict[str, np.ndarray]:
    own = {name for name, known in interactions.declared.items() if name not in CONTRACT and known == moment}
    return {name: column for name, column in interactions.columns.items() if name in own}


def _firsts(offsets: np.ndarray) -> np.ndarray:
    """(L,) bool, the first step of each user."""
    first = np.zeros(offsets[-1], bool)
    first[offsets[:-1][np.diff(offsets) > 0]] = True
    return first


def _of_the_step_before(column: np.ndarray, first: np.ndarray) -> np.ndarray:
    return np.where(first, np.zeros(1, column.dtype), np.roll(column, 1))
