"""Next-item prediction of ARGUS: sampled softmax over mixed negatives, with logQ (ARGUS spec section 3)."""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from models.argus.config import NEXT_ITEM
from models.argus.model import Asked
from models.config import InteractionLossConfig
from models.objectives.objective import Objective
from models.samplers.mixed import MixedDraw, MixedNegatives

LOGITS_AT_ONCE = 1 << 24
NO_WEIGHT = -1e30
"""Logit of what does not count. Not minus infinity: where nothing counts, that would have no gradient but NaN."""


class NextInteraction(Objective):
    """The item of each interaction, told from sampled others, after what was known with its context.

    Items that training does not see, and so have no vector of their own, are not asked about.
    """

    def __init__(self, config: InteractionLossConfig) -> None:
        super().__init__()
        self.correction = config.correction
        self.weights = {NEXT_ITEM: config.weights.get(NEXT_ITEM, 1.0)}
        self.negatives = MixedNegatives(config)

    def forward(self, view: Asked) -> dict[str, Tensor]:
        """The mean over those positions; 0 where there is none."""
        at, draw = self.drawn(view)
        losses = view.queries[at].sum(1) * 0.0 if draw is None else self.losses(view, at, draw, self.correction)
        return {NEXT_ITEM: losses.sum() / max(len(at), 1)}

    def drawn(self, view: Asked) -> tuple[Tensor, MixedDraw | None]:
        """(P,) int64 the positions that are asked about, and their negatives; None where there is no position."""
        at = view.model.items.has_id[view.next_items].nonzero().squeeze(1)
        if not len(at):
            return at, None
        assert view.generator is not None
        return at, self.negatives.draw(view.next_items[at], view.users[at], view.model.items.trained, view.generator)

    def losses(self, view: Asked, at: Tensor, draw: MixedDraw, correction: str) -> Tensor:
        """(P,) fp32 the loss of each of the positions `at` (`sampled_losses`)."""
        head = view.model.next_item
        assert head is not None
        asked, place = view.next_items[at].unique(return_inverse=True)
        # One pass of the tower over positives and negatives alike.
        vectors = head.targets(view.model.items(torch.cat([asked, draw.items])))
        positives, negatives = vectors[: len(asked)][place], vectors[len(asked) :]
        queries = view.queries[at] / head.temperature
        return sampled_losses((queries * positives).sum(1), queries, negatives, draw, correction)


def sampled_losses(own: Tensor, queries: Tensor, negatives: Tensor, draw: MixedDraw, correction: str) -> Tensor:
    """(P,) fp32 losses of the positives against the draw, some positions at a time.

    With s the logits and Q(n) the number of times that n is expected among the draws, which makes the sum over the
    draws an estimate of the sum over all items:

        classic  log(exp(s_p) + sum_n exp(s_n) / Q(n)) - s_p
        refined  (1 - P(p)) (log sum_n exp(s_n) / Q'(n) - s_p), P(p) = exp(s_p) / (exp(s_p) + sum_n exp(s_n) / Q'(n))

    A draw that is the positive itself, or a positive of the same user, does not count. Q'(n) is Q(n) / (1 - q(p)) for
    those that are left of |N| draws, and P(p) has no gradient (arXiv 2507.09331).

    Args:
        own: (P,) s_p.
        queries: (P, d), scaled by the temperature.
        negatives: (U, d) of the items of `draw`.
        correction: none, classic or refined.
    """
    log_expected = draw.expected.clamp(min=1e-12).log() if correction != "none" else torch.zeros_like(draw.expected)
    chunk = max(1, LOGITS_AT_ONCE // max(len(negatives), 1))
    losses = []
    for start in range(0, len(own), chunk):
        part = slice(start, start + chunk)
        arguments = own[part], queries[part], negatives, draw.counts[draw.owner[part]], draw.own[part], log_expected
        if len(own) > chunk and torch.is_grad_enabled():
            # What is as large as positions times negatives is computed again rather than kept.
            losses.append(checkpoint(_losses, *arguments, draw, correction, use_reentrant=False))
        else:
            losses.append(_losses(*arguments, draw, correction))
    return torch.cat(losses)


def _losses(
    own: Tensor,
    queries: Tensor,
    negatives: Tensor,
    counts: Tensor,
    column: Tensor,
    log_expected: Tensor,
    draw: MixedDraw,
    correction: str,
) -> Tensor:
    hit = (column >= 0).nonzero().squeeze(1)
    counts = counts.index_put((hit, column[hit]), counts.new_zeros(1))
    logits = queries @ negatives.T - log_expected + counts.clamp(min=1e-30).log()
    against = torch.where(counts > 0, logits, NO_WEIGHT).logsumexp(1)
    if correction != "refined":
        return torch.logaddexp(own, against) - own
    left = counts.sum(1) / draw.draws
    drawable = torch.where(column >= 0, draw.expected[column.clamp(min=0)] / draw.draws, 0.0).clamp(max=1 - 1e-6)
    # What is left of the draws stands for all items but the positive.
    against = against - (left / (1 - drawable)).clamp(min=1e-12).log()
    with torch.no_grad():
        unlikely = 1 - (own - torch.logaddexp(own, against)).exp()
    return unlikely * (against - own)
