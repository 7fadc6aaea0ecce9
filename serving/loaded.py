"""One release in memory: model, histories, catalogue; complete and tried before anybody is served from it."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from models.artifact import Artifact, load_artifact
from models.history import Histories
from models.inference import score
from serving.catalogue import Catalogue, load_catalogue
from serving.history import UserHistories, load_histories
from serving.settings import ReleaseConfig

SMOKE_TEST_USERS = 4


class LoadError(RuntimeError):
    """A release cannot be served; the message says why."""


@dataclass(frozen=True)
class LoadedRelease:
    """Everything that answering a request takes. Never changes, so that a request may hold on to it."""

    config: ReleaseConfig
    artifact: Artifact
    histories: UserHistories
    catalogue: Catalogue
    loaded_at: datetime
    load_seconds: float


def load_release(config: ReleaseConfig) -> LoadedRelease:
    """Reads a release and tries it out.

    Raises:
        LoadError: the folder holds another version, or the model does not give finite scores.
        ArtifactError: the artifact is missing or damaged.
    """
    started = time.perf_counter()
    artifact = load_artifact(config.artifact)
    if artifact.version != config.version:
        raise LoadError(f"{config.artifact} holds version {artifact.version}, not {config.version}")
    options = config.storage_options
    histories = load_histories(
        config.sequences.scan(options),
        artifact.manifest.positive_bits,
        artifact.vocabulary,
        keep_actions=artifact.manifest.merge_adjacent == "kind",
    )
    catalogue = load_catalogue(config.items.scan(options), artifact.vocabulary)
    smoke_test(artifact, histories)
    return LoadedRelease(
        config, artifact, histories, catalogue, datetime.now(UTC), round(time.perf_counter() - started, 3)
    )


def smoke_test(artifact: Artifact, histories: UserHistories) -> None:
    """Scores a few users, or one made-up one where there are none.

    Raises:
        LoadError: there is nothing to recommend, or the model cannot score.
    """
    if not len(artifact.vocabulary):
        raise LoadError(f"version {artifact.version} knows no items: train it on a catalogue that has some")
    users = [histories.at(position) for position in range(min(SMOKE_TEST_USERS, len(histories)))]
    made_up = Histories.of([([1], [0])])
    for history in [*users, made_up]:
        now = history.timestamps[-1:]
        try:
            score(artifact, history, now)
        except ValueError as error:
            raise LoadError(f"version {artifact.version} must not be served: {error}") from error
    if not np.isfinite(artifact.vocabulary.popularity).all():
        raise LoadError(f"version {artifact.version} has a popularity that is not finite: it must not be served")
