"""Scoring: the one path from histories to scores that offline evaluation and the endpoint share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.batch import last_known, request_batch
from models.heads.evidence import Evidence
from models.interactions import Interactions
from models.jagged import last_tokens

if TYPE_CHECKING:
    from models.artifact import Artifact


def as_read(artifact: Artifact, histories: Interactions) -> Interactions:
    """What the version reads of `histories`: the items that it knows, merged as it was trained."""
    return histories.known().merged(artifact.manifest.merge_adjacent)


def read_of(artifact: Artifact, histories: Interactions) -> Interactions:
    """The last interactions of each history that a version without an encoder reads (`as_read`).

    Raises:
        ValueError: an item is outside the vocabulary; it names the user.
    """
    histories = histories.within(len(artifact.vocabulary))
    return last_known(as_read(artifact, histories), artifact.model.config.max_length)


@torch.inference_mode()
def user_states(artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
    """(B, d) what the head makes of each user's state at their request time; zero for a user with no known item.

    Args:
        histories: B users; items unknown to the vocabulary (index 0) are skipped.
        request_times: (B,) int64 epoch milliseconds, none before the user's last interaction.

    Raises:
        ValueError: an item is outside the vocabulary, a request time is wrong, or a state is not finite; it names
            the user.
    """
    histories = histories.within(len(artifact.vocabulary))
    batch = request_batch(as_read(artifact, histories), request_times, artifact.model.config.max_length)
    model = artifact.model
    states = last_tokens(model.encoder(artifact.item_vectors[batch.item_index], batch), batch.offsets)
    queries: Tensor = model.head(states, Evidence.of(batch).last(batch.offsets))
    finite = queries.isfinite().all(1)
    if not finite.all():
        raise ValueError(
            f"the state of user {int(finite.int().argmin())} is not finite: the weights or item vectors of version "
            f"{artifact.version} are damaged"
        )
    return queries


@torch.inference_mode()
def score(artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
    """(B, n + 1) cosine of each user's state and every item; 0 for a user with no known item.

    It is -inf for what the vocabulary does not know, as at index 0.
    """
    scores = user_states(artifact, histories, request_times) @ artifact.retrieval_vectors.T
    scores = artifact.model.head.as_of(scores, torch.from_numpy(np.asarray(request_times)))
    scores[:, artifact.vocabulary.unknown_items] = -torch.inf
    return scores


@torch.inference_mode()
def similar(artifact: Artifact, item_index: int) -> Tensor:
    """(n + 1,) cosine of the item `item_index` and every item; -inf at the item itself and at what is unknown.

    Raises:
        ValueError: there is no such item.
    """
    require_item(artifact, item_index)
    directions = artifact.model.head.directions(artifact.retrieval_vectors)
    scores = directions @ directions[item_index]
    scores[artifact.vocabulary.unknown_items] = -torch.inf
    scores[item_index] = -torch.inf
    return scores


def require_item(artifact: Artifact, item_index: int) -> None:
    """Raises:
    ValueError: there is no item of this index.
    """
    if not 1 <= item_index <= len(artifact.vocabulary):
        raise ValueError(
            f"item index {item_index} is not an item: version {artifact.version} has indices "
            f"1..{len(artifact.vocabulary)}"
        )
