from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.batch import training_batch
from models.config.training import StochasticLengthConfig
from models.interactions import Interactions
from models.stochastic_length import StochasticLength, keep_probability, sparsity, threshold

Selection = Literal["greedy", "random", "recency"]
SELECTIONS = get_args(Selection)
HOUR = 3_600_000


def shortening(
    max_length: int, alpha: float = 1.6, selection: Selection = "recency", seed: int = 0, epoch: int = 0
) -> StochasticLength:
    return StochasticLength(StochasticLengthConfig(alpha=alpha, selection=selection), max_length, seed, epoch)


def offsets_of(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)])


@pytest.mark.parametrize(
    ("max_length", "thresholds"),
    [
        (1024, [256, 362, 512, 724]),
        (2048, [445, 652, 955, 1398]),
        (4096, [776, 1176, 1782, 2702]),
        (8192, [1351, 2120, 3326, 5220]),
    ],
)
def test_thresholds_as_published(max_length: int, thresholds: list[int]) -> None:
    assert [threshold(max_length, alpha) for alpha in (1.6, 1.7, 1.8, 1.9)] == thresholds


def test_keep_probabilities_as_published() -> None:
    kept = keep_probability(np.array([4096, 2048, 1024, 776, 1]), 4096, 1.6)
    np.testing.assert_allclose(kept, [0.0359, 0.1436, 0.574, 1, 1], atol=5e-4)


@pytest.mark.parametrize(("length", "probability"), [(64, 64**-0.4), (40, 64**1.6 / 1600), (27, 1.0)])
def test_mean_length_is_as_expected(length: int, probability: float) -> None:
    users = np.arange(20_000)
    kept = shortening(64).kept_lengths(users, np.full(20_000, length))
    assert set(kept) <= {27, length}
    expected = probability * length + (1 - probability) * 27
    deviation = (length - 27) * np.sqrt(probability * (1 - probability) / 20_000)
    assert abs(kept.mean() - expected) <= 3 * deviation


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    selection=st.sampled_from(SELECTIONS),
    seed=st.integers(0, 99),
    step=st.sampled_from([0, HOUR]),
)
def test_as_many_remain_as_said_and_the_last_is_among_them(
    lengths: list[int], selection: Selection, seed: int, step: int
) -> None:
    users, offsets = np.arange(len(lengths)), offsets_of(np.array(lengths))
    times = np.concatenate([step * np.arange(length) for length in lengths])
    chooser = shortening(12, selection=selection, seed=seed)
    kept = chooser.kept(users, offsets, times)
    assert len(kept) == sum(lengths)
    counts = [kept[start:end].sum() for start, end in pairwise(offsets)]
    assert counts == chooser.kept_lengths(users, np.array(lengths)).tolist()
    assert all(kept[end - 1] for end, length in zip(offsets[1:], lengths, strict=True) if length)


def test_greedy_keeps_the_most_recent() -> None:
    chooser = shortening(16, selection="greedy")
    users = np.arange(40)
    kept = chooser.kept(users, offsets_of(np.full(40, 16)), np.tile(np.arange(16), 40)).reshape(40, 16)
    shortened = kept.sum(1) < 16
    assert shortened.any()
    assert (kept[shortened] == (np.arange(16) >= 16 - 9)).all()


def inclusion(selection: Selection, times: list[int], users: int = 20_000) -> np.ndarray:
    """How often each token but the last remains in shortened histories of four of which two remain."""
    # 4^(1.0002 / 2) is a little over 2, and a history of four stays whole once in four times.
    chooser = shortening(4, alpha=1.0002, selection=selection)
    numbers = np.arange(users)
    kept = chooser.kept(numbers, offsets_of(np.full(users, 4)), np.tile(times, users)).reshape(users, 4)
    kept = kept[kept.sum(1) == 2]
    assert len(kept) > users / 2
    return kept[:, :3].mean(0)


def test_random_selection_gives_every_token_but_the_last_the_same_chance() -> None:
    np.testing.assert_allclose(inclusion("random", [0, 1, 2, 9]), [1 / 3, 1 / 3, 1 / 3], atol=0.015)


def test_recency_weights_are_those_of_the_paper() -> None:
    # f = 6, 3, 1, sum 10: weights .4, .7, .9, and one of the three is drawn beside the last.
    np.testing.assert_allclose(inclusion("recency", [0, 3, 5, 6]), [0.4 / 2, 0.7 / 2, 0.9 / 2], atol=0.015)
    # One that carries the whole sum has weight 0.
    np.testing.assert_allclose(inclusion("recency", [0, 6, 6, 6]), [0, 1 / 2, 1 / 2], atol=0.015)
    np.testing.assert_allclose(inclusion("recency", [6, 6, 6, 6]), [1 / 3, 1 / 3, 1 / 3], atol=0.015)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_the_choice_hangs_on_seed_epoch_and_user_alone(selection: Selection) -> None:
    lengths, times = np.full(30, 20), np.tile(np.arange(20) * HOUR, 30)
    users = np.arange(30)
    together = shortening(20, selection=selection).kept(users, offsets_of(lengths), times).reshape(30, 20)
    reverse = shortening(20, selection=selection).kept(users[::-1], offsets_of(lengths), times).reshape(30, 20)
    assert (together == reverse[::-1]).all()
    for other in (shortening(20, selection=selection, seed=1), shortening(20, selection=selection, epoch=1)):
        assert (together != other.kept(users, offsets_of(lengths), times).reshape(30, 20)).any()
    if selection != "greedy":
        assert len({row.tobytes() for row in together}) > 5


def test_alpha_two_is_the_identity() -> None:
    lengths = np.array([1, 500, 1024])
    assert (shortening(1024, alpha=2).kept_lengths(np.arange(3), lengths) == lengths).all()
    inputs, labels = Interactions.of([([1, 2], [0, 1])]), Interactions.of([([2, 3], [1, 2])])
    assert shortening(8, alpha=2).shorten(inputs, labels, np.arange(1)) == (inputs, labels)


def test_what_stays_in_a_batch_still_predicts_what_came_next() -> None:
    length, users = 33, np.array([4, 1])
    histories = Interactions.of([(list(range(1, 34)), [HOUR * place for place in range(length)])] * 5)
    chosen = shortening(32, alpha=1.2, selection="random")
    shorter, fewer = training_batch(histories, users, 32, shortening=chosen)
    assert shorter.longest == 8
    assert shorter.offsets.tolist() == [0, 8, 16]
    assert torch.equal(fewer.item_index, shorter.item_index + 1)
    assert torch.equal(shorter.next_timestamps, shorter.timestamps + HOUR)
    assert torch.equal(shorter.timestamps, (shorter.item_index - 1) * HOUR)
    assert fewer.item_index[[7, 15]].tolist() == [33, 33]
    for part in (shorter.item_index[:8], shorter.item_index[8:]):
        assert (part.diff() > 0).all()


def test_sparsity_as_defined() -> None:
    assert sparsity(np.array([2, 2, 8]), np.array([10, 2, 16])) == 1 - 4 / 16
