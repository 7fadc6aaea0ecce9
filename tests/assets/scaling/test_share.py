"""Shares of a training set: fewer users, and nothing else."""

from pathlib import Path

import numpy as np

from assets.scaling.share import share_of
from assets.splits.settings import EvaluationSettings
from assets.training.dataset import read_dataset, read_held_out
from assets.training.settings import TrainingSettings
from assets.training.training_set import TrainingSetSettings, make_training_set
from assets.versions import DATASETS
from models.auto import read_section
from storage.lake import Lake
from tests.assets.scaling.worlds import EVALUATION, TRAINING, write_world


def test_a_share_has_fewer_users_and_is_part_of_a_larger_one(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    write_world(lake)
    training, evaluation = read_section(TrainingSettings, TRAINING), read_section(EvaluationSettings, EVALUATION)
    record = make_training_set(lake, TrainingSetSettings.of(training, evaluation))
    whole = lake.folder(DATASETS) / record.name
    half, quarter = (share_of(whole, share, tmp_path / "shares" / f"{share}") for share in (0.5, 0.25))
    assert share_of(whole, 1.0, tmp_path / "never") == whole
    walks = [
        {tuple(walk) for walk in np.split(histories.item_index, histories.offsets[1:-1])}
        for histories in (read_dataset(folder).histories for folder in (whole, half, quarter))
    ]
    assert walks[2] < walks[1] < walks[0]
    users = [len(read_dataset(folder).histories) for folder in (whole, half, quarter)]
    assert users == [160, 80, 40]
    assert len(read_dataset(half).vocabulary) == len(read_dataset(whole).vocabulary)
    asked, of_whole = (read_held_out(folder).cases["leave_one_out"] for folder in (half, whole))
    np.testing.assert_array_equal(asked.targets, of_whole.targets)
    np.testing.assert_array_equal(read_dataset(half).validation_targets, read_dataset(whole).validation_targets)
    before = read_dataset(half).histories.item_index
    assert share_of(whole, 0.5, half) == half
    np.testing.assert_array_equal(read_dataset(half).histories.item_index, before)
