import math
from typing import Literal

import numpy as np
import pytest
import torch

from models.batch import training_batch
from models.columns import ID_MASKED
from models.config.losses import SampledSoftmaxConfig
from models.config.model import ItemTowerConfig, ModelConfig
from models.config.training import TrainingConfig
from models.families.registry import build, family_of
from models.interactions import Interactions
from models.next_items import NextItems
from models.objectives.next_item import NextItem
from models.objectives.sampled_softmax import sampled_softmax
from models.recommender import Recommender, chance
from models.training.task import Task
from tests.models.gradients import gradient


def task(loss: SampledSoftmaxConfig, items: int = 30) -> tuple[Task, Recommender]:
    torch.manual_seed(0)
    config = ModelConfig(width=8, max_length=4, input_dropout=0.0, items=ItemTowerConfig(content_dim=3))
    model: Recommender = build(config, items, content=torch.randn(items + 1, 3))
    return Task(model, [NextItem(loss)]).eval(), model


@pytest.mark.parametrize("source", ["uniform", "in_batch"])
@pytest.mark.parametrize(("shared", "per_draw"), [(True, 1), (False, 1), (False, 3)])
def test_the_loss_is_that_of_the_draw_written_out(
    shared: bool, per_draw: int, source: Literal["uniform", "in_batch"]
) -> None:
    histories = Interactions.of([([1, 2, 3, 2], [0, 1, 2, 3]), ([5, 1], [0, 9])])
    batch, labels = training_batch(histories, np.arange(2), 4)
    config = SampledSoftmaxConfig(negatives=6, shared=shared, positions_per_draw=per_draw, source=source)
    objective, model = task(config)
    loss, parts = objective(NextItems(batch, labels), torch.Generator().manual_seed(4))
    assert torch.equal(parts["next_item"], loss)

    generator = torch.Generator().manual_seed(4)
    chance(batch.item_index.shape, 0, generator)
    # Four positions in runs of three are two runs of two.
    run = {1: 1, 3: 2}[per_draw]
    shape = (6,) if shared else (4 // run, 6)
    if source == "uniform":
        drawn = torch.randint(1, 31, shape, generator=generator)
    else:
        drawn = torch.tensor([1, 2, 3, 5])[torch.randint(4, shape, generator=generator)]
    states, table = model(batch), model.items(torch.arange(31))
    terms = []
    for place, label in enumerate(labels.item_index.tolist()):
        rows = (drawn if shared else drawn[place // run]).tolist()
        seen = table[[label, *(row for row in rows if row != label)]]
        logits = torch.cosine_similarity(states[place], seen) / 0.05
        terms.append(logits.logsumexp(0) - logits[0])
    torch.testing.assert_close(loss, torch.stack(terms).mean())


@pytest.mark.parametrize("shared", [True, False])
def test_gradients_reach_inputs_positives_negatives_and_the_out_of_vocabulary_vector(shared: bool) -> None:
    config = ModelConfig(width=8, max_length=4, items=ItemTowerConfig(content_dim=3, id_masking=0.5))
    model: Recommender = build(config, 30, content=torch.randn(31, 3))
    task = Task(model, [NextItem(SampledSoftmaxConfig(negatives=16, shared=shared))])
    batch, labels = training_batch(Interactions.of([([1, 2, 3], [0, 1, 2])]), torch.arange(1).numpy(), 4)
    task(NextItems(batch, labels), torch.Generator().manual_seed(0))[0].backward()
    of_ids = gradient(model.items.ids.weight)
    assert of_ids[0].abs().sum() > 0
    assert (of_ids[1:].abs().sum(1) > 0).sum() > 5
    assert model.items.projection is not None
    assert gradient(model.items.projection.weight).abs().sum() > 0


def test_a_hidden_label_teaches_the_out_of_vocabulary_vector_and_not_the_item() -> None:
    config = ModelConfig(width=8, max_length=4, items=ItemTowerConfig(content_dim=3))
    # Item 2 is drawn as a negative by none of these, and no logit is so large that gradients vanish.
    loss = SampledSoftmaxConfig(negatives=3, shared=True, temperature=1.0)
    model: Recommender = build(config, 30, content=torch.randn(31, 3))
    task = Task(model, [NextItem(loss)])
    histories = Interactions.of([([1, 2], [0, 1])])
    hidden = histories.with_columns({ID_MASKED: np.array([False, True])})
    touched = {}
    for name, given in (("shown", histories), ("hidden", hidden)):
        batch, labels = training_batch(given, np.arange(1), 4)
        task.zero_grad()
        task(NextItems(batch, labels), torch.Generator().manual_seed(3))[0].backward()
        touched[name] = gradient(model.items.ids.weight).abs().sum(1) > 0
    assert touched["shown"][[2, 0]].tolist() == [True, False]
    assert touched["hidden"][[2, 0]].tolist() == [False, True]


def test_no_id_is_hidden_where_no_content_stands_in_for_it() -> None:
    config = ModelConfig(width=8, max_length=4, items=ItemTowerConfig(content_dim=3))
    content = torch.randn(31, 3)
    content[[1, 2]] = 0
    histories = Interactions.of([([1, 2, 3], [0, 1, 2])])
    losses: dict[tuple[bool, bool, bool], float] = {}
    for hidden in ((False, False, False), (True, True, False), (False, False, True)):
        torch.manual_seed(0)
        task = Task(build(config, 30, content=content), [NextItem(SampledSoftmaxConfig(negatives=3))]).eval()
        batch, labels = training_batch(histories.with_columns({ID_MASKED: np.array(hidden)}), np.arange(1), 4)
        losses[hidden] = task(NextItems(batch, labels), torch.Generator().manual_seed(3))[0].item()
    assert losses[True, True, False] == losses[False, False, False] != losses[False, False, True]


def test_no_negative_is_hidden_where_no_content_stands_in_for_it() -> None:
    batch, labels = training_batch(Interactions.of([([1, 2, 3], [0, 1, 2])]), np.arange(1), 4)
    losses: dict[tuple[int, float], float] = {}
    for width in (0, 3):
        content = torch.randn(31, width, generator=torch.Generator().manual_seed(1)) if width else None
        for cold in (0.0, 0.9):
            torch.manual_seed(0)
            model = build(
                ModelConfig(width=8, max_length=4, items=ItemTowerConfig(content_dim=width)), 30, content=content
            )
            task = Task(model, [NextItem(SampledSoftmaxConfig(negatives=8, cold_negatives=cold))]).eval()
            losses[width, cold] = task(NextItems(batch, labels), torch.Generator().manual_seed(3))[0].item()
    assert losses[0, 0.0] == losses[0, 0.9]
    assert losses[3, 0.0] != losses[3, 0.9]


@pytest.mark.parametrize(("share", "drawn"), [(0.0, 4), (0.1, 4), (0.15, 5), (1.0, 30)])
def test_a_share_of_the_items_is_so_many_negatives_where_that_is_more(share: float, drawn: int) -> None:
    _, model = task(SampledSoftmaxConfig())
    batch, labels = training_batch(Interactions.of([([1, 2, 3], [0, 1, 2])]), np.arange(1), 4)
    found = []
    for loss in (
        SampledSoftmaxConfig(negatives=4, negatives_share=share, shared=True),
        SampledSoftmaxConfig(negatives=drawn, shared=True),
    ):
        (objective,) = family_of(model.config).objectives(model, TrainingConfig(loss=loss))
        assert objective.guess == pytest.approx(math.log(1 + drawn))
        told = Task(model, [objective]).eval()(NextItems(batch, labels), torch.Generator().manual_seed(4))
        found.append(told[0].item())
    assert found[0] == found[1]


def test_two_ways_of_sharing_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="leave positions_per_draw at 1, or shared false"):
        SampledSoftmaxConfig(shared=True, positions_per_draw=4)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 0.01])
