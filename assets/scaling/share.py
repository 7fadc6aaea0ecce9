"""A training set with a share of another one's users; all else, what versions are asked included, is the same."""

import shutil
from pathlib import Path

import numpy as np

from assets.training.dataset import READ_BY_TRAINER, read_dataset
from assets.training.interaction_files import save_interactions
from models.config.training import TrainingConfig

HISTORIES = "histories"


def share_of(dataset: Path, fraction: float, folder: Path) -> Path:
    """The folder of a training set with `fraction` of the users of `dataset`; smaller ones are parts of larger ones.

    Args:
        dataset: Folder of the whole set, to whose files those of the share link.
        folder: Where it is made, unless it is there.
    """
    if fraction == 1.0:
        return dataset
    if folder.exists():
        return folder
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in dataset.iterdir():
        if not file.name.startswith(f"{HISTORIES}."):
            (partial / file.name).symlink_to(file.absolute())
    histories = read_dataset(dataset).histories
    learned = np.flatnonzero(histories.lengths > 1)  # Nothing is learned of who chose once.
    drawn = np.random.default_rng(0).permutation(learned)[: max(1, round(fraction * len(learned)))]
    save_interactions(partial, HISTORIES, histories.take(np.sort(drawn)), READ_BY_TRAINER)
    partial.rename(folder)
    return folder


def batches_of(dataset: Path, training: TrainingConfig, max_length: int) -> float:
    """How many full batches an epoch of a training set has; one worker takes as many steps, rounded up."""
    lengths = read_dataset(dataset).histories.lengths
    learned = np.minimum(lengths[lengths > 1] - 1, max_length)
    tokens = training.tokens_per_step
    return float(learned.sum() / tokens if tokens else len(learned) / training.batch_size)
