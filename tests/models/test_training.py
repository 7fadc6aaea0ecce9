from pathlib import Path

import numpy as np
import pytest
import torch

from models.checkpoint import save_checkpoint
from models.config import HstuConfig, ItemTowerConfig, ModelConfig, SampledSoftmaxConfig, TrainingConfig
from models.evaluation.next_item_ndcg import next_item_ndcg
from models.history import Histories
from models.recommender import Recommender
from models.training import EpochReport, Worker, _batches, fit

CONFIG = ModelConfig(
    width=16,
    max_length=8,
    backbone=HstuConfig(layers=1, heads=1, head_dim=16),
    items=ItemTowerConfig(content_dim=4, id_masking=0.2),
)
TRAINING = TrainingConfig(
    epochs=4, batch_size=16, learning_rate=5e-3, loss=SampledSoftmaxConfig(negatives=32, shared=True)
)


def cycles(users: int = 64, items: int = 30) -> Histories:
    """Users who walk through the catalogue in steps of three."""
    starts = np.random.default_rng(0).integers(0, items, users)
    walks = [[int((start + 3 * step) % items) + 1 for step in range(8)] for start in starts]
    return Histories.of([(walk, [60_000 * step for step in range(8)]) for walk in walks])


def recommender() -> Recommender:
    torch.manual_seed(0)
    return Recommender(CONFIG, 30, torch.randn(31, 4))


def last_item_ndcg(model: Recommender, histories: Histories) -> float:
    shorter = Histories.of([(histories.rows[i * 8 : i * 8 + 7], histories.timestamps[:7]) for i in range(64)])
    return next_item_ndcg(model, shorter, histories.rows[7::8], np.full(64, 420_000), k=10)


def test_it_learns_what_comes_next() -> None:
    before = last_item_ndcg(recommender(), cycles())
    trained = fit(recommender(), cycles(), TRAINING.model_copy(update={"epochs": 30}))
    assert before < 0.5
    assert last_item_ndcg(trained, cycles()) > 0.8


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_resumed_run_equals_one_that_never_stopped(schedule: str, tmp_path: Path) -> None:
    training = TRAINING.model_copy(update={"schedule": schedule})
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


@pytest.mark.parametrize(("users", "workers"), [(10, 3), (9, 3), (2, 4), (64, 2)])
def test_workers_take_equal_steps_and_miss_nobody(users: int, workers: int) -> None:
    shares = [list(_batches(users, TRAINING, Worker(rank, workers), epoch=1)) for rank in range(workers)]
    assert len({tuple(len(batch) for batch in share) for share in shares}) == 1
    assert {int(user) for share in shares for batch in share for user in batch} == set(range(users))


def test_nothing_to_learn_from_is_said() -> None:
    with pytest.raises(ValueError, match="none of the 2 users has two known interactions"):
        fit(recommender(), Histories.of([([1], [0]), ([2, 0], [0, 1])]), TRAINING)


def test_an_item_outside_the_table_is_said() -> None:
    with pytest.raises(ValueError, match=r"item row 31, but only rows 1\.\.30"):
        fit(recommender(), Histories.of([([1, 31], [0, 1])]), TRAINING)
