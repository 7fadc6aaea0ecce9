"""What a ranker says of what was shown, and what came of it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from models.ranking.examples import RankingExamples

TOKENS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Predictions:
    """T items that were shown.

    Attributes:
        users: (T,) int64 to whom: the position of the user.
        logits: (T, actions) float32.
        taken: (T, actions) bool, what was done.
    """

    users: np.ndarray
    logits: np.ndarray
    taken: np.ndarray


@torch.no_grad()
def predict(model: nn.Module, examples: RankingExamples, device: str = "cpu") -> Predictions:
    """Judges the candidates of all `examples`; leaves the module in the mode (training or not) it came in."""
    mode = model.training
    model.eval()
    lengths = np.cumsum(examples.epoch(0).lengths)
    edges = np.searchsorted(lengths, np.arange(TOKENS_AT_ONCE, lengths[-1], TOKENS_AT_ONCE))
    logits, taken = [], []
    for part in np.split(np.arange(len(examples)), np.unique(edges)):
        if len(part):
            batch = examples.batch(part).to(device)
            logits.append(model(batch.requests).float().cpu())
            taken.append(batch.taken.cpu())
    model.train(mode)
    said = torch.cat(logits)
    bits = 1 << torch.arange(said.shape[1])
    return Predictions(examples.owners, said.numpy(), ((torch.cat(taken)[:, None] & bits) != 0).numpy())
