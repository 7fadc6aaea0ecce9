"""The training loop: plain PyTorch, one process or one of many."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from models.checkpoint import load_checkpoint
from models.config.training import TrainingConfig
from models.examples import Epoch
from models.families.family import FamilyModel
from models.families.registry import family_of
from models.memory import keep_freed_memory
from models.packing import pack
from models.stochastic_length import sparsity
from models.training.divergence import LOOK_EVERY, check_finite
from models.training.early_stopping import StopTraining
from models.training.optimizer import begin_with, make_optimizer, set_learning_rate
from models.training.task import Task

Model = TypeVar("Model", bound=FamilyModel)

SECONDS_BETWEEN_STEPS = 5.0
"""How often somebody who watches is told of the steps of an epoch."""


@dataclass(frozen=True)
class EpochReport:
    """What one epoch did.

    Attributes:
        epoch: Counted from 1.
        epochs: How many there will be.
        loss: Mean over this worker's positions of what is learned from.
        losses: Name to mean of each loss that is a part of it, not weighted.
        tokens: This worker's positions.
        seconds: How long it took.
        sparsity: 1 - mean(n) / max(n) over all examples, n as shortened by Stochastic Length, the maximum before it.
        tokens_kept: Share of all examples' tokens that it left.
        steps: How many it had.
        guess: The loss of who holds everything equally likely; None where that is not known.
    """

    epoch: int
    epochs: int
    loss: float
    losses: dict[str, float]
    tokens: int
    seconds: float
    sparsity: float
    tokens_kept: float
    steps: int
    guess: float | None


@dataclass(frozen=True)
class StepReport:
    """Progress within an epoch.

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
    """This process's place among the training processes.

    Attributes:
        wrap: Makes of a module one that learns together with those of the other workers.
        mean: Makes of a tensor the mean over all workers, which all call it.
    """

    rank: int = 0
    world_size: int = 1
    wrap: Callable[[nn.Module], nn.Module] = lambda module: module
    mean: Callable[[Tensor], Tensor] = lambda value: value
    device: str = "cpu"


OnEpoch = Callable[[EpochReport, nn.Module, torch.optim.Optimizer], None]
OnStep = Callable[[StepReport], None]


def fit(
    model: Model,
    data: Any,
    config: TrainingConfig,
    worker: Worker | None = None,
    on_epoch: OnEpoch = lambda report, task, optimizer: None,
    resume_from: Path | None = None,
    on_step: OnStep | None = None,
    step_seconds: float = SECONDS_BETWEEN_STEPS,
    optimizer_state: Mapping[str, Tensor] | None = None,
) -> Model:
    """Trains `model` in place on what its family makes of `data`: examples and objectives.

    Random numbers are seeded per (seed, epoch, rank), so a run that resumes after epoch e equals one that never
    stopped. Every worker takes the same number of steps, and in each about as much work as the others.

    Args:
        data: What the family reads (`models.families.family.Family.examples`): for a recommender the histories of its
            users, items 1..n, oldest first.
        on_epoch: Called by every worker after each epoch with the report, the training task (for checkpoints) and
            the optimiser. Training ends where it raises `StopTraining`, which it does in all workers or in none.
        resume_from: Folder written by `save_checkpoint`.
        on_step: Called by this worker within an epoch, about every `step_seconds`; training is the same without it.
        step_seconds: See `on_step`.
        optimizer_state: What the optimiser begins with, by `models.training.optimizer.named_state`.

    Raises:
        ValueError: there is nothing to learn from, or the data do not fit the model; or an example is longer than
            `tokens_per_step`.
        Diverged: in all workers alike, the loss rose (`config.spike`), or loss or model are not finite; `on_epoch`
            never sees such a model.
    """
    worker = worker or Worker()
    keep_freed_memory()
    family = family_of(model.config)
    examples = family.examples(model, data, config)
    family.begin(model, examples)
    task = Task(cast(nn.Module, model), family.objectives(model, config), config.spike).to(worker.device)
    optimizer = make_optimizer(task.model, config)
    begin_with(task.model, optimizer, optimizer_state or {})
    done = load_checkpoint(resume_from, task, optimizer) if resume_from else 0
    wrapped = worker.wrap(task)
    for epoch in range(done, config.epochs):
        pulse = _Pulse(on_step, step_seconds, epoch + 1, config.epochs)
        report = _train_epoch(wrapped, task, optimizer, examples.epoch(epoch), config, worker, epoch, pulse)
        try:
            on_epoch(report, task, optimizer)
        except StopTraining:
            break
    model.eval()
    return model


