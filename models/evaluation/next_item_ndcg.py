"""The learning curve's metric: how high the one true next item ranks."""

import numpy as np
import torch
from torch import Tensor

from models.batch import request_batch
from models.evaluation.metrics import per_user
from models.interactions import Interactions
from models.recommender import Recommender


def next_item_ndcg(
    recommender: Recommender,
    histories: Interactions,
    targets: np.ndarray,
    times: np.ndarray,
    k: int,
    users: int = 256,
    repeats: bool = False,
) -> float:
    """Mean over users of NDCG@k of the one item that came next, among the trained items that are not in the history.

    Ranked as in the evaluation: the target is always a candidate, and an item with its score stands before it.

    Args:
        histories: B users without the item that is asked for; `times` (B,) int64 ms is when it happened.
        targets: (B,) int64 item indices.
        repeats: Whether the items of the history are candidates all the same.

    Returns:
        The mean, 0 for no users. Leaves the module in the mode (training or not) it came in.

    Raises:
        FloatingPointError: the model gives no finite scores.
    """
    if not len(histories):
        return 0.0
    mode = recommender.training
    recommender.eval()
    items = recommender.items
    vectors = recommender.head.items(items.table(items.trained_items), items.trained_items)
    ranks = []
    for start in range(0, len(histories), users):
        part = np.arange(start, min(start + users, len(histories)))
        ranks.append(_ranks(recommender, vectors, histories.take(part), targets[part], times[part], repeats))
    recommender.train(mode)
    return float(per_user(np.concatenate(ranks), np.arange(len(histories) + 1), [k])[f"ndcg@{k}"].mean())


def _ranks(
    recommender: Recommender,
    vectors: Tensor,
    histories: Interactions,
    targets: np.ndarray,
    times: np.ndarray,
    repeats: bool,
) -> np.ndarray:
    batch = request_batch(histories, times, recommender.config.max_length).to(vectors.device)
    scores = recommender.queries(batch) @ vectors.T
    asked_at = torch.from_numpy(np.ascontiguousarray(times)).to(vectors.device)
    scores = recommender.head.as_of(scores, asked_at, recommender.items.trained_items)
    places = recommender.items.places
    asked = places[torch.from_numpy(np.ascontiguousarray(targets)).to(vectors.device)][:, None]
    wanted = scores.gather(1, asked)
    if not torch.isfinite(wanted).all():
        raise FloatingPointError("a target's score is not a finite number: the model is broken, no rank means anything")
    if not repeats:
        users = torch.from_numpy(np.repeat(np.arange(len(histories)), histories.lengths)).to(vectors.device)
        scores[users, places[torch.from_numpy(histories.item_index).to(vectors.device)]] = -torch.inf
    scores[:, 0] = -torch.inf
    scores.scatter_(1, asked, -torch.inf)
    ranks: np.ndarray = (1 + (scores >= wanted).sum(1)).cpu().numpy()
    return ranks
