from typing import Any

import numpy as np
import pytest

from models.columns import ACTIONS
from models.interactions import Interactions
from models.ranking.batch import RankingBatch, ranking_batch
from models.ranking.tokens import tokens_of


def batch(actions: tuple[int, ...] = (1, 2, 3, 4, 5), **changes: Any) -> RankingBatch:
    users = Interactions.of([([1, 0, 2, 3], [10, 20, 30, 40]), ([], []), ([4], [50])])
    arguments: dict[str, Any] = {
        "interactions": users.with_columns({ACTIONS: np.array(actions)}),
        "candidates": [[7, 8], [9], []],
        "request_times": [100, 200, 300],
        "max_length": 2,
        **changes,
    }
    return ranking_batch(**arguments)


def test_histories_keep_their_most_recent_known_items_and_candidates_follow() -> None:
    made = batch()
    assert made.item_index.tolist() == [2, 3, 7, 8, 9, 4]
    assert made.actions.tolist() == [3, 4, 0, 0, 0, 5]
    assert made.timestamps.tolist() == [30, 40, 100, 100, 200, 50]
    assert made.offsets.tolist() == [0, 4, 5, 6]
    assert made.targets.tolist() == [2, 1, 0]
    assert made.context.shape == (3, 0)


def test_contextual_tokens_stand_before_the_history() -> None:
    tokens, offsets = tokens_of(batch(context=[[1, 2], [3, 4], [5, 6]]))
    assert offsets.tolist() == [0, 6, 9, 12]
    assert tokens.item_index.tolist() == [0, 0, 2, 3, 7, 8, 0, 0, 9, 0, 0, 4]
    assert tokens.actions.tolist() == [0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 5]
    assert tokens.times.tolist() == [0, 0, 30, 40, 100, 100, 0, 0, 200, 0, 0, 50]
    assert tokens.candidate.nonzero().squeeze(1).tolist() == [4, 5, 8]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidates": [[7], [0], []]}, "a candidate of request 1 is not in the vocabulary"),
        ({"actions": (1, 2, 3, 4, -1)}, "request 2 has an action mask below zero"),
        ({"request_times": [100, 200, 49]}, "request 2 has an interaction after its request"),
        ({"request_times": [1]}, "3 users need as many requests, not 3 lists of candidates and 1 request times"),
        ({"candidates": [[7]]}, "3 users need as many requests, not 1 lists of candidates and 3 request times"),
        ({"context": [[1], [2]]}, "context is of 2 requests, not of 3"),
    ],
)
def test_bad_requests_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        batch(**changes)
