import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models.config.training import TrainingConfig
from models.training.divergence import LOOK_EVERY, Diverged, LossWatch
from models.training.loop import EpochReport, _looks, fit
from tests.models.training.test_loop import TRAINING, cycles, recommender

LOSSES = st.lists(st.floats(0.01, 20), min_size=1, max_size=20)


def looks(watch: LossWatch, losses: list[float]) -> LossWatch:
    for loss in losses:
        watch.look(torch.tensor(loss, dtype=torch.float64), 1)
    return watch


@given(LOSSES, st.floats(0.1, 2))
def test_a_loss_that_only_falls_is_no_spike(losses: list[float], spike: float) -> None:
    falling = sorted(losses, reverse=True)
    watch = looks(LossWatch(spike), falling)
    assert (float(watch.first), float(watch.lowest)) == (falling[0], falling[-1])


@given(LOSSES)
def test_half_of_what_was_learned_may_be_lost_and_no_more(losses: list[float]) -> None:
    watch = looks(LossWatch(0.5), sorted(losses, reverse=True))
    fallen = max(max(losses) - min(losses), 0.2 * max(losses))
    kept = {name: value.clone() for name, value in watch.state_dict().items()}
    looks(watch, [min(losses) + 0.49 * fallen])
    with pytest.raises(Diverged, match=r"the loss rose to .* in epoch 1, after it had been down to .*: lower the"):
        looks(watch, [min(losses) + 0.51 * fallen])
    again = LossWatch(0.5)
    again.load_state_dict(kept)
    with pytest.raises(Diverged):
        looks(again, [min(losses) + 0.51 * fallen])
    looks(LossWatch(0.0), [min(losses), 1e9])


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_what_is_not_finite_ends_it_whatever_is_allowed(wrong: float) -> None:
    with pytest.raises(Diverged, match="the loss is no longer finite in epoch 1: lower the learning rate"):
        looks(LossWatch(0.0), [1.0, wrong])


@given(st.integers(1, 1000))
def test_an_epoch_is_looked_at_in_even_parts(steps: int) -> None:
    ends = sorted(_looks(steps))
    parts = np.diff([0, *ends])
    assert ends[-1] == steps
    assert parts.max() <= LOOK_EVERY
    assert parts.max() - parts.min() <= 1


def test_a_training_that_forgets_breaks_off_with_the_epoch_in_which_it_does() -> None:
    model, seen, steps = recommender(), [], iter(range(10**6))
    # Four steps an epoch; from the ninth epoch on it learns the opposite.
    model.items.ids.weight.register_hook(lambda grad: grad if next(steps) < 32 else -1e3 * grad)

    def on_epoch(report: EpochReport, task: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        seen.append(report.loss)

    with pytest.raises(Diverged, match="the loss rose to"):
        fit(model, cycles(), TRAINING.model_copy(update={"epochs": 40}), on_epoch=on_epoch)
    assert 8 <= len(seen) < 40
    assert seen[-1] < seen[0]


def test_by_default_a_training_is_watched() -> None:
    assert TrainingConfig().spike == 0.5
