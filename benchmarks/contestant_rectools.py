"""RecTools' side of the training benchmark: `python contestant_rectools.py JOB`, a file of JSON.

It runs in RecTools' own environment, where nothing of this project can be imported. Their HSTUModel, their data
loader and their Lightning trainer; only the callback that waits between epochs is ours.
"""

import json
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pytorch_lightning import Callback, LightningModule, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import HSTUModel
from rectools.models.nn.item_net import IdEmbeddingsItemNet

ANSWERS = os.fdopen(os.dup(1), "w")
# Whatever a library prints must not stand between the answers.
os.dup2(2, 1)


class Waiting(Callback):  # type: ignore[misc]
    """Counts the positions that are trained (the padding is not), and waits for a line after each epoch."""

    def __init__(self) -> None:
        self.tokens = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        wait({"ready": 1})

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.tokens += int((batch["y"] != 0).sum())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        tokens, self.tokens = self.tokens, 0
        wait({"tokens": tokens})


def wait(answer: dict[str, int]) -> None:
    print(json.dumps(answer), file=ANSWERS, flush=True)
    if not sys.stdin.readline():
        raise SystemExit


def trainer() -> Trainer:
    return Trainer(
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Waiting()],
    )


def main(job: Path) -> None:
    said = json.loads(job.read_text())
    model = HSTUModel(
        **said["model"],
        loss="sampled_softmax",
        item_net_block_types=(IdEmbeddingsItemNet,),
        lightning_module_kwargs={"logits_t": said["temperature"]},
        get_trainer_func=trainer,
    )
    model.fit(Dataset.construct(interactions(Path(said["histories"]))))


def interactions(path: Path) -> pd.DataFrame:
    with np.load(path) as arrays:
        users = np.repeat(np.arange(len(arrays["offsets"]) - 1), np.diff(arrays["offsets"]))
        times = pd.to_datetime(arrays["timestamps"], unit="ms")
        columns = {Columns.User: users, Columns.Item: arrays["rows"], Columns.Datetime: times, Columns.Weight: 1.0}
        return pd.DataFrame(columns)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    main(Path(sys.argv[1]))
