"""What two towers say of impressions, and what came of them."""

from dataclasses import dataclass

import numpy as np
import torch

from models.argus.impressions import ImpressionExamples
from models.argus.predictions import parts_of
from models.argus.two_towers import TwoTowers


@dataclass(frozen=True)
class ShownScores:
    """T impressions, in the order of their examples.

    Attributes:
        users: (T,) int64 position of the user of each.
        items: (T,) int64 item index.
        scores: (T,) float32 user vector times item vector.
        grades: (T,) int64 how good what came of each was.
        labels: (T, factors) int64 the class of each factor, -1 where it is not known.
    """

    users: np.ndarray
    items: np.ndarray
    scores: np.ndarray
    grades: np.ndarray
    labels: np.ndarray


@torch.no_grad()
def score_shown(model: TwoTowers, examples: ImpressionExamples, device: str = "cpu") -> ShownScores:
    """Scores all impressions; leaves the model in the mode (training or not) it came in.

    Raises:
        ValueError: a score is not finite.
    """
    mode = model.training
    model.eval()
    batches = (examples.batch(part).to(device) for part in parts_of(examples))
    scores = torch.cat([model.view(batch, None).scores.cpu() for batch in batches])
    model.train(mode)
    if not scores.isfinite().all():
        raise ValueError(f"the score of impression {int(scores.isfinite().int().argmin())} is not finite: train again")
    return ShownScores(
        examples.users, examples.items.astype(np.int64), scores.numpy(), examples.grades(), examples.labels()
    )
