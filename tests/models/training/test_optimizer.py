from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.config.training import TrainingConfig
from models.training.loop import fit
from models.training.optimizer import make_optimizer, schedule_factor, set_learning_rate
from tests.models.training.test_loop import TRAINING, cycles, recommender


def test_without_groups_there_is_one_with_all_parameters_in_order() -> None:
    model = recommender()
    (group,) = make_optimizer(model, TRAINING).param_groups
    assert [id(parameter) for parameter in group["params"]] == [id(parameter) for parameter in model.parameters()]


def test_a_parameter_is_of_the_longest_group_that_fits() -> None:
    config = TRAINING.model_copy(update={"learning_rates": {"items": 0.5, "items.ids": 0.1}})
    model = recommender()
    optimizer = make_optimizer(model, config)
    set_learning_rate(optimizer, config, 0, 0.1)
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    assert rates[id(model.items.ids.weight)] == pytest.approx(5e-4)
    assert model.items.projection is not None
    assert rates[id(model.items.projection.weight)] == pytest.approx(2.5e-3)
    assert rates[id(model.encoder.positions)] == pytest.approx(5e-3)


def test_a_group_of_no_parameter_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"learning_rates names 'item\.ids', .* items\.ids"):
        make_optimizer(recommender(), TRAINING.model_copy(update={"learning_rates": {"item.ids": 0.1}}))


def test_a_group_at_rate_zero_stays_as_it_was() -> None:
    before = recommender()
    trained = fit(
        recommender(), cycles(), TRAINING.model_copy(update={"learning_rates": {"items.ids": 0.0}, "epochs": 1})
    )
    assert torch.equal(trained.items.ids.weight, before.items.ids.weight)
    assert not torch.equal(trained.encoder.positions, before.encoder.positions)


def test_a_clipped_gradient_moves_the_model_less_with_a_plain_step() -> None:
    trained = {
        norm: fit(recommender(), cycles(), TRAINING.model_copy(update={"clip_norm": norm, "epochs": 1}))
        for norm in (0.0, 1e6, 1e-12)
    }
    weights = {norm: model.items.ids.weight for norm, model in trained.items()}
    torch.testing.assert_close(weights[0.0], weights[1e6])
    # So small a gradient is lost in Adam's epsilon.
    moved = {norm: float((weight - recommender().items.ids.weight).abs().max()) for norm, weight in weights.items()}
    assert moved[1e-12] < moved[0.0] / 100


@given(warmup=st.sampled_from([0.0, 0.25]), schedule=st.sampled_from(["constant", "cosine"]), steps=st.integers(1, 60))
def test_the_rate_rises_then_stays_or_falls_to_zero(
    warmup: float, schedule: Literal["constant", "cosine"], steps: int
) -> None:
    config = TrainingConfig(warmup=warmup, schedule=schedule)
    factors = [schedule_factor(config, step / steps, 1 / steps) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    rising = [factor for step, factor in enumerate(factors) if step / steps < warmup]
    falling = factors[len(rising) :]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)
    assert schedule_factor(config, 1.0, 1 / steps) == pytest.approx(0 if schedule == "cosine" else 1)
