"""Generalised binary cross-entropy over sampled negatives: the loss of gSASRec (Petrov and Macdonald, RecSys 2023,
arXiv 2308.07192).

Shapes as in `models.objectives.sampled_softmax`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.heads.drift import Drift
from models.objectives.draws import Draws, PerRun, Shared

LOGITS_AT_ONCE = 1 << 19


def beta(negatives: int, items: int, calibration: float) -> float:
    """The power of the positive's probability, of `negatives` a position out of `items` - 1 others.

    With alpha the share of the other items that is drawn, beta is alpha (t (1 - 1 / alpha) + 1 / alpha): 1 where the
    calibration t is 0, which is the binary cross-entropy of SASRec, and alpha where t is 1, so that the sigmoid of a
    score estimates how likely the item comes next.
    """
    alpha = min(1.0, negatives / max(items - 1, 1))
    return alpha * calibration + 1 - calibration


def gbce(
    states: Tensor,
    positives: Tensor,
    negatives: Tensor,
    draws: Tensor,
    own: Tensor,
    temperature: float,
    power: float,
    weights: Tensor | None = None,
    drift: Drift | None = None,
) -> Tensor:
    """Mean over positions of -(power log sigmoid(s_p) + sum_n log(1 - sigmoid(s_n))) / (R + 1), in fp32.

    Arguments are those of `sampled_softmax`, and `power` is beta. A draw that is the positive itself adds nothing. The
    logits are kept for the gradient: positions times negatives of them.

    Returns:
        A scalar in fp32, or in fp64 where states are; 0 where there are no positions.
    """
    dtype = torch.promote_types(states.dtype, torch.float32)
    with torch.autocast(states.device.type, enabled=False):
        shared = draws.dim() == 1
        drawn: Draws = (Shared if shared else PerRun)(negatives.to(dtype), draws, own, dtype, None)
        query = states.to(dtype) / temperature
        right = (query * positives.to(dtype)).sum(-1)
        if drift is not None:
            right = right + drift.weight * drift.own
        against = []
        for part in drawn.parts(LOGITS_AT_ONCE):
            logits = drawn.logits(query[part], part)
            if drift is not None:
                logits = logits + drift.weight * drawn.drifted(drift.rows, drift.moment, part)
            against.append(drawn.total(F.softplus(logits)))
        count = int(draws.sum()) if shared else draws.shape[1]
        losses = (torch.cat([right[:0], *against]) - power * F.logsigmoid(right)) / (count + 1)
        if weights is None:
            return losses.sum() / max(len(losses), 1)
        return (losses * weights.to(dtype)).sum() / weights.sum().clamp(min=torch.finfo(dtype).tiny)
