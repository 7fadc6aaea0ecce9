"""Our side of the training benchmark: `python -m benchmarks.contestant_genrec JOB`, a file of JSON."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.recipes import Recipe
from benchmarks.training_run import untrained
from models.columns import ITEM_INDEX, TIMESTAMP
from models.interactions import Interactions
from models.training.loop import EpochReport, fit

ENDLESS = 1_000_000
"""Epochs: the parent ends the process."""


def main(job: Path) -> None:
    """Trains by the job's recipe over its users; after each epoch says how many tokens, and waits for a line."""
    said = json.loads(job.read_text())
    recipe = Recipe.model_validate(said["recipe"])
    with np.load(said["histories"]) as arrays:
        histories = Interactions(arrays["offsets"], {ITEM_INDEX: arrays["item_index"], TIMESTAMP: arrays["timestamps"]})
    config = recipe.training.model_copy(update={"epochs": ENDLESS})
    answers = os.fdopen(os.dup(1), "w")
    # Whatever a library prints must not stand between the answers.
    os.dup2(2, 1)

    def wait(answer: dict[str, int]) -> None:
        print(json.dumps(answer), file=answers, flush=True)
        if not sys.stdin.readline():
            raise SystemExit

    def on_epoch(report: EpochReport, task: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        wait({"tokens": report.tokens})

    wait({"ready": 1})
    fit(untrained(recipe, said["items"], seed=0), histories, config, on_epoch=on_epoch)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
