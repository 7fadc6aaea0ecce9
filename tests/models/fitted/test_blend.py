"""A blend spreads one probability over what a user has not had, and leaves alone what item-kNN knows nothing of."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.fitted.blend import had_by, mixed
from models.interactions import Interactions

USERS, ITEMS = 3, 8
WEIGHTS = st.sampled_from([0.0, 0.1, 0.5, 0.9])


@st.composite
def parts(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, similarities, what users had and which items have neighbours; index 0 is no item."""
    torch.manual_seed(draw(st.integers(0, 10_000)))
    shape = (USERS, ITEMS + 1)
    logits = torch.randn(shape) * draw(st.sampled_from([0.0, 1.0, 1e2]))
    similarities = torch.where(torch.rand(shape) < draw(st.floats(0, 1)), torch.rand(shape), -torch.rand(shape))
    had = torch.rand(shape) < draw(st.sampled_from([0.0, 0.4, 1.0]))
    related = torch.rand(ITEMS + 1) < draw(st.sampled_from([0.0, 0.6, 1.0]))
    unknown = torch.rand(ITEMS + 1) < draw(st.sampled_from([0.0, 0.3]))
    unknown[0] = True
    logits[:, unknown] = similarities[:, unknown] = -torch.inf
    return logits, similarities, had, related


@given(parts(), WEIGHTS)
def test_what_can_come_next_has_one_probability_in_all(given: tuple[Tensor, ...], weight: float) -> None:
    logits, similarities, had, related = given
    scores = mixed(logits, similarities, had, related, weight)
    assert not scores.isnan().any()
    assert torch.equal(scores.isneginf(), logits.isneginf())
    open_to = logits.isfinite() & ~had
    sums = torch.where(open_to, scores.exp(), 0).sum(1)
    assert torch.allclose(sums[open_to.any(1)], torch.ones(()), atol=1e-4)


@given(parts(), WEIGHTS)
def test_an_item_that_item_knn_cannot_know_keeps_its_probability(given: tuple[Tensor, ...], weight: float) -> None:
    logits, similarities, had, related = given
    alone = mixed(logits, similarities, had, related, 0.0)
    assert torch.allclose(mixed(logits, similarities, had, related, weight)[:, ~related], alone[:, ~related])


def test_the_weight_is_that_of_the_neighbours_share() -> None:
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, 0.0, 0.0]])
    similarities = torch.tensor([[-torch.inf, 0.0, 3.0, 1.0, -1.0]])
    had, related = torch.zeros(1, 5, dtype=torch.bool), torch.ones(5, dtype=torch.bool)
    had[0, 1] = True
    scores = mixed(logits, similarities, had, related, 0.4).exp()
    assert torch.allclose(scores[0, 2:], torch.tensor([0.6 / 3 + 0.4 * 0.75, 0.6 / 3 + 0.4 * 0.25, 0.6 / 3]))
    assert 0 < scores[0, 1] < scores[0, 2], "what the user had keeps a place, for whom asks for it again"


def test_whom_item_knn_says_nothing_of_has_the_recommender_alone() -> None:
    logits, nothing = torch.randn(2, 5), torch.full((2, 5), -0.1)
    related, had = torch.ones(5, dtype=torch.bool), torch.zeros(2, 5, dtype=torch.bool)
    assert torch.allclose(mixed(logits, nothing, had, related, 0.8), logits.log_softmax(1))


def test_the_items_of_each_history_are_had() -> None:
    had = had_by(Interactions.of([([1, 3, 3], [0, 1, 2]), ([], []), ([2], [0])]), 3)
    assert [np.flatnonzero(row).tolist() for row in had.numpy()] == [[1, 3], [], [2]]
