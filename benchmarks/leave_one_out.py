"""The published evaluation (HSTU spec section 4): where the held-out item stands among all movies."""

import numpy as np
import torch

from benchmarks.movielens import HeldOut
from models.batch import request_batch
from models.evaluation.metrics import per_user
from models.recommender import Recommender

KS = (1, 10, 50, 100, 200, 500, 1000)
LIST_LENGTH = 2500
"""Longest list; a target that is not in it has rank LIST_LENGTH + 1."""

USERS_AT_ONCE = 256


@torch.inference_mode()
def ranks(recommender: Recommender, held_out: HeldOut) -> np.ndarray:
    """(B,) int64 rank of each target by cosine; leaves the module in the mode (training or not) it came in.

    Only the items among the last `max_length` of the history are no candidates: an older one may stand before the
    target, as in the published figures. An item with the target's own score stands before it.

    Raises:
        FloatingPointError: the model gives no finite scores.
    """
    mode = recommender.training
    recommender.eval()
    vectors = recommender.retrieval_vectors(held_out.items)
    # Users of like length together, so that no backend pads a short history to a long one.
    order = np.argsort(held_out.histories.lengths, kind="stable")
    found = np.empty(len(order), np.int64)
    for start in range(0, len(order), USERS_AT_ONCE):
        users = order[start : start + USERS_AT_ONCE]
        found[users] = _ranks(recommender, vectors, held_out, users)
    recommender.train(mode)
    return found


def _ranks(recommender: Recommender, vectors: torch.Tensor, held_out: HeldOut, users: np.ndarray) -> np.ndarray:
    batch = request_batch(held_out.histories.take(users), held_out.times[users], recommender.config.max_length)
    batch = batch.to(vectors.device)
    scores = recommender.queries(batch) @ vectors.T
    scores = recommender.head.as_of(scores, torch.from_numpy(held_out.times[users]).to(vectors.device))
    targets = torch.from_numpy(held_out.targets[users]).to(vectors.device)
    seen = torch.repeat_interleave(torch.arange(len(users), device=vectors.device), batch.offsets.diff())
    return places(scores, targets, seen, batch.item_index)


def places(scores: torch.Tensor, targets: torch.Tensor, rows: torch.Tensor, seen: torch.Tensor) -> np.ndarray:
    """(B,) int64 rank of each target.

    Args:
        scores: (B, n + 1) of every item; overwritten.
        targets: (B,) int64.
        rows, seen: (L,) int64 which items of which row are no candidates.

    Raises:
        FloatingPointError: the score of a target is not finite.
    """
    targets = targets[:, None]
    wanted = scores.gather(1, targets)
    if not torch.isfinite(wanted).all():
        raise FloatingPointError("a target's score is not a finite number: the model is broken, no rank means anything")
    scores[rows, seen] = -torch.inf
    scores[:, 0] = -torch.inf
    # The target itself is among those counted, unless the history hides it; then it is in no list.
    rank = (scores >= wanted).sum(1).cpu().numpy()
    listed = torch.isfinite(scores.gather(1, targets)).squeeze(1).cpu().numpy() & (rank <= LIST_LENGTH)
    return np.where(listed, rank, LIST_LENGTH + 1)


def means(found: np.ndarray) -> dict[str, float]:
    """`hr@K`, `ndcg@K` and `mrr` of the ranks (B,), each the mean over users."""
    values = per_user(found, np.arange(len(found) + 1), KS)
    return {name: float(value.mean()) for name, value in values.items() if not name.startswith("recall@")}
