"""RecTools' side of the benchmark of defaults: `python contestant_sasrec.py JOB`, a file of JSON.

It runs in RecTools' own environment, where nothing of this project can be imported. Their SASRecModel as it comes, but
for the seed: it is fitted on the training interactions and lists items for the users of every protocol.
"""

import json
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel


def main(job: Path) -> None:
    said = json.loads(job.read_text())
    folder = Path(said["folder"])
    torch.set_num_threads(said["threads"])
    seed_everything(said["seed"], verbose=0)
    training = interactions(folder / "training.npz")
    model = SASRecModel(deterministic=True)
    model.fit(Dataset.construct(training))
    known = set(training[Columns.Item])
    for protocol in said["protocols"]:
        histories = interactions(folder / f"{protocol}.npz")
        histories = histories[histories[Columns.Item].isin(known)]
        users = histories[Columns.User].unique()
        lists = model.recommend(
            users,
            Dataset.construct(histories),
            k=said["k"],
            filter_viewed=not said["repeats"],
            on_unsupported_targets="ignore",
        )
        np.savez(
            folder / f"{protocol}.lists.npz",
            users=lists[Columns.User].to_numpy(),
            items=lists[Columns.Item].to_numpy(),
            ranks=lists[Columns.Rank].to_numpy(),
        )


def interactions(path: Path) -> pd.DataFrame:
    with np.load(path) as arrays:
        users = np.repeat(np.arange(len(arrays["offsets"]) - 1), np.diff(arrays["offsets"]))
        times = pd.to_datetime(arrays["timestamps"], unit="ms")
        columns = {Columns.User: users, Columns.Item: arrays["items"], Columns.Datetime: times, Columns.Weight: 1.0}
        return pd.DataFrame(columns)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    main(Path(sys.argv[1]))
