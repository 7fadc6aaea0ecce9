from pathlib import Path

import numpy as np
import pytest
import torch

from models.checkpoint import save_checkpoint
from models.config.losses import SampledSoftmaxConfig
from models.config.model import HstuConfig, ItemTowerConfig, ModelConfig
from models.config.training import StochasticLengthConfig, TrainingConfig
from models.evaluation.next_item_ndcg import next_item_ndcg
from models.families.registry import build
from models.interactions import Interactions
from models.recommender import Recommender
from models.training.loop import EpochReport, fit

CONFIG = ModelConfig(
    width=16,
    max_length=8,
    backbone=HstuConfig(layers=1, heads=1, head_dim=16),
    items=ItemTowerConfig(content_dim=4, id_masking=0.2),
)
TRAINING = TrainingConfig(
    epochs=4, batch_size=16, learning_rate=5e-3, loss=SampledSoftmaxConfig(negatives=32, shared=True)
)


def cycles(users: int = 64, items: int = 30) -> Interactions:
    """Users who walk through the catalogue in steps of three."""
    starts = np.random.default_rng(0).integers(0, items, users)
    walks = [[int((start + 3 * step) % items) + 1 for step in range(8)] for start in starts]
    return Interactions.of([(walk, [60_000 * step for step in range(8)]) for walk in walks])


def recommender() -> Recommender:
    torch.manual_seed(0)
    return build(CONFIG, 30, content=torch.randn(31, 4))


def last_item_ndcg(model: Recommender, histories: Interactions) -> float:
    shorter = Interactions.of([(histories.item_index[i * 8 : i * 8 + 7], histories.timestamps[:7]) for i in range(64)])
    return next_item_ndcg(model, shorter, histories.item_index[7::8], np.full(64, 420_000), k=10)


def test_it_learns_what_comes_next() -> None:
    before = last_item_ndcg(recommender(), cycles())
    trained = fit(recommender(), cycles(), TRAINING.model_copy(update={"epochs": 30}))
    assert before < 0.5
    assert last_item_ndcg(trained, cycles()) > 0.8


@pytest.mark.parametrize(
    "changed",
    [
        {"schedule": "constant"},
        {"schedule": "cosine"},
        {"tokens_per_step": 40, "stochastic_length": StochasticLengthConfig(alpha=1.2)},
        {"loss": SampledSoftmaxConfig(negatives=8, source="in_batch")},
    ],
)
def test_a_resumed_run_equals_one_that_never_stopped(changed: dict[str, object], tmp_path: Path) -> None:
    training = TRAINING.model_copy(update=changed)
    whole = fit(recommender(), cycles(), training)

    class Killed(Exception):
        pass

    def stop_after_two(report: EpochReport, task: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if report.epoch == 2:
            save_checkpoint(tmp_path, task, optimizer, 2)
            raise Killed

    with pytest.raises(Killed):
        fit(recommender(), cycles(), training, on_epoch=stop_after_two)
    resumed = fit(recommender(), cycles(), training, resume_from=tmp_path)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def reports(training: TrainingConfig) -> list[EpochReport]:
    seen: list[EpochReport] = []
    fit(recommender(), cycles(), training, on_epoch=lambda report, *_: seen.append(report))
    return seen


def test_an_epoch_reports_what_it_read() -> None:
    first, *_ = reports(TRAINING)
    assert (first.tokens, first.sparsity, first.tokens_kept) == (64 * 7, 0, 1)
    shortened = reports(TRAINING.model_copy(update={"stochastic_length": StochasticLengthConfig(alpha=1.2)}))
    assert len({report.tokens for report in shortened}) > 1
    for report in shortened:
        # 8^0.6 = 3.48: a history of seven is cut to three, or stays whole.
        assert 64 * 3 <= report.tokens < 64 * 7
        assert report.tokens_kept == pytest.approx(report.tokens / (64 * 7))
        assert report.sparsity == pytest.approx(1 - report.tokens / 64 / 7)


def test_a_loss_that_is_not_finite_stops_before_the_optimizer_sees_it() -> None:
    broken = recommender()
    with torch.no_grad():
        broken.items.ids.weight[5] = torch.nan
    before = broken.items.ids.weight[1].clone()
    with pytest.raises(FloatingPointError, match="the loss is no longer finite in epoch 1"):
        fit(broken, cycles(), TRAINING)
    assert torch.equal(broken.items.ids.weight[1], before)


def test_a_model_that_is_not_finite_reaches_no_checkpoint() -> None:
    broken = recommender()
    seen: list[EpochReport] = []
    steps = iter(range(100))
    # 64 users in steps of 16: the last of the first epoch has a finite loss and a gradient that is not.
    broken.items.ids.weight.register_hook(lambda grad: grad * torch.inf if next(steps) == 3 else grad)
    with pytest.raises(FloatingPointError, match="the model is no longer finite in epoch 1"):
        fit(broken, cycles(), TRAINING, on_epoch=lambda report, *_: seen.append(report))
    assert not seen


def test_nothing_to_learn_from_is_said() -> None:
    with pytest.raises(ValueError, match="none of the 2 users has two known interactions"):
        fit(recommender(), Interactions.of([([1], [0]), ([2, 0], [0, 1])]), TRAINING)


def test_an_item_outside_the_table_is_said() -> None:
    with pytest.raises(ValueError, match=r"item index 31, but only indices 1\.\.30"):
        fit(recommender(), Interactions.of([([1, 31], [0, 1])]), TRAINING)


def test_in_bf16_only_products_are() -> None:
    dtypes: set[torch.dtype] = set()

    def losses(precision: str) -> list[float]:
        seen: list[float] = []

        def on_epoch(report: EpochReport, task: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
            seen.append(report.loss)
            dtypes.update(weight.dtype for weight in task.parameters())
            dtypes.update(value.dtype for state in optimizer.state.values() for value in state.values())

        fit(recommender(), cycles(), TRAINING.model_copy(update={"precision": precision}), on_epoch=on_epoch)
        return seen

    rounded, exact = losses("bf16"), losses("fp32")
    assert dtypes == {torch.float32}
    assert rounded != exact
    assert rounded == pytest.approx(exact, rel=0.01)
