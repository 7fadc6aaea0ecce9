from itertools import permutations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from models.batch import training_batch
from models.config.losses import SampledSoftmaxConfig
from models.config.model import ModelConfig
from models.families.registry import build
from models.interactions import Interactions
from models.next_items import NextItems
from models.objectives.gbce import beta, gbce
from models.objectives.next_item import NextItem
from models.popularity import PopularityOverTime
from models.recommender import Recommender
from models.training.task import Task
from tests.models.gradients import gradient


@pytest.mark.parametrize("shared", [True, False])
def test_the_loss_is_the_formula_of_the_paper(shared: bool) -> None:
    draw = torch.Generator().manual_seed(0)
    states, positives, negatives = (torch.randn(n, 5, generator=draw, dtype=torch.float64) for n in (4, 4, 3))
    drawn = torch.tensor([[0, 2, 2, 1]] * 4) if shared else torch.tensor([[0, 2, 2, 1], [1, 1, 0, 2]])
    own, weights = torch.tensor([-1, 2, 0, -1]), torch.tensor([1.0, 0.5, 2.0, 0.0])
    terms = []
    for place in range(4):
        rows = drawn[place if shared else place // 2].tolist()
        right = torch.sigmoid(states[place] @ positives[place] / 0.5) ** 0.3
        wrong = [1 - torch.sigmoid(states[place] @ negatives[row] / 0.5) for row in rows if row != own[place]]
        terms.append(-(right.log() + torch.stack(wrong).log().sum()) / 5)
    draws = torch.bincount(drawn[0], minlength=3) if shared else drawn
    loss = gbce(states, positives, negatives, draws, own, 0.5, 0.3, weights)
    torch.testing.assert_close(loss, (torch.stack(terms) * weights).sum() / 3.5)
    torch.testing.assert_close(gbce(states, positives, negatives, draws, own, 0.5, 0.3), torch.stack(terms).mean())


def test_beta_goes_from_plain_cross_entropy_to_the_share_that_is_drawn() -> None:
    assert beta(256, 1025, 0.0) == 1
    assert beta(256, 1025, 1.0) == 0.25
    assert beta(256, 1025, 0.75) == pytest.approx(0.25 * (0.75 * (1 - 1 / 0.25) + 1 / 0.25))
    assert beta(256, 10, 0.75) == 1, "more draws than items: nothing is left to calibrate"


@pytest.mark.parametrize("calibration", [0.0, 1.0])
def test_a_calibrated_sigmoid_estimates_how_likely_the_item_comes_next(calibration: float) -> None:
    chances = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=torch.float64)
    # All that can happen, as often as it does: an item comes, and one of the other three is the negative.
    pairs = torch.tensor(list(permutations(range(4), 2)))
    weights, none = chances[pairs[:, 0]], torch.full((12,), -1)
    scores = torch.zeros(4, 1, dtype=torch.float64, requires_grad=True)
    states, power = torch.ones(12, 1, dtype=torch.float64), beta(1, 4, calibration)
    solver = torch.optim.LBFGS([scores], max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        value = gbce(states, scores[pairs[:, 0]], scores, pairs[:, 1:], none, 1.0, power, weights)
        value.backward()
        return value

    solver.step(loss)
    overconfident = chances / (chances + (1 - chances) / 3)
    expected = chances if calibration else overconfident
    torch.testing.assert_close(scores.detach().sigmoid().squeeze(1), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("popularity", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_a_recommender_learns_by_it(shared: bool, popularity: bool) -> None:
    torch.manual_seed(0)
    counts = PopularityOverTime(np.array([0]), np.ones((1, 31), np.float32)) if popularity else None
    config = ModelConfig(width=8, max_length=4, input_dropout=0.0, popularity=popularity)
    model: Recommender = build(config, 30, popularity=counts)
    objective = NextItem(SampledSoftmaxConfig(kind="gbce", negatives=6, shared=shared))
    assert objective.guess is None
    histories = Interactions.of([([1, 2, 3, 2], [0, 1, 2, 3]), ([5, 1], [0, 9])])
    batch, labels = training_batch(histories, np.arange(2), 4)
    loss, _ = Task(model, [objective])(NextItems(batch, labels), torch.Generator().manual_seed(4))
    loss.backward()
    assert loss.isfinite()
    assert (gradient(model.items.ids.weight).abs().sum(1) > 0).sum() > 5


def test_no_positions_are_no_loss() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    assert gbce(torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(2, 3), torch.tensor([1, 1]), none, 1.0, 0.5) == 0


def test_a_correction_beside_it_is_refused() -> None:
    with pytest.raises(ValidationError, match="gbce counts on uniform negatives"):
        SampledSoftmaxConfig(kind="gbce", correction="logq")
