"""What becomes of a training that diverges: it goes back to the last epoch that was good, and on more slowly."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.training.journal import entries, note
from models.config.training import TrainingConfig

MOST_SETBACKS = 3
"""Each halves the learning rate: a training that diverges at an eighth of it has another fault."""

Attempt = Callable[[TrainingConfig, Path | None], None]
"""Trains by a configuration from a checkpoint on, or from the start."""

OfRankZero = Callable[[Any], Any]
"""Makes of what a worker gives what rank 0 gives; all workers call it together."""


@dataclass(frozen=True)
class Setback:
    """Training broke off and goes on from an earlier epoch, or ends there.

    Attributes:
        why: A sentence without its full stop.
        epoch: After which it goes on; 0: from the start.
        learning_rate: With which it does, at its highest; None: it ends.
    """

    why: str
    epoch: int
    learning_rate: float | None

    def __str__(self) -> str:
        place = f"epoch {self.epoch}" if self.epoch else "the start"
        if self.learning_rate is None:
            return f"{self.why}; after {MOST_SETBACKS} setbacks training ends with {place}"
        return f"{self.why}; training goes on from {place} at a learning rate of {self.learning_rate:.2g}"


def is_setback(told: dict[str, object]) -> bool:
    """Whether an entry of a journal is one."""
    return "why" in told


def read_setbacks(journal: Path) -> list[Setback]:
    """Those that a run's journal tells of, in order."""
    return [Setback(**told) for told in entries(journal) if is_setback(told)]


def after_setbacks(training: TrainingConfig, setbacks: int) -> TrainingConfig:
    """How training goes on after so many: more slowly, and in another order, as the same one might diverge again."""
    changed = {"learning_rate": training.learning_rate / 2**setbacks, "seed": training.seed + setbacks}
    return training.model_copy(update=changed)


def train_through_setbacks(
    training: TrainingConfig, folder: Path, journal: Path, rank: int, attempt: Attempt, of_rank_zero: OfRankZero
) -> None:
    """Calls `attempt` until it does not diverge; every worker of a run of Ray Train does so.

    The journal remembers setbacks, so a run that is killed goes on as if it had not been.

    Args:
        folder: Holds the run's checkpoints.

    Raises:
        Diverged: it did so before its first epoch had ended, again and again.
    """
    from models.checkpoint import epochs_done, newest_checkpoint
    from models.training.divergence import Diverged

    while True:
        # All go on from the same epoch in the same way, whatever becomes visible to the others meanwhile.
        setbacks = of_rank_zero(len(read_setbacks(journal)))
        newest = of_rank_zero(str(newest_checkpoint(folder) or ""))
        if setbacks > MOST_SETBACKS:
            return
        try:
            return attempt(after_setbacks(training, setbacks), Path(newest) if newest else None)
        except Diverged as error:
            good = of_rank_zero(str(newest_checkpoint(folder) or ""))
            ends = setbacks == MOST_SETBACKS
            if ends and not good:
                raise
            if rank == 0:
                rate = None if ends else after_setbacks(training, setbacks + 1).learning_rate
                note(journal, Setback(str(error), epochs_done(Path(good)) if good else 0, rate))
