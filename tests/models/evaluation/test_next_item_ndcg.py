import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as F

from models.batch import request_batch
from models.config.model import HstuConfig, ModelConfig
from models.evaluation.cases import EvaluationCases
from models.evaluation.metrics import per_user
from models.evaluation.next_item_ndcg import next_item_ndcg
from models.evaluation.ranking import rank
from models.evaluation.scorer import Catalogue
from models.families.registry import build
from models.interactions import Interactions
from models.jagged import last_tokens


def test_a_user_without_known_items_is_a_miss_and_nobody_elses_answer() -> None:
    torch.manual_seed(0)
    model = build(ModelConfig(width=8, backbone=HstuConfig(layers=1, heads=1, head_dim=8)), 30)
    asked = Interactions.of([([], []), ([3], [0]), ([0, 0], [0, 1])])
    alone = next_item_ndcg(model, asked.take(np.array([1])), np.array([5]), np.array([9]), k=29)
    together = next_item_ndcg(model, asked, np.array([5, 5, 5]), np.full(3, 9), k=29)
    assert alone > 0
    assert together == pytest.approx(alone / 3)


def test_the_learning_curve_ranks_as_the_evaluation_does_also_a_target_of_the_history() -> None:
    torch.manual_seed(0)
    model = build(ModelConfig(width=8, backbone=HstuConfig(layers=1, heads=1, head_dim=8)), 30).eval()
    rng = np.random.default_rng(0)
    histories = [(rng.integers(1, 31, 6), np.arange(6)) for _ in range(40)]
    asked, times = Interactions.of(histories), np.full(40, 9)
    # Every second target stands in its own history.
    targets = np.array([rows[0] if user % 2 else rng.integers(1, 31) for user, (rows, _) in enumerate(histories)])
    cases = EvaluationCases(pl.Series(range(40)), asked, times, targets, np.arange(41))
    with torch.no_grad():
        batch = request_batch(asked, times, 64)
        states = F.normalize(last_tokens(model(batch), batch.offsets), dim=-1)
        scores = states @ F.normalize(model.items.table(torch.arange(31)), dim=-1).T
    catalogue = Catalogue(np.zeros(31, np.int64), np.zeros(31, bool))
    ranks = rank(scores.numpy(), cases, catalogue, 10).ranks
    expected = per_user(ranks, np.arange(41), [10])["ndcg@10"].mean()
    assert 0 < expected < 1
    assert next_item_ndcg(model, asked, targets, times, k=10) == pytest.approx(expected)
