"""Which columns of interactions a model reads, and as what: their types decide, and what they hold is checked.

A profile declares when each of its columns is known. Context is what is known at the request, feedback what is known
after the action. Two mistakes stay possible, and both would make a model that is good in training alone:

- A column that describes the item that is shown, such as its length, is known with the item and gives it away to who
  is to tell which item comes next. Where the data say so it goes with the item.
- A column that is declared as known at the request may hold the outcome. What tells an outcome too well is refused.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from models.argus.config import ArgusConfig, ColumnConfig, Role
from models.argus.features import codes_of, labels
from models.columns import SURFACE, VALUE
from models.declared import DeclaredColumns
from models.interactions import Interactions

MOST_EDGES = 31

SAMPLE = 1_000_000
"""Interactions at most that are looked at."""

OF_ITEM, VARIES = 0.99, 0.9
"""A column is the item's where two interactions with one item agree so often, and two with any do not."""

TELLS_TOO_MUCH = 0.3
"""Normalised entropy of an outcome given a column: what is known at the request does not tell so much of it."""

FEW = 100
"""Interactions with a class that is not the most frequent, below which no column is judged by it."""


def columns_of(
    interactions: Interactions, declared: DeclaredColumns, categories: Mapping[str, Sequence[str]]
) -> tuple[ColumnConfig, ...]:
    """The columns that there are, as a model reads them; numbers in buckets of about equally many.

    Args:
        interactions: What is learned from.
        declared: The profile's own columns.
        categories: Names of each column of codes.
    """
    found = []
    for name, role in _roles(interactions, declared):
        values = interactions.column(name)[:SAMPLE]
        if name in categories:
            column = ColumnConfig(name=name, role=role, values=tuple(categories[name]))
            if column.values:
                found.append(column)
        elif len(edges := _edges(values)):
            found.append(ColumnConfig(name=name, role=role, edges=tuple(edges)))
    items = interactions.item_index[:SAMPLE]
    return tuple(
        column.model_copy(update={"role": "item"})
        if column.role == "context" and column.name in declared and _is_of_item(column, interactions, items)
        else column
        for column in found
    )


def require_no_outcome(interactions: Interactions, config: ArgusConfig) -> None:
    """Refuses a column of the context or of the item that tells a factor of the feedback too well to be known before.

    What a column tells is learned from every other user and tried on the rest.

    Raises:
        ValueError: one does; it names both.
    """
    owner = np.repeat(np.arange(len(interactions)), interactions.lengths)[:SAMPLE]
    count = len(owner)
    columns = {name: interactions.column(name)[:SAMPLE] for name in config.read}
    classes = labels(config, columns, count)
    learned = owner % 2 == 0
    for column in config.columns:
        if column.role == "feedback" or column.name == SURFACE:
            continue
        codes = codes_of(column, columns[column.name])
        for factor, labelled in zip(config.factors, classes.T, strict=True):
            entropy = _entropy_given(codes, labelled, learned)
            if entropy is not None and entropy < TELLS_TOO_MUCH:
                raise ValueError(
                    f"column {column.name!r}, which is declared as known at the request, tells {factor.name} but for "
                    f"{entropy:.0%} of its entropy, as only an outcome does: declare it as `known: outcome` in "
                    "quality.columns"
                )


def _roles(interactions: Interactions, declared: DeclaredColumns) -> list[tuple[str, Role]]:
    own: list[tuple[str, Role]] = [
        (name, "context" if declared[name].known == "request" else "feedback") for name in sorted(declared)
    ]
    contract: list[tuple[str, Role]] = [(SURFACE, "context"), (VALUE, "feedback")]
    return [(name, role) for name, role in (*contract, *own) if name in interactions.columns]


def _edges(values: np.ndarray) -> list[float]:
    """Bounds between buckets of about equally many of the values; none where there is at most one value."""
    there = values[~np.isnan(values)]
    if not len(there):
        return []
    quantiles = np.quantile(there, np.arange(1, MOST_EDGES + 1) / (MOST_EDGES + 1), method="higher")
    return [float(edge) for edge in np.unique(quantiles) if edge > there.min()]


def _is_of_item(column: ColumnConfig, interactions: Interactions, items: np.ndarray) -> bool:
    codes = codes_of(column, interactions.column(column.name)[:SAMPLE])
    per_item, per_pair = np.bincount(items), np.unique(items * (int(codes.max()) + 1) + codes, return_counts=True)[1]
    per_code = np.bincount(codes)
    repeated = _pairs(per_item)
    if not repeated:
        return False
    return _pairs(per_pair) / repeated >= OF_ITEM and _pairs(per_code) / _pairs(np.array([len(codes)])) <= VARIES


def _pairs(counts: np.ndarray) -> float:
    return float((counts * (counts - 1.0)).sum())


def _entropy_given(codes: np.ndarray, classes: np.ndarray, learned: np.ndarray) -> float | None:
    """The log loss of the classes told by the codes, over that of their frequencies; None where there are too few."""
    known = classes >= 0
    train, tried = known & learned, known & ~learned
    counts = np.bincount(classes[known])
    if not (train.any() and tried.any()) or counts.sum() - counts.max() < FEW:
        return None
    table = np.zeros((int(codes.max()) + 1, len(counts)))
    np.add.at(table, (codes[train], classes[train]), 1.0)
    base = (table.sum(0) + 0.5) / (table.sum() + 0.5 * len(counts))
    given = (table + base) / (table.sum(1, keepdims=True) + 1)
    truth = classes[tried]
    below = -np.log(base[truth]).sum()
    return float(-np.log(given[codes[tried], truth]).sum() / below) if below else None
