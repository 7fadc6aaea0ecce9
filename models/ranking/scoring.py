"""Scores of many candidates by a ranker: a history once, then all candidates against its cache (M-FALCON)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.ranking.batch import ranking_batch

if TYPE_CHECKING:
    from models.artifact import Artifact
    from models.interactions import Interactions


@torch.no_grad()
def action_logits(artifact: Artifact, interactions: Interactions, request_times: np.ndarray, action: int) -> Tensor:
    """(B, n + 1) logit of one action for every item and each of B users; -inf where the vocabulary does not know one.

    Args:
        interactions: With the column `actions`, bit k of which is the ranker's action k.
        request_times: (B,) int64 epoch milliseconds, none before a user's last interaction.
        action: Which of the ranker's actions.

    Raises:
        ValueError: an item is outside the vocabulary, a request time is wrong, or a logit is not finite.
    """
    model, items = artifact.model, len(artifact.vocabulary)
    known = interactions.within(items).known()
    batch = ranking_batch(known, [()] * len(known), request_times, model.config.max_length)
    cache = model.prefill(batch, artifact.version)
    everything = torch.from_numpy(artifact.vocabulary.known_items)
    scores = torch.full((len(known), items + 1), -torch.inf)
    for user, asked_at in enumerate(request_times.tolist()):
        scores[user, everything] = model.score(cache.row(user), everything, asked_at, artifact.version)[:, action]
    wrong = ~scores[:, everything].isfinite().all(1)
    if wrong.any():
        raise ValueError(
            f"the logits of user {int(wrong.int().argmax())} are not finite: the weights or item vectors of version "
            f"{artifact.version} are damaged"
        )
    return scores
