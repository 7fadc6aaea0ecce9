"""Sliding windows: which part of a long history an epoch trains on."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.batch import training_batch
from models.config.training import TrainingConfig, WindowsConfig
from models.interactions import Interactions
from models.training.loop import fit
from models.windows import Windows
from tests.models.training.test_loop import TRAINING, recommender

SLIDING = WindowsConfig(sampling="sliding", latest_share=0)
lengths_of_users = st.lists(st.integers(2, 30), min_size=1, max_size=8)


def windows(config: WindowsConfig = SLIDING, epoch: int = 0, epochs: int = 10, seed: int = 0) -> Windows:
    return Windows(config, max_length=4, seed=seed, epoch=epoch, epochs=epochs)


def histories(lengths: list[int]) -> Interactions:
    """User u has the rows 100 u + 1, 100 u + 2, ..."""
    users = [(range(100 * user + 1, 100 * user + length + 1), range(length)) for user, length in enumerate(lengths)]
    return Interactions.of([(list(rows), list(times)) for rows, times in users])


@settings(max_examples=60, deadline=None)
@given(lengths=lengths_of_users, epoch=st.integers(0, 9), seed=st.integers(0, 99))
def test_a_window_is_one_stretch_of_one_user_and_as_long_as_the_model_reads(
    lengths: list[int], epoch: int, seed: int
) -> None:
    users = np.arange(len(lengths))
    skipped = windows(epoch=epoch, seed=seed).skipped(users, np.array(lengths))
    batch, labels = training_batch(histories(lengths), users, 4, skipped)
    assert batch.offsets.diff().tolist() == [min(length - 1, 4) for length in lengths]
    assert torch.equal(labels.item_index, batch.item_index + 1)
    owners = torch.repeat_interleave(torch.arange(len(lengths)), batch.offsets.diff())
    assert torch.equal(batch.item_index // 100, owners)
    assert torch.equal(labels.item_index // 100, owners)


@pytest.mark.parametrize("length", [2, 5, 6, 11])
def test_every_window_is_as_likely_as_any_other_and_together_they_cover_the_history(length: int) -> None:
    users = np.arange(20_000)
    skipped = windows().skipped(users, np.full(20_000, length))
    positions = max(length - 5, 0) + 1
    counts = np.bincount(skipped, minlength=positions)
    assert len(counts) == positions
    assert abs(counts / 20_000 - 1 / positions).max() < 0.02
    seen = {place for late in range(positions) for place in range(length - late - min(length, 5), length - late)}
    assert seen == set(range(length))


@settings(max_examples=60, deadline=None)
@given(lengths=lengths_of_users, epoch=st.integers(0, 9))
def test_latest_epochs_read_what_they_read_without_windows(lengths: list[int], epoch: int) -> None:
    users = np.arange(len(lengths))
    for config in (WindowsConfig(), WindowsConfig(sampling="sliding", latest_share=1)):
        skipped = windows(config, epoch).skipped(users, np.array(lengths))
        batch, labels = training_batch(histories(lengths), users, 4, skipped)
        today, labels_today = training_batch(histories(lengths), users, 4)
        assert torch.equal(batch.item_index, today.item_index)
        assert torch.equal(batch.next_timestamps, today.next_timestamps)
        assert torch.equal(labels.item_index, labels_today.item_index)


@given(epochs=st.integers(1, 40), share=st.sampled_from([0, 0.1, 0.25, 0.5, 0.9, 1]))
def test_of_n_epochs_x_keep_to_the_latest_window_and_the_last_is_among_them(epochs: int, share: float) -> None:
    config = WindowsConfig(sampling="sliding", latest_share=share)
    slides = [windows(config, epoch, epochs).slides for epoch in range(epochs)]
    latest = round(share * epochs)
    assert slides.count(False) == latest
    assert slides[-1] == (latest == 0)
    assert slides[0] == (latest < epochs)


def test_the_choice_hangs_on_seed_epoch_and_user_alone() -> None:
    users, lengths = np.arange(50), np.full(50, 30)
    chosen = windows().skipped(users, lengths)
    assert (windows().skipped(users[::-1], lengths) == chosen[::-1]).all()
    assert (windows().skipped(users[7:9], lengths[7:9]) == chosen[7:9]).all()
    assert len(set(chosen.tolist())) > 10
    for other in (windows(seed=1), windows(epoch=1)):
        assert (other.skipped(users, lengths) != chosen).any()


def trained(config: TrainingConfig) -> dict[str, torch.Tensor]:
    """A run on users of twelve interactions, of which the model reads eight."""
    walks = Interactions.of(
        [([(user + 3 * step) % 30 + 1 for step in range(12)], list(range(12))) for user in range(32)]
    )
    return dict(fit(recommender(), walks, config).state_dict())


def test_training_slides_where_it_is_told_to_and_only_there() -> None:
    plain = trained(TRAINING)
    latest = trained(TRAINING.model_copy(update={"windows": WindowsConfig(sampling="sliding", latest_share=1)}))
    sliding = trained(TRAINING.model_copy(update={"windows": SLIDING}))
    assert all(torch.equal(value, latest[name]) for name, value in plain.items())
    assert any(not torch.equal(value, sliding[name]) for name, value in plain.items())
