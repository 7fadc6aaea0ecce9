"""One training run with readings of its quality, kept on disk so that a run that was cut off goes on."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import torch
from torch import nn

from benchmarks.figures import Report
from benchmarks.leave_one_out import means, ranks
from benchmarks.movielens import HeldOut
from benchmarks.recipes import Recipe
from models.checkpoint import epochs_done, newest_checkpoint, next_checkpoint
from models.families.registry import build
from models.recommender import Recommender
from models.strict import Strict
from models.training.early_stopping import StopTraining
from models.training.loop import EpochReport, Worker, fit

READINGS = "readings.jsonl"
SELECTION = "ndcg@10"


@dataclass(frozen=True)
class Reading:
    """The quality after an epoch.

    Attributes:
        epoch: Epochs done.
        loss: Mean loss of the last of them.
        training_seconds: Spent in training since the first epoch, evaluation not counted.
        figures: Metric name to its mean over users.
    """

    epoch: int
    loss: float
    training_seconds: float
    figures: dict[str, float]


def untrained(recipe: Recipe, items: int, seed: int) -> Recommender:
    """The recipe's model over `items` items, initialised by `seed`."""
    torch.manual_seed(seed)
    model: Recommender = build(recipe.model, items)
    return model


def readings(
    recipe: Recipe,
    seed: int,
    held_out: HeldOut,
    folder: Path,
    say: Report,
    device: str = "cpu",
    enough: Callable[[Reading], bool] = lambda reading: False,
) -> list[Reading]:
    """Trains by `recipe` and reads the quality every `evaluate_every` epochs and after the last.

    Args:
        folder: Belongs to this run alone; what it holds of an earlier, interrupted try is gone on from.
        enough: Ends the run early.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = newest_checkpoint(folder)
    done = epochs_done(checkpoint) if checkpoint else 0
    taken = [reading for reading in _read(folder) if reading.epoch <= done]
    (folder / READINGS).write_text("".join(_line(reading) for reading in taken))
    config = recipe.training.model_copy(update={"seed": seed})
    if done == config.epochs or (taken and enough(taken[-1])):
        return taken
    trained = taken[-1].training_seconds if taken else 0.0

    def on_epoch(report: EpochReport, task: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        nonlocal trained
        trained += report.seconds
        if report.epoch % recipe.evaluate_every and report.epoch != report.epochs:
            return
        started = perf_counter()
        reading = Reading(report.epoch, report.loss, trained, means(ranks(recommender, held_out)))
        taken.append(reading)
        with (folder / READINGS).open("a") as file:
            file.write(_line(reading))
        next_checkpoint(folder, task, optimizer, report.epoch)
        say(_progress(report, reading, perf_counter() - started))
        if enough(reading):
            raise StopTraining

    recommender = untrained(recipe, held_out.items, seed)
    fit(recommender, held_out.histories, config, Worker(device=device), on_epoch, checkpoint)
    return taken


def fingerprint(recipe: Strict, held_out: HeldOut) -> str:
    """A short name of what decides the figures: recipe and data. It knows nothing of the code."""
    digest = hashlib.sha256(recipe.model_dump_json().encode())
    for array in (held_out.histories.item_index, held_out.histories.timestamps, held_out.targets):
        digest.update(array.tobytes())
    return digest.hexdigest()[:12]


def best(taken: Sequence[Reading]) -> Reading:
    """The reading with the highest NDCG@10, the earliest of equal ones."""
    return max(taken, key=lambda reading: reading.figures[SELECTION])


def _progress(report: EpochReport, reading: Reading, evaluation_seconds: float) -> str:
    figures = reading.figures
    return (
        f"epoch {report.epoch}/{report.epochs}: loss {report.loss:.4f}, "
        f"{report.tokens / report.seconds:,.0f} tokens/s, "
        f"HR@10 {figures['hr@10']:.4f}, NDCG@10 {figures['ndcg@10']:.4f} (read in {evaluation_seconds:.1f} s)"
    )


def _line(reading: Reading) -> str:
    return json.dumps(asdict(reading)) + "\n"


def _read(folder: Path) -> list[Reading]:
    path = folder / READINGS
    return [Reading(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []
