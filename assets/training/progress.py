"""What a training tells of its epochs and steps, as its journal holds it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.training.journal import entries
from assets.training.setbacks import Setback, is_setback

if TYPE_CHECKING:
    from models.training.loop import EpochReport, StepReport

PROGRESS = "progress.jsonl"
"""The journal in a run's folder."""

STEPS_TO_MOVE = 100
"""So many steps of any learning rate that learns take a loss well below a guess, where there is something to learn."""

LEAST_MOVE = 0.02
"""A loss that is not by this share below that of a guess stands still."""


@dataclass(frozen=True)
class Progress:
    """One epoch as rank 0 saw it.

    `losses` are the parts of `loss` by name, not weighted; `validation` is what the family measures on held-out data;
    `sparsity` and `tokens_kept` say what Stochastic Length left; `guess` is the loss of who holds everything equally
    likely (`models.training.loop.EpochReport`).
    """

    epoch: int
    epochs: int
    loss: float
    losses: dict[str, float]
    validation: dict[str, float]
    tokens_per_second: float
    seconds_left: float
    sparsity: float
    tokens_kept: float
    steps: int = 0
    guess: float | None = None

    @property
    def standstill(self) -> str | None:
        """What is wrong where the loss does not move, and what to do; None where it does, or it is too early to say."""
        done = self.epoch * self.steps
        if self.guess is None or done < STEPS_TO_MOVE or self.loss < (1 - LEAST_MOVE) * self.guess:
            return None
        return (
            f"the loss does not move: it is {self.loss:.3f} in epoch {self.epoch}, after {done:,} steps, and that of a "
            f"guess {self.guess:.3f}; either the log holds nothing to learn, or training hides it: leave "
            "training.cold_start_hours and training.optimisation to the data, and look at `chosen` of `training_set`"
        )

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch}/{self.epochs}: loss {self.loss:.3f}{_parts(self.losses)}, "
            f"{''.join(f'{name} {value:.4f}, ' for name, value in self.validation.items())}"
            f"{self.tokens_per_second:,.0f} tokens/s, {self.seconds_left:.0f} s left"
        )


@dataclass(frozen=True)
class Step:
    """How far an epoch is, as rank 0 sees it."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    tokens_per_second: float

    def __str__(self) -> str:
        return (
            f"epoch {self.epoch}/{self.epochs}, step {self.step}/{self.steps}: loss {self.loss:.3f}, "
            f"{self.tokens_per_second:,.0f} tokens/s"
        )


Entry = Progress | Step | Setback
"""What a worker tells of its progress."""


def read_progress(folder: Path) -> list[Progress]:
    """The epochs of a run, each once: after a restart the later line of an epoch counts."""
    told = map(entry_of, entries(folder / PROGRESS))
    by_epoch = {entry.epoch: entry for entry in told if isinstance(entry, Progress)}
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def entry_of(told: dict[str, Any]) -> Entry:
    """An entry as a journal holds it."""
    if is_setback(told):
        return Setback(**told)
    return Progress(**told) if "validation" in told else Step(**told)


def progress_of(report: "EpochReport", validation: dict[str, float], workers: int) -> Progress:
    """An epoch of one of several workers, as that of all of them."""
    return Progress(
        epoch=report.epoch,
        epochs=report.epochs,
        loss=report.loss,
        losses=report.losses,
        validation=validation,
        tokens_per_second=report.tokens * workers / report.seconds,
        seconds_left=report.seconds * (report.epochs - report.epoch),
        sparsity=report.sparsity,
        tokens_kept=report.tokens_kept,
        steps=report.steps,
        guess=report.guess,
    )


def step_of(report: "StepReport", workers: int) -> Step:
    """A step of one of several workers, as that of all of them."""
    return Step(
        epoch=report.epoch,
        epochs=report.epochs,
        step=report.step,
        steps=report.steps,
        loss=report.loss,
        tokens_per_second=report.tokens * workers / report.seconds,
    )


def _parts(losses: dict[str, float]) -> str:
    """The parts of a loss where there is more than one."""
    return f" ({', '.join(f'{name} {loss:.3f}' for name, loss in losses.items())})" if len(losses) > 1 else ""
