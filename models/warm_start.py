"""Starting a model from the weights of an earlier version."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from polars.exceptions import PolarsError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from models.manifest import MODEL, OPTIMIZER, VOCABULARY
from models.new_rows import rows_of_new
from models.vocabulary import Vocabulary

ID_TABLE = "items.ids.weight"
POSITIONS = "positions"


@dataclass(frozen=True)
class Parent:
    """What a model can start from: the weights of a version, and who stands where in its ID table.

    Attributes:
        optimizer: The optimiser's state with which its training ended (`models.training.optimizer.named_state`); empty
            where it was not kept.
    """

    weights: Mapping[str, Tensor]
    vocabulary: Vocabulary
    optimizer: Mapping[str, Tensor] = field(default_factory=dict)


def read_parent(folder: Path) -> Parent:
    """The version in `folder`.

    Raises:
        ValueError: it cannot be read, is of an earlier version of this program, or damaged.
    """
    try:
        weights, vocabulary = load_file(folder / MODEL), Vocabulary.read(folder / VOCABULARY)
        optimizer = load_file(folder / OPTIMIZER) if (folder / OPTIMIZER).exists() else {}
    except (OSError, SafetensorError, PolarsError) as error:
        raise ValueError(f"{folder} cannot be read: {error}") from error
    rows, trained = len(weights.get(ID_TABLE, ())), len(vocabulary.trained)
    if rows != trained + 1:
        raise ValueError(f"the ID table in {folder} has {rows} rows, not {trained + 1}")
    damaged = [name for name, weight in {**weights, **optimizer}.items() if not weight.isfinite().all()]
    if damaged:
        raise ValueError(f"the weights {damaged[0]} in {folder} are not finite")
    return Parent(weights, vocabulary, optimizer)


def start_from(parent: Parent, model: Any, vocabulary: Vocabulary) -> None:
    """Gives `model` the weights of `parent`.

    The items that it trained, matched by their ids, get its rows of the ID table, to the bit. Others begin near the
    items that are like them (`rows_of_new`).

    Args:
        model: Untrained, configured as the parent (`differences`).
        vocabulary: The model's, which follows that of the parent (`Vocabulary.following`).
    """
    before, after = _places(parent, model, vocabulary)
    tower = model.items
    table = model.state_dict()[ID_TABLE].index_copy(0, after, parent.weights[ID_TABLE][before])
    new = torch.ones(len(table), dtype=torch.bool).index_fill(0, after, False).nonzero().squeeze(1)
    known = after[after > 0]
    # Of a model without content every row is zero, which is as much as none.
    content = tower.content if tower.content.dim() > 1 else torch.zeros(len(tower.places), 1)
    theirs, own = (content[tower.trained_items[places]] for places in (known, new))
    table[new] = rows_of_new(table[known], theirs, own, table[new])
    # Only what is learned: what the model was told of its own data stays.
    learned = {name: parent.weights[name] for name, _ in model.named_parameters()}
    model.load_state_dict({**model.state_dict(), **learned, ID_TABLE: table})


def optimizer_state(parent: Parent, model: Any, vocabulary: Vocabulary) -> dict[str, Tensor]:
    """The optimiser's state of `parent` for `model`, which started from it: zero in the rows of items that are new."""
    before, after = _places(parent, model, vocabulary)
    state = dict(parent.optimizer)
    for name, value in parent.optimizer.items():
        if name.startswith(f"{ID_TABLE}.") and value.dim():
            table = value.new_zeros(len(model.items.ids.weight), *value.shape[1:])
            state[name] = table.index_copy(0, after, value[before])
    return state


def _places(parent: Parent, model: Any, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """Of the out-of-vocabulary vector, and of the items that both know, the places there and here."""
    items = vocabulary.indices(parent.vocabulary.ids(parent.vocabulary.trained))
    before = torch.from_numpy(np.concatenate([[0], np.flatnonzero(items) + 1]))
    return before, model.items.places[torch.from_numpy(np.concatenate([[0], items[items > 0]]))]


def begin_with(folder: Path, model: Any, vocabulary: Vocabulary) -> None:
    """Gives `model` the weights of another family's version that have the names of its own; the rest stay as they are.

    Where the model reads longer rows than the version did, it has positions that the version knew nothing of.

    Args:
        folder: The version's.
        model: Untrained.
        vocabulary: The model's, which must be that of the version: its IDs go by their places.

    Raises:
        ValueError: it cannot be read, has another vocabulary, or a weight of another shape.
    """
    try:
        weights, theirs = load_file(folder / MODEL), Vocabulary.read(folder / VOCABULARY)
    except (OSError, SafetensorError, PolarsError) as error:
        raise ValueError(f"{folder} cannot be read: {error}") from error
    if not theirs.item_ids.equals(vocabulary.item_ids):
        raise ValueError(f"the version in {folder} knows other items: train it on the same training set")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name not in weights:
                continue
            given = weights[name]
            if name == POSITIONS:
                given, parameter = given[: len(parameter)], parameter[: len(given)]
            if given.shape != parameter.shape:
                raise ValueError(
                    f"{name} is {tuple(given.shape)} in {folder}, but {tuple(parameter.shape)} here: give the model "
                    "the shape that the version has"
                )
            parameter.copy_(given)


def differences(own: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """What differs between two configurations as JSON has them, one setting each: `width is 64, not 32`."""
    mine, others = dict(_flat(own)), dict(_flat(theirs))
    return [
        f"{path} is {mine.get(path)}, not {others.get(path)}"
        for path in sorted(mine.keys() | others.keys())
        if mine.get(path) != others.get(path)
    ]


def _flat(settings: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value
