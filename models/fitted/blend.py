"""A blend: the probabilities of a trained recommender, mixed with those of item-kNN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import log, log1p
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from models.fitted.config import BlendConfig
from models.fitted.item_knn import ItemKnnModel
from models.interactions import Interactions

if TYPE_CHECKING:
    from models.artifact import Artifact


class BlendModel(nn.Module):
    """A recommender and item-kNN, of one vocabulary.

    Args:
        vectors: What the recommender exports, by name.
    """

    def __init__(
        self, config: BlendConfig, recommender: nn.Module, item_knn: ItemKnnModel, vectors: Mapping[str, Tensor]
    ) -> None:
        super().__init__()
        self.config = config
        self.recommender = recommender
        self.item_knn = item_knn
        self.vectors = vectors


def scores_of_parts(artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> tuple[Tensor, Tensor]:
    """(B, n + 1) logits of the recommender of a blend, and (B, n + 1) scores of its item-kNN.

    Both are -inf where the vocabulary does not know an item.
    """
    blend: BlendModel = artifact.model
    recommender, item_knn = (replace(artifact, model=part) for part in (blend.recommender, blend.item_knn))
    logits = recommender.family.score(recommender, histories, request_times) / blend.config.temperature
    return logits, item_knn.family.score(item_knn, histories, request_times)


def mixed(logits: Tensor, similarities: Tensor, had: Tensor, related: Tensor, weight: float) -> Tensor:
    """(B, n + 1) logarithms of the mixed probabilities of what comes next; -inf where `logits` are.

    Both parts spread a probability of one over the items that the user has not had. Item-kNN can tell only of items
    that are `related` to some other, so it spreads what the recommender gives to these; an item that is none, as a new
    one, keeps its probability. Where item-kNN tells nothing of a user, the recommender stands alone.

    Args:
        logits: (B, n + 1) of the recommender.
        similarities: (B, n + 1) of item-kNN; 0 or below where an item is no neighbour of the history.
        had: (B, n + 1) bool, the items of the histories, which do not come again.
        related: (n + 1,) bool, the items with neighbours.
        weight: Of item-kNN, below 1.
    """
    open_to = logits.isfinite() & ~had
    total = logits.masked_fill(~open_to, -torch.inf).logsumexp(1, keepdim=True)
    chances = logits - torch.where(total.isfinite(), total, 0.0)
    told_of = open_to & related
    neighbours = similarities.masked_fill(~told_of, 0).clamp(min=0)
    sums = neighbours.sum(1, keepdim=True)
    spread = chances.masked_fill(~told_of, -torch.inf).logsumexp(1, keepdim=True)
    personal = torch.where(related & (sums > 0), chances + log1p(-weight), chances)
    if weight == 0:
        return personal
    return torch.logaddexp(personal, log(weight) + spread + neighbours.log() - sums.log().masked_fill(sums == 0, 0.0))


def had_by(histories: Interactions, items: int, repeats: bool = False) -> Tensor:
    """(B, items + 1) bool, the items of each history; none where they may come again."""
    had = torch.zeros(len(histories), items + 1, dtype=torch.bool)
    if repeats:
        return had
    users = np.repeat(np.arange(len(histories)), histories.lengths)
    had[torch.from_numpy(users), torch.from_numpy(np.asarray(histories.item_index, np.int64))] = True
    return had
