"""Negatives of two kinds: how often each is drawn is what `expected` says, and nobody gets their own."""

import torch

from models.config.losses import InteractionLossConfig
from models.samplers.mixed import MixedNegatives

TRAINED = torch.arange(1, 31)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Items that are the more frequent the smaller they are, of 40 users."""
    generator = torch.Generator().manual_seed(1)
    share = 1.0 / torch.arange(1, 21)
    items = 1 + torch.multinomial(share, 400, replacement=True, generator=generator)
    return items, torch.arange(400) % 40


def test_expected_is_how_often_each_item_is_among_the_draws() -> None:
    items, users = batch()
    sampler = MixedNegatives(InteractionLossConfig(in_batch=200, uniform=100)).train()
    generator = torch.Generator().manual_seed(0)
    drawn, expected, rounds = torch.zeros(31), torch.zeros(31), 400
    for _ in range(rounds):
        draw = sampler.draw(items, users, TRAINED, generator)
        assert draw.draws == 300
        # By a user whose own positions are counted out, that is 1 of 40 of what comes from the batch.
        drawn[draw.items] += draw.counts.mean(0)
        expected[draw.items] = draw.expected
    drawn /= rounds
    frequency = torch.bincount(items, minlength=31) / 400
    exact = 200 * frequency + 100 / 30
    torch.testing.assert_close(expected[1:], exact[1:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(drawn[1:], (200 * frequency * 39 / 40 + 100 / 30)[1:], rtol=0.1, atol=0.3)


def test_what_comes_from_ones_own_positions_is_no_negative() -> None:
    items, users = torch.tensor([1, 2, 3, 4]), torch.tensor([7, 7, 9, 9])
    sampler = MixedNegatives(InteractionLossConfig(in_batch=50, uniform=0)).train()
    draw = sampler.draw(items, users, TRAINED, torch.Generator().manual_seed(0))
    counts = draw.counts[draw.owner]
    for position, item in enumerate(draw.items.tolist()):
        mine = {1: (0, 1), 2: (0, 1), 3: (2, 3), 4: (2, 3)}[item]
        for row in range(4):
            assert (counts[row, position] == 0) == (row in mine)
    assert draw.items[draw.own].tolist() == [1, 2, 3, 4]
    assert sampler.draw(items[:1], users[:1], TRAINED, torch.Generator().manual_seed(0)).counts.sum() == 0


def test_it_learns_frequencies_in_training_alone() -> None:
    items, users = batch()
    sampler = MixedNegatives(InteractionLossConfig()).eval()
    draw = sampler.draw(items, users, TRAINED, torch.Generator().manual_seed(0))
    assert sampler.sketch.total == 0
    here = torch.bincount(items, minlength=31)[draw.items] / 400
    torch.testing.assert_close(draw.expected, 512 * here + 512 / 30)
