"""The space of a version's vectors: that of an earlier version, towards which they are turned, or a new one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assets.versions import versions_of
from models.families.family import RETRIEVAL_VECTORS, NoVectors
from models.families.registry import family_of, read_config
from models.manifest import VOCABULARY, Space, read_manifest
from models.stable_space import Maps, RankDeficient, canonical, change_of_scores, gram, mapped, mean_cosine, rotation
from storage.lake import Lake

if TYPE_CHECKING:
    from models.artifact import Artifact
    from models.config.model import TrainedConfig
    from models.space import StableSpace
    from models.vocabulary import Vocabulary

LARGEST_CHANGE = 1e-4
"""Of a score, in parts of the largest, by maps and by 32 bits."""

COMPARED = 2_000
"""About so many items have their scores computed again for that."""


class ScoresChanged(ValueError):
    """Published vectors would not score as the version does."""


class NotTheSame(ValueError):
    """An earlier version's space is not that of a version; the message says why."""


@dataclass(frozen=True)
class UserMoments:
    """What the space of a version has to know of the users' vectors as the version makes them.

    Attributes:
        gram: (e, e) float64, of all of them.
        some: (w, e) float32, a few of them.
    """

    gram: np.ndarray
    some: np.ndarray


@dataclass(frozen=True)
class _Items:
    """The items of a version.

    Attributes:
        encoder: How the model is built.
        vectors: (n + 1, e) float32 as the version has them, by the indices of `vocabulary`.
    """

    version: str
    encoder: TrainedConfig
    vocabulary: Vocabulary
    vectors: np.ndarray

    @property
    def width(self) -> int:
        return self.vectors.shape[1]

    @property
    def known(self) -> np.ndarray:
        return self.vectors[self.vocabulary.known_items]


def space_of(lake: Lake, artifact: Artifact, users: UserMoments) -> StableSpace:
    """The space in which a version's vectors are published for the first time.

    Raises:
        NoVectors: its family has none.
        ScoresChanged: they cannot be published without changing what they say.
    """
    from models.space import StableSpace

    encoder = artifact.family.encoder_of(artifact.model.config)
    own = _Items(artifact.version, encoder, artifact.vocabulary, artifact.retrieval_vectors.numpy())
    maps, uncanonical = _in_own_basis(artifact, own, users)
    space = Space(id=own.version, towards=None, canonical=not uncanonical, change_of_scores=0.0, reason=uncanonical)
    try:
        maps, space = _turned(own, maps, space, _before(lake, own))
    except NotTheSame as error:
        space = space.model_copy(update={"reason": "; ".join(filter(None, [f"a new space: {error}", uncanonical]))})
    change = _change(own, users, maps)
    if not change <= LARGEST_CHANGE:
        raise ScoresChanged(
            f"published, the vectors of version {own.version} would change a score by {change:.2g} of the largest, "
            f"{LARGEST_CHANGE:g} is allowed: train it again"
        )
    return StableSpace(space.model_copy(update={"change_of_scores": change}), maps)


def _in_own_basis(artifact: Artifact, own: _Items, users: UserMoments) -> tuple[Maps, str]:
    """The maps into the basis that follows from the scores; where there is none, those that change nothing, and why."""
    width = own.width
    if artifact.family.are_unit_vectors(artifact.model.config):
        return Maps.identity(width), "turned only: the scores are cosines, so that lengths have to stay"
    try:
        maps = canonical(gram(mapped(own.known, np.eye(width)), width), users.gram)
    except RankDeficient as error:
        return Maps.identity(width), f"turned only: {error}"
    change = _change(own, users, maps)
    if not change <= LARGEST_CHANGE:
        return Maps.identity(width), f"turned only: in 32 bits a score would change by {change:.2g} of the largest"
    return maps, ""


def _turned(own: _Items, maps: Maps, space: Space, before: Path | None) -> tuple[Maps, Space]:
    """The maps into the space of the version in the folder `before`.

    Raises:
        NotTheSame: they are of another space.
    """
    if before is None:
        raise NotTheSame(f"no version of the family {own.encoder.family} has published vectors before")
    theirs, published = _published(before)
    _refuse_another(own, theirs, space, published.record)
    index = own.vocabulary.indices(theirs.vocabulary.ids(theirs.vocabulary.known_items))
    common = np.isin(index, own.vocabulary.known_items)
    vectors, reference = own.vectors[index[common]], theirs.known[common]
    try:
        turn = rotation(mapped(vectors, maps.items), mapped(reference, published.maps.items))
    except RankDeficient as error:
        both = f"of {own.version} and {theirs.version} {int(common.sum()):,} items are common"
        raise NotTheSame(f"{both}, and {error}") from error
    maps = maps.turned(turn)
    told = {
        "id": published.id,
        "towards": theirs.version,
        "common_items": int(common.sum()),
        "mean_cosine": mean_cosine(mapped(vectors, maps.items), mapped(reference, published.maps.items)),
    }
    return maps, space.model_copy(update=told)


def _before(lake: Lake, own: _Items) -> Path | None:
    """The newest other version with the same family of encoder whose vectors were published."""
    for version, folder in reversed(versions_of(lake).items()):
        with suppress(OSError, ValueError, NoVectors):  # Of earlier code, or damaged: not what one can go on from.
            config = read_config(folder)
            published = version != own.version and read_manifest(folder).space is not None
            if published and family_of(config).encoder_of(config).family == own.encoder.family:
                return folder
    return None


def _published(folder: Path) -> tuple[_Items, StableSpace]:
    """The items of the version in `folder`, and the space in which it published them.

    Raises:
        NotTheSame: they cannot be read.
    """
    from polars.exceptions import PolarsError
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from models.artifact import vectors_file
    from models.space import read_space
    from models.vocabulary import Vocabulary

    try:
        config, space = read_config(folder), read_space(folder)
        assert space is not None
        vectors = load_file(folder / vectors_file(RETRIEVAL_VECTORS))[RETRIEVAL_VECTORS]
        encoder, vocabulary = family_of(config).encoder_of(config), Vocabulary.read(folder / VOCABULARY)
    except (OSError, ValueError, SafetensorError, PolarsError) as error:
        raise NotTheSame(f"version {folder.name} cannot be read ({error})") from error
    return _Items(folder.name, encoder, vocabulary, vectors), space


def _refuse_another(own: _Items, theirs: _Items, space: Space, their_space: Space) -> None:
    """Raises NotTheSame where vectors of both can have nothing to do with each other."""
    from models.space import built_otherwise

    if own.width != theirs.width:
        raise NotTheSame(
            f"vectors of {own.version} have {own.width} dimensions, those of {theirs.version} {theirs.width}"
        )
    if other := built_otherwise(own.encoder, theirs.encoder):
        raise NotTheSame(f"{own.version} is built otherwise than {theirs.version}: {', '.join(other)}")
    if space.canonical != their_space.canonical:
        whose = theirs if their_space.canonical else own
        raise NotTheSame(f"of {own.version} and {theirs.version} only {whose.version} has a basis that its scores give")


def _change(own: _Items, users: UserMoments, maps: Maps) -> float:
    return change_of_scores(own.known[:: max(1, len(own.known) // COMPARED)], users.some, maps)
