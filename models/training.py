"""The training loop: plain PyTorch, one process or one of many."""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import nn

from models.batch import training_batch
from models.checkpoint import load_checkpoint
from models.config import TrainingConfig
from models.history import Histories
from models.objectives.next_item import NextItem
from models.recommender import Recommender


@dataclass(frozen=True)
class EpochReport:
    """What one epoch did. `loss` is the mean over this worker's positions."""

    epoch: int
    epochs: int
    loss: float
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Worker:
    """This process's place among the training processes."""

    rank: int = 0
    world_size: int = 1
    wrap: Callable[[nn.Module], nn.Module] = lambda module: module
    device: str = "cpu"


OnEpoch = Callable[[EpochReport, nn.Module, torch.optim.Optimizer], None]


def fit(
    recommender: Recommender,
    histories: Histories,
    config: TrainingConfig,
    worker: Worker | None = None,
    on_epoch: OnEpoch = lambda report, task, optimizer: None,
    resume_from: Path | None = None,
) -> Recommender:
    """Trains `recommender` in place on next-item prediction over `histories` (rows 1..n, oldest first).

    Random numbers are seeded per (seed, epoch, rank), so a run that resumes after epoch e equals one that never
    stopped. Every worker takes the same number of steps.

    Args:
        on_epoch: Called by every worker after each epoch with the report, the training task (for checkpoints) and
            the optimiser.
        resume_from: Folder written by `save_checkpoint`.

    Raises:
        ValueError: no user has two interactions, so nothing can be learned; or an item is not in the table.
        FloatingPointError: the loss is not finite.
    """
    worker = worker or Worker()
    histories = _trainable(histories, recommender.items.trained)
    task = NextItem(recommender, config.loss).to(worker.device)
    optimizer = torch.optim.AdamW(
        task.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay
    )
    done = load_checkpoint(resume_from, task, optimizer) if resume_from else 0
    wrapped = worker.wrap(task)
    for epoch in range(done, config.epochs):
        report = _train_epoch(wrapped, optimizer, histories, config, worker, epoch, recommender.config.max_length)
        on_epoch(report, task, optimizer)
    return recommender.eval()


def _trainable(histories: Histories, items: int) -> Histories:
    kept = histories.known()
    users = np.flatnonzero(kept.lengths >= 2)
    if not len(users):
        raise ValueError(
            f"none of the {len(histories)} users has two known interactions: there is nothing to learn from"
        )
    if kept.rows.max() > items:
        raise ValueError(f"a history holds item row {kept.rows.max()}, but only rows 1..{items} can be trained")
    return kept.take(users)


def _train_epoch(
    task: nn.Module,
    optimizer: torch.optim.Optimizer,
    histories: Histories,
    config: TrainingConfig,
    worker: Worker,
    epoch: int,
    max_length: int,
) -> EpochReport:
    started = perf_counter()
    generator = _seed(config.seed, epoch, worker)
    task.train()
    total, tokens = 0.0, 0
    batches = list(_batches(len(histories), config, worker, epoch))
    for step, users in enumerate(batches):
        _set_learning_rate(optimizer, config, done=(epoch + step / len(batches)) / config.epochs)
        batch, labels = training_batch(histories, users, max_length)
        with _autocast(config, worker.device):
            loss = task(batch.to(worker.device), labels.to(worker.device), generator)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss became {loss.item()} in epoch {epoch + 1}: lower the learning rate")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels.rows)
        tokens += len(labels.rows)
    return EpochReport(epoch + 1, config.epochs, total / tokens, tokens, perf_counter() - started)


def _set_learning_rate(optimizer: torch.optim.Optimizer, config: TrainingConfig, done: float) -> None:
    factor = 0.5 * (1 + math.cos(math.pi * done)) if config.schedule == "cosine" else 1.0
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * factor


def _batches(users: int, config: TrainingConfig, worker: Worker, epoch: int) -> Iterator[np.ndarray]:
    """This worker's users of one epoch, shuffled; the last few are repeated so that all workers take equal steps."""
    order = np.random.default_rng((config.seed, epoch)).permutation(users)
    share = -(-users // worker.world_size)
    mine = np.resize(order, share * worker.world_size)[worker.rank :: worker.world_size]
    for start in range(0, share, config.batch_size):
        yield mine[start : start + config.batch_size]


def _seed(seed: int, epoch: int, worker: Worker) -> torch.Generator:
    mixed = int(np.random.SeedSequence((seed, epoch, worker.rank)).generate_state(1, np.uint64)[0] >> 1)
    torch.manual_seed(mixed)
    return torch.Generator(worker.device).manual_seed(mixed + 1)


def _autocast(config: TrainingConfig, device: str) -> AbstractContextManager[object]:
    return torch.autocast(torch.device(device).type, torch.bfloat16) if config.precision == "bf16" else nullcontext()
