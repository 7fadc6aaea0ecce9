"""Rows of the ID table for items that have none yet: those of the items that are most like them by content."""

import torch
from torch import Tensor

NEIGHBOURS = 10
"""So many items say where a new one stands."""

CHUNK = 4_096
"""New items that are compared at once."""


def rows_of_new(rows: Tensor, content: Tensor, new: Tensor, noise: Tensor) -> Tensor:
    """The rows with which N new items begin, (N, width), beside K items that were trained.

    A new item's is the mean of the rows of its nearest neighbours by the cosine of their content, weighted by it. One
    that has no content, or nothing near it, has the mean of all rows and some noise, which tells it from others like it
    (Netflix, foundation model, March 2025).

    Args:
        rows: (K, width) of the trained items.
        content: (K, content_dim) their content; a row of zeros is none.
        new: (N, content_dim) that of the new ones.
        noise: (N, width) small.
    """
    if not len(rows):
        return noise
    begun = rows.mean(0) + noise
    described = content.any(1)
    rows, content = rows[described], _unit(content[described])
    if not len(rows):
        return begun
    for start in range(0, len(new), CHUNK):
        likeness = _unit(new[start : start + CHUNK]) @ content.T
        weights, nearest = likeness.topk(min(NEIGHBOURS, len(rows)))
        weights = weights.clamp(min=0)
        total = weights.sum(1, keepdim=True)
        mean = (weights.unsqueeze(-1) * rows[nearest]).sum(1) / total.clamp(min=torch.finfo(rows.dtype).tiny)
        begun[start : start + CHUNK] = torch.where(total > 0, mean, begun[start : start + CHUNK])
    return begun


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors.float(), dim=1)
