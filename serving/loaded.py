"""One release in memory: model, histories, catalogue; complete and tried before anybody is served from it."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from models.artifact import Artifact, load_artifact
from models.families.argus_towers import ArgusTowersFamily
from models.golden import Golden, GoldenError, check_golden
from models.manifest import GOLDEN
from models.new_items import with_new_items
from models.space import StableSpace, read_space
from serving.catalogue import Catalogue, load_catalogue
from serving.history import UserHistories, histories_of
from serving.new_items import read_new_items
from serving.settings import ReleaseConfig
from serving.vectors import UserVectors, load_vectors

STORAGE_OPTIONS = TypeAdapter(dict[str, str])


class LoadError(RuntimeError):
    """A release cannot be served; the message says why."""


@dataclass(frozen=True)
class LoadedRelease:
    """Everything that answering a request takes. Never changes, so that a request may hold on to it.

    Attributes:
        artifact: The version, and behind its own items those that came after it was trained.
        new_items: How many these are.
    """

    config: ReleaseConfig
    artifact: Artifact
    histories: UserHistories
    catalogue: Catalogue
    user_vectors: UserVectors | None
    space: StableSpace | None
    new_items: int
    loaded_at: datetime
    load_seconds: float


def load_release(config: ReleaseConfig) -> LoadedRelease:
    """Reads a release and tries it out.

    Raises:
        LoadError: the folder holds another version, or a model that does not answer as it did when it was made.
        ArtifactError: the artifact is missing or damaged.
        VectorsError: the users' vectors are not of this version.
        NewItemsError: the vectors of items that came after it are not, or damaged.
    """
    started = time.perf_counter()
    artifact = load_artifact(config.artifact)
    if artifact.version != config.version:
        raise LoadError(f"{config.artifact} holds version {artifact.version}, not {config.version}")
    if artifact.family.kind != "retrieval":
        raise LoadError(
            f"version {artifact.version} is of the family {artifact.family.name}, which ranks given items: deploy a "
            "version of one that finds them"
        )
    options = read_storage_options(config.storage_options)
    check_answers(artifact, config.artifact)
    trained_on = len(artifact.vocabulary.known_items)
    if config.new_items is not None:
        artifact = with_new_items(artifact, read_new_items(config.new_items.scan(options), artifact))
    sequences = config.sequences.open(options)
    histories = histories_of(sequences, artifact)
    days = config.catalogue_days.scan(options) if config.catalogue_days else None
    catalogue = load_catalogue(config.items.scan(options), artifact.vocabulary, days)
    space = _space(config)
    vectors = None
    # A vector of any other family depends on when it is asked for.
    if config.user_vectors is not None and isinstance(artifact.family, ArgusTowersFamily):
        vectors = load_vectors(config.user_vectors.scan(options), config.version, space)
    now, seconds = datetime.now(UTC), round(time.perf_counter() - started, 3)
    new = len(artifact.vocabulary.known_items) - trained_on
    return LoadedRelease(config, artifact, histories, catalogue, vectors, space, new, now, seconds)


def _space(config: ReleaseConfig) -> StableSpace | None:
    try:
        return read_space(config.artifact)
    except ValueError as error:
        raise LoadError(f"version {config.version} must not be served: {error}") from error


def read_storage_options(path: str | None) -> dict[str, str]:
    """The object-store options in the file at `path`.

    Raises:
        LoadError: it is not there, or holds something else.
    """
    if path is None:
        return {}
    try:
        return STORAGE_OPTIONS.validate_json(Path(path).read_bytes())
    except (OSError, ValidationError) as error:
        kind = type(error).__name__
        raise LoadError(
            f"{path}, which holds the object store's options, cannot be read ({kind}): deploy again"
        ) from None


def check_answers(artifact: Artifact, folder: Path) -> None:
    """Asks the golden requests that are kept with the version, whose answers are known.

    Raises:
        LoadError: there is nothing to recommend, or the model does not answer as it did when it was made.
    """
    if not len(artifact.vocabulary.known_items):
        raise LoadError(f"version {artifact.version} knows no items: train it on a catalogue that has some")
    try:
        check_golden(artifact, Golden.read(folder / GOLDEN))
    except GoldenError as error:
        raise LoadError(f"version {artifact.version} must not be served: {error}") from error
    if not np.isfinite(artifact.vocabulary.popularity).all():
        raise LoadError(f"version {artifact.version} has a popularity that is not finite: it must not be served")
