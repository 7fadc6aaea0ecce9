"""Scoring: the one path from histories to scores that offline evaluation and the endpoint share."""

import numpy as np
import torch
from torch import Tensor

from models.artifact import Artifact
from models.batch import request_batch
from models.history import Histories


@torch.inference_mode()
def user_states(artifact: Artifact, histories: Histories, request_times: np.ndarray) -> Tensor:
    """(B, width) unit-norm state of each user at his request time; zero for a user with no known item.

    Args:
        histories: B users; items unknown to the vocabulary (row 0) are skipped.
        request_times: (B,) int64 epoch milliseconds.
    """
    batch = request_batch(histories, request_times, artifact.model.config.max_length)
    filled = batch.offsets.diff() > 0
    states = torch.zeros(len(histories), artifact.model.config.width)
    if filled.any():
        encoded = artifact.model.encoder(artifact.item_vectors[batch.rows], batch)
        states[filled] = encoded[batch.offsets[1:][filled] - 1]
    return states


@torch.inference_mode()
def score(artifact: Artifact, histories: Histories, request_times: np.ndarray) -> Tensor:
    """(B, n + 1) cosine of each user's state and every item; -inf in column 0, 0 for a user with no known item."""
    scores = user_states(artifact, histories, request_times) @ artifact.unit_vectors.T
    scores[:, 0] = -torch.inf
    return scores


@torch.inference_mode()
def similar(artifact: Artifact, row: int) -> Tensor:
    """(n + 1,) cosine of the item at `row` and every item; -inf at 0 and at the item itself."""
    scores = artifact.unit_vectors @ artifact.unit_vectors[row]
    scores[[0, row]] = -torch.inf
    return scores
