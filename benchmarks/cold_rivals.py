"""What needs no model: how popular an item's categories are, and how like it is to what a user had."""

import numpy as np
import torch
from torch import Tensor

from benchmarks.cold_ranking import Log, Scores

NEIGHBOURS = 20


def category_popularity(log: Log, categories: list[list[str]]) -> Scores:
    """The same for everybody: interactions of an average warm item of each of an item's categories, their mean.

    Args:
        categories: Of each item 1..n.
    """
    counts = np.bincount(log.items[log.parts.training], minlength=len(log.item_ids) + 1)[1:]
    warm = ~log.is_cold[1:]
    names = sorted({name for some in categories for name in some})
    member = np.array([[name in some for name in names] for some in categories], float).reshape(len(categories), -1)
    of_category = (counts * warm) @ member / np.maximum(warm @ member, 1)
    scores = np.zeros(len(counts) + 1, np.float32)
    scores[1:] = member @ of_category / np.maximum(member.sum(1), 1)
    return lambda users: torch.from_numpy(scores).expand(len(users), -1)


def content_neighbours(log: Log, content: np.ndarray) -> Scores:
    """The sum, over what a user had, of its cosine with an item of which it is one of the nearest warm neighbours.

    Args:
        content: (n + 1, d) by item; an item without content has no neighbours.
    """
    unit = content / np.maximum(np.linalg.norm(content, axis=1, keepdims=True), 1e-9)
    likeness = torch.from_numpy(unit @ unit.T)
    likeness.fill_diagonal_(-torch.inf)
    likeness[:, torch.from_numpy(log.is_cold)] = -torch.inf
    likeness[:, 0] = -torch.inf
    nearest, neighbours = likeness.topk(min(NEIGHBOURS, likeness.shape[1] - 1), dim=1)
    by_had = torch.zeros_like(likeness).scatter_(1, neighbours, nearest.clamp(min=0)).T.contiguous()
    rows = log.parts.training

    def scores(users: np.ndarray) -> Tensor:
        own = rows[(log.users[rows] >= users[0]) & (log.users[rows] <= users[-1])]
        had = torch.zeros(len(users), len(log.item_ids) + 1)
        had[torch.from_numpy(log.users[own] - users[0]), torch.from_numpy(log.items[own])] = 1
        return had @ by_had

    return scores
