"""Shares of a training set: fewer users, and nothing else."""

from pathlib import Path

import numpy as np

from assets.scaling.share import share_of
from assets.scaling.sweep import FRACTION, SEED, SIZE, job_of
from assets.training.dataset import read_dataset, read_held_out
from models.next_items import NextItemExamples
from models.packing import pack
from tests.assets.scaling.worlds import planned


def test_a_share_has_fewer_users_and_is_part_of_a_larger_one(tmp_path: Path) -> None:
    whole = Path(planned(tmp_path).job.dataset)
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


def test_a_share_takes_as_many_steps_as_the_whole_however_its_users_fill_the_batches(tmp_path: Path) -> None:
    plan = planned(tmp_path, fractions=(1.0, 0.7, 0.4), batch_size=50)
    steps = {}
    for fraction in plan.settings.fractions:
        job = job_of({SIZE: 0, FRACTION: fraction, SEED: 0}, plan)
        examples = NextItemExamples(read_dataset(Path(job.dataset)).histories, job.model.max_length, job.training)
        an_epoch = len(pack(examples.epoch(0).lengths, job.training, 1, 0))
        steps[fraction] = an_epoch, job.training.epochs * an_epoch
    assert [an_epoch for an_epoch, _ in steps.values()] == [4, 3, 2]
    assert {every for _, every in steps.values()} == {48}
