"""The learning curve's metric: how high the one true next item ranks."""

import numpy as np
import torch
import torch.nn.functional as F

from models.batch import request_batch
from models.history import Histories
from models.jagged import last_tokens
from models.recommender import Recommender


def next_item_ndcg(
    recommender: Recommender, histories: Histories, targets: np.ndarray, times: np.ndarray, k: int, users: int = 256
) -> float:
    """Mean over users of [rank <= k] / log2(rank + 1) among the trained items that are not in the history.

    Args:
        histories: B users without the item that is asked for; `times` (B,) int64 ms is when it happened.
        targets: (B,) int64 rows.

    Returns:
        The mean, 0 for no users. Leaves the module in the mode (training or not) it came in.
    """
    if not len(histories):
        return 0.0
    mode = recommender.training
    recommender.eval()
    vectors = F.normalize(recommender.item_vectors(recommender.items.trained), dim=-1, eps=1e-6)
    gains = []
    for start in range(0, len(histories), users):
        part = np.arange(start, min(start + users, len(histories)))
        gains.append(_gains(recommender, vectors, histories.take(part), targets[part], times[part], k))
    recommender.train(mode)
    return float(torch.cat(gains).mean())


def _gains(
    recommender: Recommender,
    vectors: torch.Tensor,
    histories: Histories,
    targets: np.ndarray,
    times: np.ndarray,
    k: int,
) -> torch.Tensor:
    batch = request_batch(histories, times, recommender.config.max_length).to(vectors.device)
    states = last_tokens(recommender(batch), batch.offsets)
    scores = states @ vectors.T
    scores[:, 0] = -torch.inf
    asked = torch.from_numpy(np.ascontiguousarray(targets)).to(vectors.device)
    wanted = scores.gather(1, asked[:, None])
    users = torch.from_numpy(np.repeat(np.arange(len(histories)), histories.lengths)).to(vectors.device)
    scores[users, torch.from_numpy(histories.rows).to(vectors.device)] = -torch.inf
    better = (scores >= wanted).sum(1).clamp(min=1)
    return torch.where(better <= k, 1 / torch.log2(better.double() + 1), 0.0)
