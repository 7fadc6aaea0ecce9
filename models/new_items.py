"""Items that came after a version was trained: as it would have had them if the catalogue had listed them then.

An item that nobody had touched is to a model what its content says (`models.items`), and so is one that comes later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl
import torch
from torch import Tensor

from models.artifact import Artifact


class NewItemsError(ValueError):
    """Vectors of new items do not belong to a version; the message says why."""


@dataclass(frozen=True)
class NewItems:
    """Items that a version does not know.

    Attributes:
        item_ids: (k,) unique, of the type of the version's own.
        vectors: (k, d) float32 of each, by the names that the version's family exports.
    """

    item_ids: pl.Series
    vectors: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.item_ids)


def new_items(artifact: Artifact, item_ids: pl.Series, content: Tensor) -> NewItems:
    """The items `item_ids` (k,) as a version has them whose content (k, c) is this.

    Raises:
        NewItemsError: an item has no id, or one that another has, too.
        NoNewItems: the version knows nothing of an item that came later.
        ValueError: the content is of another width than the version reads, or it or what comes of it is not finite.
    """
    require_own_ids(item_ids)
    new = NewItems(item_ids, artifact.family.new_item_vectors(artifact.model, content))
    for name in new.vectors:
        _fit(artifact, new, name)
    return new


def with_new_items(artifact: Artifact, new: NewItems) -> Artifact:
    """The version with the items `new` behind its own, of which it says what it said before.

    Raises:
        NewItemsError: they are not of this version, or damaged.
        NoNewItems: the version's family takes none in.
    """
    if not len(new):
        return artifact
    try:
        vocabulary, indices = artifact.vocabulary.with_items(new.item_ids)
    except ValueError as error:
        raise NewItemsError(f"{error}: materialize `new_item_vectors`") from error
    count, family = len(vocabulary) - len(artifact.vocabulary), artifact.family
    places = torch.from_numpy(indices)
    vectors = {}
    for name in family.vectors:
        own, theirs = artifact.vectors[name], _fit(artifact, new, name)
        room = torch.cat([own, own.new_zeros(count, own.shape[1])])
        vectors[name] = room.index_copy(0, places, theirs)
    model = family.load(artifact.model.config, vocabulary, family.with_room(artifact.model, count), vectors)
    return replace(artifact, model=model.eval(), vocabulary=vocabulary, vectors=vectors)


def require_own_ids(item_ids: pl.Series) -> None:
    """Raises NewItemsError where an item has no id, or one that another has, too."""
    if item_ids.null_count():
        raise NewItemsError("a new item has no id: materialize `content_embeddings` again")
    if (twice := item_ids.filter(item_ids.is_duplicated())).len():
        raise NewItemsError(f"the new item {twice[0]!r} is there twice: materialize `content_embeddings` again")


def _fit(artifact: Artifact, new: NewItems, name: str) -> Tensor:
    """The vectors `name` of the new items.

    Raises:
        NewItemsError: they are missing, of another width, or not finite.
    """
    width, theirs = artifact.vectors[name].shape[1], new.vectors.get(name)
    what = f"the {name.replace('_', ' ')} of items that came after version {artifact.version}"
    if theirs is None or theirs.shape != (len(new), width):
        shape = "missing" if theirs is None else str(tuple(theirs.shape))
        raise NewItemsError(f"{what} are {shape}, not {len(new)} of width {width}: materialize `new_item_vectors`")
    wrong = ~theirs.square().sum(1).isfinite()
    if wrong.any():
        item = new.item_ids[int(wrong.int().argmax())]
        raise NewItemsError(f"{what} are not finite, or too long, at item {item!r}: materialize `new_item_vectors`")
    return theirs
