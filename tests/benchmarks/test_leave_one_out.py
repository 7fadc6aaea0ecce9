from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.leave_one_out import means, ranks
from benchmarks.movielens import HeldOut
from models.batch import JaggedBatch
from models.config.model import ModelConfig
from models.heads.retrieval import RetrievalHead
from models.interactions import Interactions
from models.recommender import Recommender


class Fixed(nn.Module):
    """A recommender of known scores: item i lies at angle i * pi / 16, every user at angle 0, so row 1 comes first."""

    def __init__(self, max_length: int, state: float = 1.0) -> None:
        super().__init__()
        self.config = ModelConfig(width=2, max_length=max_length)
        self.state = state
        self.head = RetrievalHead()

    def queries(self, batch: JaggedBatch) -> Tensor:
        return torch.tensor([[self.state, 0.0]]).expand(len(batch.offsets) - 1, 2)

    def retrieval_vectors(self, count: int) -> Tensor:
        angles = torch.arange(count + 1) * torch.pi / 16
        return torch.stack([angles.cos(), angles.sin()], dim=1)


def fixed(max_length: int, state: float = 1.0) -> Recommender:
    return cast(Recommender, Fixed(max_length, state))


def held_out(histories: list[list[int]], targets: list[int], items: int = 12) -> HeldOut:
    packed = Interactions.of([(rows, list(range(len(rows)))) for rows in histories])
    return HeldOut(packed, np.array(targets), np.full(len(targets), 100), items)


def test_only_the_window_of_the_history_is_no_candidate() -> None:
    # Of three items read, the oldest lies outside a window of two and stays a rival of the target.
    asked = held_out([[1, 2, 3], [1, 2, 3], [9]], [4, 5, 1])
    np.testing.assert_array_equal(ranks(fixed(max_length=2), asked), [2, 3, 1])
    np.testing.assert_array_equal(ranks(fixed(max_length=3), asked), [1, 2, 1])


def test_a_target_within_the_history_is_in_no_list() -> None:
    np.testing.assert_array_equal(ranks(fixed(max_length=3), held_out([[4, 5]], [4])), [2501])


def test_equal_scores_stand_before_the_target() -> None:
    np.testing.assert_array_equal(ranks(fixed(max_length=3, state=0.0), held_out([[4, 5]], [1])), [10])


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(FloatingPointError, match="not a finite number"):
        ranks(fixed(max_length=3, state=float("nan")), held_out([[4]], [1]))


def test_the_module_keeps_its_mode() -> None:
    model = fixed(max_length=3).train()
    ranks(model, held_out([[4]], [1]))
    assert model.training


def test_figures_of_known_ranks() -> None:
    figures = means(np.array([1, 10, 11, 2501]))
    assert figures["hr@1"] == 1 / 4
    assert figures["hr@10"] == 2 / 4
    assert figures["hr@50"] == 3 / 4
    assert figures["ndcg@10"] == pytest.approx((1 + 0.28906) / 4, abs=1e-5)
    assert figures["mrr"] == pytest.approx((1 + 1 / 10 + 1 / 11 + 1 / 2501) / 4)
