"""The loss is InfoNCE over what a pair may be told from."""

import math

import open_clip
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assets.content.contrastive import against_guessing


def vectors(n: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, 5, generator=torch.Generator().manual_seed(seed)), dim=-1)


def told_again(images: torch.Tensor, texts: torch.Tensor, family: list[int], scale: float) -> float:
    """The definition, pair by pair."""
    losses = []
    for one, other in ((images, texts), (texts, images)):
        for row in range(len(family)):
            rivals = [row] + [i for i in range(len(family)) if family[i] != family[row]]
            scores = [math.exp(scale * float(one[row] @ other[i])) for i in rivals]
            losses.append(-math.log(scores[0] / sum(scores)) - math.log(len(rivals)))
    return sum(losses) / len(losses)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(0, 99), st.floats(1, 30))
def test_pairs_of_one_family_are_no_negatives_of_each_other(family: list[int], seed: int, scale: float) -> None:
    images, texts = vectors(len(family), seed), vectors(len(family), seed + 100)
    loss = against_guessing(images, texts, torch.tensor(family), torch.tensor(scale))
    assert float(loss) == pytest.approx(told_again(images, texts, family, scale), abs=1e-4)


def test_without_families_it_is_the_loss_of_clip() -> None:
    images, texts, scale = vectors(9, 1), vectors(9, 2), torch.tensor(14.0)
    expected = open_clip.ClipLoss()(images, texts, scale) - math.log(9)
    torch.testing.assert_close(against_guessing(images, texts, torch.arange(9), scale), expected)


def test_a_batch_of_one_family_teaches_nothing() -> None:
    images = vectors(6, 1).requires_grad_()
    loss = against_guessing(images, vectors(6, 2), torch.zeros(6, dtype=torch.int64), torch.tensor(14.0))
    loss.backward()
    assert loss.item() == 0
    assert images.grad is not None
    assert torch.equal(images.grad, torch.zeros_like(images))
