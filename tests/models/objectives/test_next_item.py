import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.batch import training_batch
from models.config import ItemTowerConfig, ModelConfig, SampledSoftmaxConfig
from models.history import Histories
from models.objectives.next_item import NextItem, sampled_softmax
from models.recommender import Recommender


def unit(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(1)), dim=-1)


def test_equals_the_definition_written_out() -> None:
    states, positives, negatives = unit(3, 4), 3 * unit(5, 4)[:3], unit(3, 2, 4) * 0.5
    hits = torch.tensor([[False, False], [True, False], [False, False]])
    terms = []
    for position in range(3):
        cosines = [torch.cosine_similarity(states[position], positives[position], dim=0)]
        for draw in range(2):
            if not hits[position, draw]:
                cosines.append(torch.cosine_similarity(states[position], negatives[position, draw], dim=0))
        logits = torch.stack(cosines) / 0.05
        terms.append(logits.logsumexp(0) - logits[0])
    loss = sampled_softmax(states, positives, negatives, hits, temperature=0.05)
    torch.testing.assert_close(loss, torch.stack(terms).mean())


def test_shared_negatives_are_the_same_negatives_for_every_position() -> None:
    states, positives, negatives = unit(3, 4), unit(3, 4), unit(6, 4)
    none = torch.zeros(3, 6, dtype=torch.bool)
    shared = sampled_softmax(states, positives, negatives, none, 0.05)
    expanded = sampled_softmax(states, positives, negatives.expand(3, 6, 4), none, 0.05)
    torch.testing.assert_close(shared, expanded)


def test_known_losses() -> None:
    state = unit(1, 4)
    all_hits = sampled_softmax(state, state, state.expand(7, 4), torch.ones(1, 7, dtype=torch.bool), 0.05)
    ties = sampled_softmax(state, state, state.expand(7, 4), torch.zeros(1, 7, dtype=torch.bool), 0.05)
    assert all_hits.item() == pytest.approx(0, abs=1e-6)
    assert ties.item() == pytest.approx(math.log(8), abs=1e-5)


@pytest.mark.parametrize("shared", [True, False])
def test_gradients_reach_inputs_positives_negatives_and_the_out_of_vocabulary_vector(shared: bool) -> None:
    config = ModelConfig(width=8, max_length=4, items=ItemTowerConfig(content_dim=3, id_masking=0.5))
    task = NextItem(Recommender(config, 30, torch.randn(31, 3)), SampledSoftmaxConfig(negatives=16, shared=shared))
    batch, labels = training_batch(Histories.of([([1, 2, 3], [0, 1, 2])]), torch.arange(1).numpy(), 4)
    task(batch, labels, torch.Generator().manual_seed(0)).backward()
    gradient = task.recommender.items.ids.weight.grad
    assert gradient[0].abs().sum() == 0
    assert gradient[31].abs().sum() > 0
    assert (gradient[1:31].abs().sum(1) > 0).sum() > 5
    assert task.recommender.items.projection.weight.grad.abs().sum() > 0


def test_a_hidden_label_teaches_the_out_of_vocabulary_vector_and_not_the_item() -> None:
    config = ModelConfig(width=8, max_length=4, items=ItemTowerConfig(content_dim=3))
    # Item 2 is drawn as a negative by none of these, and no logit is so large that gradients vanish.
    loss = SampledSoftmaxConfig(negatives=3, shared=True, temperature=1.0)
    task = NextItem(Recommender(config, 30, torch.randn(31, 3)), loss)
    histories = Histories.of([([1, 2], [0, 1])])
    hidden = replace(histories, hidden=np.array([False, True]))
    touched = {}
    for name, given in (("shown", histories), ("hidden", hidden)):
        batch, labels = training_batch(given, np.arange(1), 4)
        task.zero_grad()
        task(batch, labels, torch.Generator().manual_seed(3)).backward()
        touched[name] = task.recommender.items.ids.weight.grad.abs().sum(1) > 0
    assert (touched["shown"][2], touched["shown"][31]) == (True, False)
    assert (touched["hidden"][2], touched["hidden"][31]) == (False, True)