def _train_epoch(
    wrapped: nn.Module,
    task: Task,
    optimizer: torch.optim.Optimizer,
    examples: Epoch,
    config: TrainingConfig,
    worker: Worker,
    epoch: int,
    pulse: "_Pulse",
) -> EpochReport:
    started = perf_counter()
    generator = _seed(config.seed, epoch, worker)
    steps = [loads[worker.rank] for loads in pack(examples.lengths, config, worker.world_size, epoch)]
    looks = _looks(len(steps))
    task.train()
    means = _Means(worker.device)
    for step, load in enumerate(steps):
        set_learning_rate(optimizer, config, epoch + step / len(steps), 1 / len(steps))
        batch = examples.batch(load)
        with _autocast(config, worker.device):
            loss, parts = wrapped(batch.to(worker.device), generator)
        means.add(loss, parts, len(batch))
        # Several workers must break off in the same step, and a device would have to be waited for.
        if worker.world_size == 1 and means.total.device.type == "cpu":
            check_finite(means.total, "loss", epoch + 1)
        # A mean is infinite or NaN where one of its parts is, so no loss passes unseen, however rarely it is read.
        if step + 1 in looks:
            task.watch.look(worker.mean(means.since_last_look()), epoch + 1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if config.clip_norm:
            torch.nn.utils.clip_grad_norm_(task.parameters(), config.clip_norm)
        optimizer.step()
        pulse.beat(step + 1, len(steps), means)
    # A finite loss may still have had a gradient that was not; nobody shall save what came of it.
    check_finite(torch.stack([weight.detach().sum() for weight in task.parameters()]), "model", epoch + 1)
    return EpochReport(
        epoch=epoch + 1,
        epochs=config.epochs,
        loss=means.loss,
        losses=means.losses,
        tokens=means.tokens,
        seconds=perf_counter() - started,
        sparsity=sparsity(examples.lengths, examples.whole),
        tokens_kept=float(examples.lengths.sum() / examples.whole.sum()),
        steps=len(steps),
        guess=task.guess,
    )


def _looks(steps: int) -> set[int]:
    """After how many steps of an epoch its loss is looked at: at its end, and before as often as `LOOK_EVERY` fits."""
    parts = -(-steps // LOOK_EVERY)
    return {steps * part // parts for part in range(1, parts + 1)}


class _Means:
    """Means of the loss and its parts over the positions so far; nobody waits for a device until one is read."""

    def __init__(self, device: str) -> None:
        self.tokens = 0
        self.total = torch.zeros((), dtype=torch.float64, device=device)
        self._looked_at = self.total.clone(), 0
        self._parts: dict[str, Tensor] = {}

    def add(self, loss: Tensor, parts: dict[str, Tensor], tokens: int) -> None:
        self.tokens += tokens
        self.total += loss.detach() * tokens
        for name, part in parts.items():
            self._parts[name] = self._parts.get(name, torch.zeros_like(self.total)) + part * tokens

    def since_last_look(self) -> Tensor:
        """() mean loss over the positions since this was last asked."""
        total, tokens = self._looked_at
        self._looked_at = self.total.clone(), self.tokens
        return (self.total - total) / (self.tokens - tokens)

    @property
    def loss(self) -> float:
        return self.total.item() / self.tokens

    @property
    def losses(self) -> dict[str, float]:
        return {name: part.item() / self.tokens for name, part in self._parts.items()}


class _Pulse:
    """Tells of the steps of one epoch, now and then: to look at the loss may mean to wait for it."""

    def __init__(self, on_step: OnStep | None, seconds: float, epoch: int, epochs: int) -> None:
        self._on_step, self._seconds, self._epoch, self._epochs = on_step, seconds, epoch, epochs
        self._began = self._last = perf_counter()

    def beat(self, step: int, steps: int, means: _Means) -> None:
        now = perf_counter()
        if self._on_step is None or now - self._last < self._seconds:
            return
        self._last = now
        self._on_step(StepReport(self._epoch, self._epochs, step, steps, means.loss, means.tokens, now - self._began))


def _seed(seed: int, epoch: int, worker: Worker) -> torch.Generator:
    mixed = int(np.random.SeedSequence((seed, epoch, worker.rank)).generate_state(1, np.uint64)[0] >> 1)
    torch.manual_seed(mixed)
    return torch.Generator(worker.device).manual_seed(mixed + 1)


def _autocast(config: TrainingConfig, device: str) -> AbstractContextManager[object]:
    return torch.autocast(torch.device(device).type, torch.bfloat16) if config.precision == "bf16" else nullcontext()
