"""Small rankers and requests."""

from typing import Any, Literal

import numpy as np
import torch

from models.columns import ACTIONS
from models.config.model import InputEncodingConfig, StuConfig
from models.encoder.stu import StuLayer
from models.interactions import Interactions
from models.ranking.batch import RankingBatch, ranking_batch
from models.ranking.config import RankerConfig
from models.ranking.ranker import Ranker

ITEMS = 40
LONGEST = 20
MINUTE = 60_000
DAY = 24 * 60 * MINUTE
EPOCH = 1_700_000_000_000


def config(
    positions: Literal["recency", "start"] = "recency", context: tuple[int, ...] = (), **backbone: Any
) -> RankerConfig:
    return RankerConfig(
        width=12,
        max_length=16,
        actions=("click", "like", "share"),
        action_dim=3,
        context=context,
        hidden=10,
        head_hidden=14,
        encoding=InputEncodingConfig(positions=positions, position_rows=32, time_buckets=64),
        backbone=StuConfig.model_validate({"layers": 2, "heads": 2, "head_dim": 5, **backbone}),
    )


def ranker(of: RankerConfig, dtype: torch.dtype = torch.float64, seed: int = 0) -> Ranker:
    """A ranker whose weights are large enough that attention matters, and whose biases are not zero."""
    torch.manual_seed(seed)
    model = Ranker(of, ITEMS)
    with torch.no_grad():
        for name, parameter in model.layers.named_parameters():
            parameter.mul_(3).add_(0.1 * torch.randn_like(parameter)) if "norm" not in name else None
        for layer in model.layers:
            assert isinstance(layer, StuLayer)
            layer.norm_bias.add_(torch.randn_like(layer.norm_bias) * 0.1)
    return model.to(dtype).eval()


def events(lengths: list[int], seed: int = 0) -> list[tuple[list[int], list[int], list[int]]]:
    """(rows, action masks, times) of users, sorted by time, with ties; a longer history begins as a shorter one."""
    random = np.random.default_rng(seed)
    users = []
    for length in lengths:
        rows, masks = random.integers(1, ITEMS + 1, LONGEST), random.integers(0, 8, LONGEST)
        times = EPOCH + 17 * MINUTE * random.integers(0, 4, LONGEST).cumsum()
        users.append((rows[:length].tolist(), masks[:length].tolist(), times[:length].tolist()))
    return users


def requests(
    users: list[tuple[list[int], list[int], list[int]]],
    candidates: list[list[int]],
    context: list[list[int]] | None = None,
    request_time: int = EPOCH + 3 * DAY,
) -> RankingBatch:
    actions = np.array([mask for _, masks, _ in users for mask in masks], np.int64)
    return ranking_batch(
        Interactions.of([(rows, times) for rows, _, times in users]).with_columns({ACTIONS: actions}),
        candidates,
        [request_time] * len(users),
        max_length=16,
        context=context,
    )
