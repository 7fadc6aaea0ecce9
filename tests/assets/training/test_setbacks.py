"""Trainings that diverge, within a real run of Ray Train in this process."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from assets.training.journal import note
from assets.training.setbacks import Setback, after_setbacks, is_setback, read_setbacks, train_through_setbacks
from models.checkpoint import next_checkpoint
from models.config.training import TrainingConfig
from models.training.divergence import Diverged

TRAINING = TrainingConfig(learning_rate=0.8, seed=5)


def run(folder: Path, good_epochs: int, setbacks: int) -> list[tuple[float, int, str]]:
    """Trains with attempts of which so many diverge, each after so many epochs more; what each was given."""
    journal, given = folder / "progress.jsonl", []
    task = torch.nn.Linear(1, 1)
    optimizer = torch.optim.Adam(task.parameters())

    def attempt(training: TrainingConfig, newest: Path | None) -> None:
        given.append((training.learning_rate, training.seed, newest.name if newest else ""))
        if len(given) <= setbacks:
            for epoch in range(good_epochs):
                next_checkpoint(folder, task, optimizer, (len(given) - 1) * good_epochs + epoch + 1)
            raise Diverged("the loss rose")

    TorchTrainer(
        lambda: train_through_setbacks(TRAINING, folder, journal, 0, attempt, lambda mine: mine),
        torch_config=TorchConfig(backend="gloo"),
        scaling_config=ScalingConfig(num_workers=0),
        run_config=RunConfig(storage_path=str(folder)),
    ).fit()
    return given


def test_it_goes_on_from_the_last_epoch_that_was_good_more_slowly(tmp_path: Path) -> None:
    given = run(tmp_path, good_epochs=2, setbacks=2)
    assert given == [(0.8, 5, ""), (0.4, 6, "epoch-2"), (0.2, 7, "epoch-4")]
    told = [str(setback) for setback in read_setbacks(tmp_path / "progress.jsonl")]
    assert told == [
        "the loss rose; training goes on from epoch 2 at a learning rate of 0.4",
        "the loss rose; training goes on from epoch 4 at a learning rate of 0.2",
    ]


def test_one_that_was_killed_remembers(tmp_path: Path) -> None:
    note(tmp_path / "progress.jsonl", Setback("the loss rose", 0, 0.4))
    assert run(tmp_path, good_epochs=1, setbacks=0) == [(0.4, 6, "")]


def test_after_three_it_ends_with_what_was_good(tmp_path: Path) -> None:
    given = run(tmp_path, good_epochs=1, setbacks=9)
    assert [rate for rate, *_ in given] == [0.8, 0.4, 0.2, 0.1]
    assert str(read_setbacks(tmp_path / "progress.jsonl")[-1]) == (
        "the loss rose; after 3 setbacks training ends with epoch 4"
    )
    assert run(tmp_path, good_epochs=1, setbacks=9) == [], "one that had ended begins again"


def test_where_nothing_was_good_it_fails(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="the loss rose"):
        run(tmp_path, good_epochs=0, setbacks=9)
    assert [setback.epoch for setback in read_setbacks(tmp_path / "progress.jsonl")] == [0, 0, 0]
    assert all(is_setback(asdict(setback)) for setback in read_setbacks(tmp_path / "progress.jsonl"))


def test_another_order_comes_with_another_rate() -> None:
    assert after_setbacks(TRAINING, 0) == TRAINING
    assert after_setbacks(TRAINING, 3) == TRAINING.model_copy(update={"learning_rate": 0.1, "seed": 8})