def test_logq_makes_equal_logits_count_every_item_once(shared: bool, temperature: float) -> None:
    """Where all items are alike the sum over all of them is known: n times the positive's. No draw may change that."""
    items, found = 400, {}
    for correction in ("none", "logq"):
        config = SampledSoftmaxConfig(negatives=8, shared=shared, temperature=temperature, correction=correction)
        objective, model = task(config, items)
        with torch.no_grad():
            model.items.ids.weight.fill_(1)
            model.items.content.zero_()
        batch, labels = training_batch(Interactions.of([([400, 399, 398], [0, 1, 2])]), np.arange(1), 4)
        found[correction], _ = objective(NextItems(batch, labels), torch.Generator().manual_seed(4))
    assert found["none"].item() == pytest.approx(math.log(1 + 8), rel=1e-5)
    assert found["logq"].item() == pytest.approx(math.log(1 + items), rel=1e-5)


@pytest.mark.parametrize("shared", [True, False])
def test_gradients_of_corrected_logits_are_those_of_the_loss_written_out(shared: bool) -> None:
    torch.manual_seed(0)
    states, positives, negatives = (
        torch.nn.functional.normalize(torch.randn(n, 5, dtype=torch.float64), dim=-1).requires_grad_()
        for n in (6, 6, 9)
    )
    correction = torch.linspace(-60, 3, 9, dtype=torch.float64)
    draws = torch.tensor([2, 1, 0, 1, 3, 1, 0, 1, 1]) if shared else torch.randint(9, (3, 4))
    own = torch.tensor([0, -1, 2, -1, 8, -1])
    loss = sampled_softmax(states, positives, negatives, draws, own, 0.1, correction=correction)
    logits = states @ negatives.T / 0.1 - correction
    hits = torch.arange(9) == own[:, None]
    logits = logits.masked_fill(hits, -torch.inf)
    drawn = logits + draws.log() if shared else torch.stack([logits[row, draws[row // 2]] for row in range(6)])
    positive = (states * positives).sum(1, keepdim=True) / 0.1
    written = (torch.cat([positive, drawn], 1).logsumexp(1) - positive[:, 0]).mean()
    torch.testing.assert_close(loss, written)
    given = (states, positives, negatives)
    for ours, theirs in zip(torch.autograd.grad(loss, given), torch.autograd.grad(written, given), strict=True):
        torch.testing.assert_close(ours, theirs)
