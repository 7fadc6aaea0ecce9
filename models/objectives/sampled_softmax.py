"""Sampled softmax in little memory: chunk by chunk, with the gradient computed on the way forward.

The loss is a scalar, so its gradient by states, positives and negatives is known up to one factor as soon as a chunk's
logits are: nothing of size positions x negatives outlives its chunk, and nothing is computed twice.

Shapes: L positions, U distinct negatives, R draws, d width.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.heads.drift import Drift
from models.objectives.draws import Draws, PerRun, Shared

# Logits per chunk: on a CPU what a core's cache holds, on a GPU enough to fill it.
CHUNK = {"cpu": 1 << 19, "cuda": 1 << 25}
# Below it no exponential of a logit overflows fp32 even without the usual shift by the greatest one.
SAFE_LOGIT = 40.0


def sampled_softmax(
    states: Tensor,
    positives: Tensor,
    negatives: Tensor,
    draws: Tensor,
    own: Tensor,
    temperature: float,
    weights: Tensor | None = None,
    correction: Tensor | None = None,
    drift: Drift | None = None,
) -> Tensor:
    """Mean over positions of logsumexp(positive, negatives) - positive, logits in fp32 (HSTU spec section 3).

    Args:
        states: (L, d) predictions; of unit norm, as positives and negatives are, unless there is `drift`.
        positives: (L, d) vectors of the items that came next.
        negatives: (U, d) vectors of distinct items.
        draws: How often all positions drew each negative, (U,) int64; or, (G, R) int64, which ones each of G runs of
            ceil(L / G) positions drew: each position its own where G is L.
        own: (L,) int64 the negative that is a position's own positive and must not count there, -1 where none is.
        temperature: Divisor of the cosines.
        weights: (L,) not negative, what each position counts in the mean; None: all alike.
        correction: (U,) what the negatives' logits are lowered by, such as logQ (`models.samplers`); None: nothing.
        drift: What is added to the logits where a position asks at another time; of positives, too. None: nothing.

    Returns:
        A scalar in fp32, or in fp64 where states are; 0 where there are no positions.
    """
    dtype = torch.promote_types(states.dtype, torch.float32)
    if weights is None:
        share = torch.full((len(states),), 1 / max(len(states), 1), dtype=dtype, device=states.device)
    else:
        share = weights.to(dtype) / weights.sum().clamp(min=torch.finfo(dtype).tiny)
    device = states.device.type
    # Under autocast the gradient's products are rounded to its type; the logits never are.
    products = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else dtype
    with torch.autocast(device, enabled=False):
        loss: Tensor = _SampledSoftmax.apply(
            states.to(dtype),
            positives.to(dtype),
            negatives.to(dtype),
            draws,
            own,
            temperature,
            share,
            products,
            None if correction is None else correction.to(dtype),
            None if drift is None else drift.weight,
            drift,
        )
    return loss


class _SampledSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        positives: Tensor,
        negatives: Tensor,
        draws: Tensor,
        own: Tensor,
        temperature: float,
        share: Tensor,
        products: torch.dtype,
        correction: Tensor | None,
        drift_weight: Tensor | None,
        drift: Drift | None,
    ) -> Tensor:
        drawn: Draws = (Shared if draws.dim() == 1 else PerRun)(negatives, draws, own, products, correction)
        # No logit of a negative is greater, nor is one smaller than the opposite; but vectors of any length have none.
        greatest = 1 / temperature + (0.0 if correction is None else float(correction.abs().max()))
        greatest = greatest if drift is None else torch.finfo(states.dtype).max
        query = states / temperature
        own_logits = (query * positives).sum(-1)
        if drift is not None:
            own_logits += drift.weight * drift.own
        by_weight = torch.zeros((), dtype=states.dtype, device=states.device)
        # Log-odds against the positive: what all the draws weigh together, less its own logit.
        against, mixtures = torch.empty_like(own_logits), torch.empty_like(states)
        for part in drawn.parts(CHUNK.get(states.device.type, CHUNK["cuda"])):
            odds = drawn.logits(query[part], part)
            if drift is not None:
                drifted = drawn.drifted(drift.rows, drift.moment, part)
                odds += drift.weight * drifted
            against[part] = -own_logits[part]
            if greatest > SAFE_LOGIT:
                # Where all draws are hits the greatest logit is -inf, which nothing can be shifted by.
                peak = odds.amax(-1).clamp(min=-greatest)
                odds -= peak[:, None]
                against[part] += peak
            total = drawn.total(odds.exp_())
            against[part] += total.log()
            if any(ctx.needs_input_grad):
                scale = share[part] * against[part].sigmoid() / total.clamp_min(torch.finfo(total.dtype).tiny)
                mixtures[part] = drawn.mixture(odds, scale[:, None], query[part], part)
                if drift is not None:
                    by_weight += (scale * drawn.total(odds * drifted)).sum()
        wrong = (share * against.sigmoid())[:, None]
        by_state = torch.addcmul(mixtures, wrong, positives, value=-1).div_(temperature)
        if drift is not None:
            by_weight -= (wrong.squeeze(1) * drift.own).sum()
        ctx.save_for_backward(by_state, -wrong * query, drawn.gradient(), by_weight)
        return (share * -F.logsigmoid(-against)).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        by_state, by_positive, by_negative, by_weight = ctx.saved_tensors
        by_vectors = (upstream * by_state, upstream * by_positive, upstream * by_negative)
        by_drift = upstream * by_weight if ctx.needs_input_grad[-2] else None
        return *by_vectors, *(None,) * 6, by_drift, None
