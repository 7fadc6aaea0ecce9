"""What an interaction is to ARGUS, in numbers: context, item and feedback as codes, and the labels of its factors.

A code is 0 where there is nothing, and else a bucket or a name, from 1 on. The columns of `Interactions` are given as
they are, for N interactions.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from models.argus.config import ArgusConfig, ColumnConfig, FactorConfig
from models.columns import ACTIONS
from models.heads.calendar import DAY_MS, HOUR_MS

Columns = Mapping[str, np.ndarray]

NO_LABEL = -1


def context_names(config: ArgusConfig) -> list[str]:
    """The features of the context, in the order of their codes."""
    return [*config.clock, *(column.name for column in config.of_role("context"))]


def context_codes(config: ArgusConfig, columns: Columns, started: np.ndarray, before: np.ndarray) -> np.ndarray:
    """(N, features) int64: what is known when the recommendation is asked for.

    Args:
        started: (N,) int64 epoch milliseconds.
        before: (N,) int64 when the newest interaction had ended that is known by then; -1 where there is none.
    """
    clock = {
        "hour": 1 + started // HOUR_MS % 24,
        "weekday": 1 + started // DAY_MS % 7,
        "gap": np.where(before < 0, 0, 1 + _log_seconds(started - before)),
    }
    return _side_by_side([clock[name] for name in config.clock], columns, config.of_role("context"), len(started))


def item_codes(config: ArgusConfig, columns: Columns, count: int) -> np.ndarray:
    """(N, features) int64: what is known of the item that is shown, beside the item itself."""
    return _side_by_side([], columns, config.of_role("item"), count)


def feedback_names(config: ArgusConfig) -> list[str]:
    """The features of the feedback, in the order of their codes."""
    return [*(f"action {name}" for name in config.actions), *(column.name for column in config.of_role("feedback"))]


def feedback_codes(config: ArgusConfig, columns: Columns, count: int) -> np.ndarray:
    """(N, features) int64: what came of it, each action by itself.

    Raises:
        ValueError: a mask has a bit that is no action of the model.
    """
    taken = [1 + taken for taken in _taken(config, columns)]
    return _side_by_side(taken, columns, config.of_role("feedback"), count)


def labels(config: ArgusConfig, columns: Columns, count: int) -> np.ndarray:
    """(N, factors) int64: the class of each factor, NO_LABEL where it is not known.

    Raises:
        ValueError: as in `feedback_codes`.
    """
    taken = dict(zip(config.actions, _taken(config, columns), strict=True))
    made = [taken[factor.action] if factor.action else _class_of(config, factor, columns) for factor in config.factors]
    return np.stack(made, axis=1).astype(np.int64) if made else np.zeros((count, 0), np.int64)


def _class_of(config: ArgusConfig, factor: FactorConfig, columns: Columns) -> np.ndarray:
    column = config.column(factor.column)
    assert column is not None
    told = column if column.values else column.model_copy(update={"edges": factor.edges})
    classes = codes_of(told, columns[column.name]) - 1
    return classes if factor.absent is None else np.where(classes < 0, factor.absent, classes)


def _taken(config: ArgusConfig, columns: Columns) -> list[np.ndarray]:
    """(N,) int64 each, 1 where the action was taken."""
    if not config.actions:
        return []
    masks = columns[ACTIONS].astype(np.int64)
    undeclared = (masks < 0) | (masks >= 1 << len(config.actions))
    if undeclared.any():
        place = int(np.argmax(undeclared))
        raise ValueError(f"interaction {place} has action mask {masks[place]}, the model declares {config.actions}")
    return [(masks >> bit) & 1 for bit in range(len(config.actions))]


def _side_by_side(first: list[np.ndarray], columns: Columns, read: Sequence[ColumnConfig], count: int) -> np.ndarray:
    made = [*first, *(codes_of(column, columns[column.name]) for column in read)]
    return np.stack(made, axis=1).astype(np.int64) if made else np.zeros((count, 0), np.int64)


def codes_of(column: ColumnConfig, values: np.ndarray) -> np.ndarray:
    """(N,) int64 the code of each value of a column.

    Raises:
        ValueError: a category has a code without a name.
    """
    if not column.values:
        return np.where(np.isnan(values), 0, 1 + np.searchsorted(column.edges, values, side="right"))
    if values.max(initial=-1) >= len(column.values):
        place = int(np.argmax(values))
        raise ValueError(
            f"interaction {place} has code {values[place]} in {column.name}, whose names are {len(column.values)}"
        )
    return values.astype(np.int64) + 1


def is_there(values: np.ndarray) -> np.ndarray:
    """(N,) bool, where a column of numbers or of codes is not empty."""
    there: np.ndarray = ~np.isnan(values) if values.dtype.kind == "f" else values >= 0
    return there


def _log_seconds(milliseconds: np.ndarray) -> np.ndarray:
    """(N,) int64 two buckets for each doubling."""
    return np.floor(2 * np.log2(1 + np.maximum(milliseconds, 0) / 1000)).astype(np.int64)
