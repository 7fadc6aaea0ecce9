"""Next-item prediction of ARGUS: sampled softmax over mixed negatives, with logQ (ARGUS spec section 3)."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.argus.config import NEXT_ITEM
from models.argus.model import Asked
from models.argus.next_item_head import NextItemHead, Past
from models.config.losses import InteractionLossConfig
from models.objectives.objective import Objective
from models.samplers.mixed import MixedDraw, MixedNegatives

LOGITS_AT_ONCE = {"cpu": 1 << 19, "cuda": 1 << 25}
"""On a CPU what a core's cache holds, on a GPU enough to fill it."""

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
        labels, new = view.next_items[at], view.new[at]
        asked, place = (2 * labels + new).unique(return_inverse=True)
        candidates = Candidates.of(draw, head, view.times[at], labels, new)
        items, hidden = torch.cat([asked // 2, candidates.items]), torch.cat([asked % 2 == 1, candidates.new])
        masked = None if head.popularity is None else hidden
        # One pass of the tower over positives and negatives alike.
        vectors = head.targets(view.model.items(items, masked), items, masked)
        positives, negatives = vectors[: len(asked)][place], vectors[len(asked) :]
        queries = view.queries[at] / head.temperature
        own = (queries * positives).sum(1)
        own = own if candidates.past is None else own + candidates.past.own
        return sampled_losses(own, queries, negatives, draw, correction, candidates)


@dataclass(frozen=True)
class Candidates:
    """What P positions choose among, which are the items of a draw: some of them a second time, as they were when new.

    Attributes:
        column: (K,) int64 the place of each in the draw.
        items, new: (K,) int64, and bool where the item is meant as it was when new.
        own: (P,) int64 which of them each position has chosen, -1 where that was not drawn.
        past: What each was at the moment of each position; None for a head that knows no time.
    """

    column: Tensor
    items: Tensor
    new: Tensor
    own: Tensor
    past: Past | None

    @classmethod
    def of(cls, draw: MixedDraw, head: NextItemHead, times: Tensor, labels: Tensor, labels_new: Tensor) -> "Candidates":
        """Those of a draw for positions that chose `labels` (P,), some of them new, at `times` (P,)."""
        count = len(draw.items)
        column = torch.arange(count, device=draw.items.device)
        if head.popularity is None:
            return cls(column, draw.items, torch.zeros_like(column, dtype=torch.bool), draw.own, None)
        again = head.arrivals[draw.items]
        second = torch.cumsum(again, 0) - 1 + count
        column = torch.cat([column, column[again]])
        new = torch.arange(len(column), device=column.device) >= count
        own = torch.where(labels_new & (draw.own >= 0), second[draw.own], draw.own)
        items = draw.items[column]
        return cls(column, items, new, own, head.past(times, items, new, labels, labels_new))


def sampled_losses(
    own: Tensor, queries: Tensor, negatives: Tensor, draw: MixedDraw, correction: str, among: Candidates | None = None
) -> Tensor:
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
        negatives: (K, d) of the items of `draw`, or of `among`.
        correction: none, classic or refined.
        among: What the draw comes to at the moments at which the positions ask; None: the same at all.
    """
    log_weights = torch.where(draw.counts > 0, draw.counts.clamp(min=1e-30).log(), NO_WEIGHT)
    if correction != "none":
        log_weights = log_weights - draw.expected.clamp(min=1e-12).log()
    chosen, past = draw.own, None
    if among is not None and among.past is not None:
        log_weights, chosen, past = log_weights[:, among.column], among.own, among.past
    rows, moment = (past.rows, past.moment) if past else (None, None)
    against = cast(Tensor, _Against.apply(queries, negatives, log_weights, draw.owner, chosen, rows, moment))
    if correction != "refined":
        return torch.logaddexp(own, against) - own
    hit, column = draw.own >= 0, draw.own.clamp(min=0)
    left = draw.counts.sum(1)[draw.owner] - torch.where(hit, draw.counts[draw.owner, column], 0.0)
    drawable = torch.where(hit, draw.expected[column] / draw.draws, 0.0).clamp(max=1 - 1e-6)
    # What is left of the draws stands for all items but the positive.
    against = against - (left / draw.draws / (1 - drawable)).clamp(min=1e-12).log()
    with torch.no_grad():
        unlikely = 1 - (own - torch.logaddexp(own, against)).exp()
    return unlikely * (against - own)


class _Against(torch.autograd.Function):
    """(P,) log of what all draws weigh together; nothing of size positions times negatives outlives its chunk."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        """`given` is what `_logits` is."""
        queries, negatives = given[:2]
        parts = _parts(len(queries), len(negatives), queries.device.type)
        against = torch.cat([_logits(part, *given).logsumexp(1) for part in parts])
        ctx.save_for_backward(*given, against)
        return against

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        *given, against = ctx.saved_tensors
        queries, negatives, *_, rows, moment = given
        by_query, by_negative = torch.empty_like(queries), torch.zeros_like(negatives)
        by_row = None if rows is None else torch.zeros_like(rows)
        for part in _parts(len(queries), len(negatives), queries.device.type):
            shares = _logits(part, *given).sub_(against[part, None]).exp_()
            shares *= upstream[part, None]
            by_query[part] = shares @ negatives
            by_negative.addmm_(shares.T, queries[part])
            if by_row is not None:
                by_row.index_add_(0, moment[part], shares)
        return by_query, by_negative, None, None, None, by_row, None


def _parts(positions: int, negatives: int, device: str) -> list[slice]:
    """Some positions at a time."""
    chunk = max(1, LOGITS_AT_ONCE.get(device, LOGITS_AT_ONCE["cuda"]) // max(negatives, 1))
    return [slice(start, start + chunk) for start in range(0, positions, chunk)]


def _logits(
    part: slice,
    queries: Tensor,
    negatives: Tensor,
    log_weights: Tensor,
    owner: Tensor,
    column: Tensor,
    rows: Tensor | None,
    moment: Tensor | None,
) -> Tensor:
    """(p, K) of the positions `part` with the weights of the draws, NO_WEIGHT where the draw is the positive itself."""
    logits = log_weights[owner[part]].addmm_(queries[part], negatives.T)
    if rows is not None and moment is not None:
        logits += rows[moment[part]]
    hit = (column[part] >= 0).nonzero().squeeze(1)
    return logits.index_put_((hit, column[part][hit]), logits.new_tensor(NO_WEIGHT))
