"""The training loop: plain PyTorch, one process or one of many."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn

from models.batch import training_batch
from models.checkpoint import load_checkpoint
from models.config import TrainingConfig
from models.interactions import Interactions
from models.memory import keep_freed_memory
from models.objectives.next_item import NextItem
from models.packing import pack
from models.recommender import Recommender
from models.stochastic_length import StochasticLength, sparsity
from models.windows import Windows

# Steps between two looks at the loss on a GPU, which must wait each time.
READ_LOSS_EVERY = 32

SECONDS_BETWEEN_STEPS = 5.0
"""How often somebody who watches is told of the steps of an epoch."""


@dataclass(frozen=True)
class EpochReport:
    """What one epoch did.

    Attributes:
        epoch: Counted from 1.
        epochs: How many there will be.
        loss: Mean over this worker's positions.
        tokens: This worker's positions.
        seconds: How long it took.
        sparsity: 1 - mean(n) / max(n) over all users, n as shortened by Stochastic Length, the maximum before it.
        tokens_kept: Share of all users' tokens that it left.
    """

    epoch: int
    epochs: int
    loss: float
    tokens: int
    seconds: float
    sparsity: float
    tokens_kept: float


@dataclass(frozen=True)
class StepReport:
    """How far one epoch is.

    Attributes:
        epoch: Counted from 1.
        epochs: How many there will be.
        step: Steps done in it.
        steps: How many there will be.
        loss: Mean over this worker's positions so far.
        tokens: This worker's positions so far.
        seconds: Since it began.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
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
OnStep = Callable[[StepReport], None]


def fit(
    recommender: Recommender,
    histories: Interactions,
    config: TrainingConfig,
    worker: Worker | None = None,
    on_epoch: OnEpoch = lambda report, task, optimizer: None,
    resume_from: Path | None = None,
    on_step: OnStep | None = None,
    step_seconds: float = SECONDS_BETWEEN_STEPS,
) -> Recommender:
    """Trains `recommender` in place on next-item prediction over `histories` (items 1..n, oldest first).

    Random numbers are seeded per (seed, epoch, rank), so a run that resumes after epoch e equals one that never
    stopped. Every worker takes the same number of steps, and in each about as much work as the others.

    Args:
        on_epoch: Called by every worker after each epoch with the report, the training task (for checkpoints) and
            the optimiser.
        resume_from: Folder written by `save_checkpoint`.
        on_step: Called by this worker within an epoch, about every `step_seconds`; training is the same without it.
        step_seconds: See `on_step`.

    Raises:
        ValueError: no user has two interactions, so nothing can be learned; or an item is not in the table; or a
            history is longer than `tokens_per_step`.
        FloatingPointError: the loss or the model is not finite; `on_epoch` never sees such a model.
    """
    worker = worker or Worker()
    keep_freed_memory()
    histories = _trainable(histories, recommender.items.trained)
    task = NextItem(recommender, config.loss).to(worker.device)
    optimizer = torch.optim.AdamW(
        task.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True
    )
    done = load_checkpoint(resume_from, task, optimizer) if resume_from else 0
    wrapped = worker.wrap(task)
    for epoch in range(done, config.epochs):
        pulse = _Pulse(on_step, step_seconds, epoch + 1, config.epochs)
        report = _train_epoch(
            wrapped, optimizer, histories, config, worker, epoch, recommender.config.max_length, pulse
        )
        on_epoch(report, task, optimizer)
    return recommender.eval()


def _trainable(histories: Interactions, items: int) -> Interactions:
    kept = histories.within(items).known()
    users = np.flatnonzero(kept.lengths >= 2)
    if not len(users):
        raise ValueError(
            f"none of the {len(histories)} users has two known interactions: there is nothing to learn from"
        )
    return kept.take(users)


def _train_epoch(
    task: nn.Module,
    optimizer: torch.optim.Optimizer,
    histories: Interactions,
    config: TrainingConfig,
    worker: Worker,
    epoch: int,
    max_length: int,
    pulse: "_Pulse",
) -> EpochReport:
    started = perf_counter()
    generator = _seed(config.seed, epoch, worker)
    lengths = np.minimum(histories.lengths - 1, max_length)
    shortening = StochasticLength(config.stochastic_length, max_length, config.seed, epoch)
    everybody = np.arange(len(histories))
    kept = shortening.kept_lengths(everybody, lengths)
    windows = Windows(config.windows, max_length, config.seed, epoch, config.epochs)
    skipped = windows.skipped(everybody, histories.lengths)
    steps = [loads[worker.rank] for loads in pack(kept, config, worker.world_size, epoch)]
    task.train()
    tokens = 0
    total = torch.zeros((), dtype=torch.float64, device=worker.device)
    for step, users in enumerate(steps):
        _set_learning_rate(optimizer, config, done=(epoch + step / len(steps)) / config.epochs)
        batch, labels = training_batch(histories, users, max_length, skipped[users], shortening)
        with _autocast(config, worker.device):
            loss = task(batch.to(worker.device), labels.to(worker.device), generator)
        total += loss.detach() * len(labels.item_index)
        tokens += len(labels.item_index)
        # A sum stays infinite or NaN once it is, so no loss passes unseen, however rarely it is read.
        if total.device.type == "cpu" or step % READ_LOSS_EVERY == 0 or step == len(steps) - 1:
            _check_finite(total, "loss", epoch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        pulse.beat(step + 1, len(steps), total, tokens)
    # A finite loss may still have had a gradient that was not; nobody shall save what came of it.
    _check_finite(torch.stack([weight.detach().sum() for weight in task.parameters()]), "model", epoch)
    return EpochReport(
        epoch=epoch + 1,
        epochs=config.epochs,
        loss=total.item() / tokens,
        tokens=tokens,
        seconds=perf_counter() - started,
        sparsity=sparsity(kept, lengths),
        tokens_kept=float(kept.sum() / lengths.sum()),
    )


class _Pulse:
    """Tells of the steps of one epoch, now and then: to look at the loss may mean to wait for it."""

    def __init__(self, on_step: OnStep | None, seconds: float, epoch: int, epochs: int) -> None:
        self._on_step, self._seconds, self._epoch, self._epochs = on_step, seconds, epoch, epochs
        self._began = self._last = perf_counter()

    def beat(self, step: int, steps: int, total: Tensor, tokens: int) -> None:
        now = perf_counter()
        if self._on_step is None or now - self._last < self._seconds:
            return
        self._last = now
        loss = total.item() / tokens
        self._on_step(StepReport(self._epoch, self._epochs, step, steps, loss, tokens, now - self._began))


def _check_finite(value: Tensor, name: str, epoch: int) -> None:
    if not torch.isfinite(value).all():
        raise FloatingPointError(f"the {name} is no longer finite in epoch {epoch + 1}: lower the learning rate")


def _set_learning_rate(optimizer: torch.optim.Optimizer, config: TrainingConfig, done: float) -> None:
    factor = 0.5 * (1 + math.cos(math.pi * done)) if config.schedule == "cosine" else 1.0
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * factor


def _seed(seed: int, epoch: int, worker: Worker) -> torch.Generator:
    mixed = int(np.random.SeedSequence((seed, epoch, worker.rank)).generate_state(1, np.uint64)[0] >> 1)
    torch.manual_seed(mixed)
    return torch.Generator(worker.device).manual_seed(mixed + 1)


def _autocast(config: TrainingConfig, device: str) -> AbstractContextManager[object]:
    return torch.autocast(torch.device(device).type, torch.bfloat16) if config.precision == "bf16" else nullcontext()
