import numpy as np
import pytest
import torch

from models.config import HstuConfig, ModelConfig
from models.evaluation.next_item_ndcg import next_item_ndcg
from models.history import Histories
from models.recommender import Recommender


def test_a_user_without_known_items_is_a_miss_and_nobody_elses_answer() -> None:
    torch.manual_seed(0)
    model = Recommender(ModelConfig(width=8, backbone=HstuConfig(layers=1, heads=1, head_dim=8)), 30)
    asked = Histories.of([([], []), ([3], [0]), ([0, 0], [0, 1])])
    alone = next_item_ndcg(model, asked.take(np.array([1])), np.array([5]), np.array([9]), k=29)
    together = next_item_ndcg(model, asked, np.array([5, 5, 5]), np.full(3, 9), k=29)
    assert alone > 0
    assert together == pytest.approx(alone / 3)
