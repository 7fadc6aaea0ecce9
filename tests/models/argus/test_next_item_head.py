"""The head with popularity: who learns from the past chooses among what was there, and knows of it what was known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.argus.examples import ArgusExamples
from models.argus.model import Argus, Asked
from models.argus.next_item_head import ABSENT
from models.columns import ITEM_INDEX
from models.config.losses import InteractionLossConfig
from models.families.registry import family_of
from models.interactions import Interactions
from models.objectives.next_interaction import NextInteraction
from models.popularity import DAY_MS
from models.samplers.mixed import MixedDraw
from tests.models.argus.worlds import ITEMS, config, enlarged, people

CONTENT = torch.randn(ITEMS + 1, 3, generator=torch.Generator().manual_seed(1))


def arriving(seed: int) -> Interactions:
    """Items that come one after the other, over some ten days."""
    users = people([40, 30, 50], seed)
    began = users.timestamps.min()
    there = 2 + (users.timestamps - began) // (DAY_MS // 2)
    return users.with_columns({ITEM_INDEX: 1 + users.item_index % np.minimum(there, ITEMS - 1)})


def begun(users: Interactions, **more: object) -> tuple[Argus, ArgusExamples]:
    """A model that knows what was popular, and its examples."""
    of = config(popularity=True, items={"content_dim": 3}, max_length=64, **more)
    torch.manual_seed(0)
    model = enlarged(Argus(of, ITEMS, None, CONTENT))
    examples = ArgusExamples(users, of)
    family_of(of).begin(model, examples)
    return model, examples


def asked(users: Interactions, **more: object) -> tuple[Argus, Asked]:
    model, examples = begun(users, **more)
    return model, model.view(examples.batch(np.arange(len(examples))), torch.Generator().manual_seed(0))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_each_item_is_there_once_from_the_day_on_that_it_came(seed: int) -> None:
    users = arriving(seed)
    model, _ = begun(users)
    head = model.next_item
    assert head is not None
    assert head.popularity is not None
    items = torch.arange(1, ITEMS + 1).repeat(2)
    new = torch.arange(2 * ITEMS) >= ITEMS
    moments = head.popularity.moments
    none = torch.zeros(len(moments), dtype=torch.int64)
    past = head.past(moments, items, new, none + 1, none > 0)
    assert past is not None
    there = (past.rows > ABSENT / 2).view(len(moments), 2, ITEMS)
    for moment, since in enumerate(moments.tolist()):
        until = moments[moment + 1].item() if moment + 1 < len(moments) else np.inf
        for item in range(1, ITEMS + 1):
            times = users.timestamps[users.item_index == item]
            known, comes = bool((times < since).any()), bool(((times >= since) & (times < until)).any())
            warm, as_new = there[moment, :, item - 1].tolist()
            if moment == 0:  # nobody can tell what was new
                assert (warm, as_new) == (comes, False)
            elif len(times) and moment + 1 < len(moments):
                assert (warm, as_new) == (known, comes and not known)


def test_the_loss_is_that_of_a_choice_among_what_was_there() -> None:
    users = arriving(3)
    model, view = asked(users)
    head = model.next_item
    assert head is not None
    assert head.popularity is not None
    with torch.no_grad():
        head.popularity.balance.new.fill_(0.7)
        head.popularity.balance.popularity.fill_(1.3)
    at, every = torch.arange(len(view.next_items)), torch.arange(1, ITEMS + 1)
    owner = torch.zeros(len(at), dtype=torch.int64)
    draw = MixedDraw(every, torch.ones(1, ITEMS), owner, torch.ones(ITEMS), view.next_items - 1, ITEMS)
    losses = NextInteraction(InteractionLossConfig()).losses(view, at, draw, "none")
    moments, logs = head.popularity.moments, head.popularity.log_popularity
    first = head.first
    assert view.new.any()
    assert not view.new.all()
    for place in at.tolist():
        moment = int(torch.bucketize(view.times[place], moments, right=True)) - 1
        there = (first[every] <= moment + 1) if moment else first[every] <= 1
        new = (moment > 0) & (first[every] == moment + 1)
        vectors = head.targets(model.items(every, new), every, new)
        logits = vectors @ view.queries[place]
        logits = logits + torch.where(new, 0.0, 1.3 * (logs[moment, every] - logs[-1, every]))
        own = view.next_items[place] - 1
        full = -logits.masked_fill(~there, -torch.inf).log_softmax(0)[own]
        torch.testing.assert_close(losses[place], full, rtol=1e-4, atol=1e-4)


def test_its_gradient_is_that_of_plain_operations() -> None:
    model, view = asked(arriving(5))
    at = torch.arange(len(view.next_items))
    objective = NextInteraction(InteractionLossConfig(in_batch=30, uniform=30)).train()
    positions, draw = objective.drawn(view)
    assert draw is not None
    assert len(positions) == len(at)
    head = model.next_item
    assert head is not None
    assert head.popularity is not None
    weight = head.popularity.balance.popularity

    def loss(value: float) -> torch.Tensor:
        with torch.no_grad():
            weight.fill_(value)
        fresh = replace(view)  # its queries hold the weight, too
        return objective.losses(fresh, at, draw, "classic").double().sum()

    (exact,) = torch.autograd.grad(loss(1.0), weight)
    step = 1e-2
    measured = float((loss(1 + step) - loss(1 - step)).detach()) / (2 * step)
    assert float(exact) == pytest.approx(measured, rel=0.02, abs=0.05)


def test_new_items_are_hidden_in_training_alone() -> None:
    model, view = asked(arriving(3), id_masking=0.0)
    hidden = model._hidden(view.batch, None)
    assert hidden is not None
    head = model.next_item
    assert head is not None
    assert torch.equal(hidden, head.was_new(view.batch.item_index, view.batch.started))
    batch = view.batch
    shown = model.read(batch, None)[1]
    model.train()
    trained = model.read(batch, None)[1]
    differs = (shown - trained).abs().amax(1) > 1e-5
    assert torch.equal(differs, hidden)


def test_half_of_the_context_can_be_hidden_but_never_the_time() -> None:
    of = config(context_masking=0.5)
    model = enlarged(Argus(of, ITEMS)).train()
    codes = torch.tensor([[5, 3, 2]]).repeat(2000, 1)
    told = model._known_context(codes, torch.Generator().manual_seed(0))
    assert (told[:, :2] == codes[:, :2]).all()
    assert 0.4 < (told[:, 2] == 0).float().mean() < 0.6
    assert torch.equal(model.eval()._known_context(codes, None), codes)
