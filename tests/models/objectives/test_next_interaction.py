"""The loss of the next item: what logQ makes it estimate, its gradient, and what it does where there is nothing."""

from typing import Any

import pytest
import torch
from torch import Tensor

from models.argus.config import NEXT_ITEM
from models.argus.examples import ArgusExamples
from models.argus.model import Asked
from models.config.losses import InteractionLossConfig
from models.objectives.next_interaction import NextInteraction, sampled_losses
from models.samplers.mixed import MixedDraw, MixedNegatives
from tests.models.argus.worlds import argus, config, people

CORRECTIONS = ("none", "classic", "refined")


def drawn(items: Tensor, draws: int, seed: int, positive: Tensor) -> tuple[MixedDraw, Tensor]:
    """A draw from a batch of `items`, for positives of users who have nothing in it, and its share of each item."""
    sampler = MixedNegatives(InteractionLossConfig(in_batch=draws, uniform=draws)).train()
    sampler.sketch.add(items)
    every = torch.arange(1, 13)
    draw = sampler.draw(items, torch.arange(len(items)), every, torch.Generator().manual_seed(seed))
    counts = draw.counts.max(0, keepdim=True).values
    place = torch.searchsorted(draw.items, positive).clamp(max=len(draw.items) - 1)
    own = torch.where(draw.items[place] == positive, place, -1)
    return MixedDraw(
        draw.items, counts, torch.zeros(len(positive), dtype=torch.int64), draw.expected, own, 2 * draws
    ), every


def test_classic_and_refined_estimate_the_softmax_over_all_items_and_its_gradient() -> None:
    torch.manual_seed(0)
    table = torch.nn.functional.normalize(torch.randn(13, 4), dim=-1)
    items = 1 + torch.multinomial(1.0 / torch.arange(1, 13), 300, replacement=True)
    positive = torch.tensor([1, 5, 12])
    query = (3 * torch.randn(3, 4)).requires_grad_()
    draw, every = drawn(items, 200_000, 0, positive)
    logits = query @ table[every].T
    full = -(logits.log_softmax(1).gather(1, positive[:, None] - 1).squeeze(1))
    (exact,) = torch.autograd.grad(full.sum(), query)
    own = (query * table[positive]).sum(1)
    classic = sampled_losses(own, query, table[draw.items], draw, "classic")
    torch.testing.assert_close(classic, full, rtol=0.02, atol=0.02)
    for correction, tolerance in (("classic", 0.03), ("refined", 0.03)):
        own = (query * table[positive]).sum(1)
        losses = sampled_losses(own, query, table[draw.items], draw, correction)
        (gradient,) = torch.autograd.grad(losses.sum(), query)
        torch.testing.assert_close(gradient, exact, rtol=tolerance, atol=tolerance)
    without = sampled_losses((query * table[positive]).sum(1), query, table[draw.items], draw, "none")
    assert (without > classic + 5).all()


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_it_is_the_same_in_parts(correction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    table, positive = torch.randn(13, 4), torch.randint(1, 13, (9,))
    draw, _ = drawn(torch.randint(1, 13, (50,)), 20, 0, positive)
    results = []
    for limit in (1 << 24, 3 * len(draw.items)):
        monkeypatch.setattr("models.objectives.next_interaction.LOGITS_AT_ONCE", {"cuda": limit})
        query = torch.linspace(-1, 1, 36).view(9, 4).requires_grad_()
        losses = sampled_losses((query * table[positive]).sum(1), query, table[draw.items], draw, correction)
        results.append((losses.detach(), torch.autograd.grad(losses.sum(), query)[0]))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_hits_of_the_positive_do_not_count() -> None:
    """With the positive as the only item that there is, nothing speaks against it."""
    positive, none = torch.tensor([3]), torch.zeros(1, dtype=torch.int64)
    draw = MixedDraw(positive, torch.full((1, 1), 8.0), none, torch.ones(1), none, 8)
    for correction in CORRECTIONS:
        query = torch.ones(1, 2, requires_grad=True)
        losses = sampled_losses(query.sum(1), query, torch.ones(1, 2), draw, correction)
        losses.sum().backward()
        assert losses.abs().item() < 1e-6
        assert query.grad is not None
        assert query.grad.isfinite().all()


def view(seed: int = 0) -> Asked:
    of = config()
    batch = ArgusExamples(people([8, 5]), of).batch(torch.arange(2).numpy())
    return argus(of).train().view(batch, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_every_weight_that_it_reads_learns_and_the_temperature_stays_within_bounds(correction: Any) -> None:
    objective = NextInteraction(InteractionLossConfig(in_batch=16, uniform=16, correction=correction)).train()
    seen = view()
    loss = objective(seen)[NEXT_ITEM]
    loss.backward()
    head = seen.model.next_item
    assert head is not None
    assert head.log_temperature is not None
    assert seen.model.start is not None
    for parameter in (
        *head.parameters(),
        seen.model.embedding.table,
        seen.model.start,
        *seen.model.layers.parameters(),
    ):
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
    assert head.log_temperature.grad is not None
    assert head.log_temperature.grad.abs() > 0
    with torch.no_grad():
        head.log_temperature.fill_(-50)
    assert head.temperature.item() == pytest.approx(0.01)
    with torch.no_grad():
        head.log_temperature.fill_(50)
    assert head.temperature.item() == pytest.approx(100, rel=1e-4)


def test_items_that_training_does_not_see_are_not_asked_about() -> None:
    seen = view()
    seen.model.items.has_id[:] = False
    loss = NextInteraction(InteractionLossConfig()).train()(seen)[NEXT_ITEM]
    loss.backward()
    assert loss.item() == 0


def test_some_negatives_there_must_be() -> None:
    with pytest.raises(ValueError, match="in_batch and uniform are both 0"):
        InteractionLossConfig(in_batch=0, uniform=0)
