"""ColdRec's split and evaluation, against the published procedure told a second time in its own terms."""

import random

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cold_ranking import NDCG, RECALL, Log, read
from benchmarks.cold_split import split

PARTS = ("training", "warm_validation", "warm_test", "cold_validation", "cold_test")


def published(frame: pd.DataFrame) -> list[set[tuple[int, int]]]:
    """(user, item) of each part, step by step as ColdRec's `data/split.py` draws them."""
    random.seed(42)
    np.random.seed(42)
    groups = [group.index for _, group in frame.groupby("item")]
    random.shuffle(groups)
    count = int(0.8 * len(groups))
    warm, cold = np.concatenate(groups[:count]), np.concatenate(groups[count:])
    validation, test = int(0.1 * len(warm)), int(0.1 * len(warm))
    np.random.shuffle(warm)
    end = len(warm) - validation - test
    training = list(warm[:end])
    parts = [warm[end : end + validation], warm[-test:]]
    for number, part in enumerate(parts):
        for column in ("user", "item"):
            lacking = ~frame.loc[part, column].isin(set(frame.loc[training, column]))
            training += list(part[lacking])
            part = part[~lacking]
        parts[number] = part
    of_item = [group.index for _, group in frame.loc[cold].groupby("item")]
    boxed = np.empty(len(of_item), dtype=object)
    boxed[:] = of_item
    np.random.shuffle(boxed)
    half = int(0.5 * len(boxed))
    rows = [training, *parts, np.concatenate(boxed[:half]), np.concatenate(boxed[half:])]
    return [set(frame.loc[some].itertuples(index=False, name=None)) for some in rows]


@given(seed=st.integers(0, 10_000), count=st.integers(80, 300))
def test_the_split_is_the_published_one(seed: int, count: int) -> None:
    draws = np.random.default_rng(seed)
    frame = pd.DataFrame({"user": draws.integers(0, 25, count), "item": draws.zipf(1.5, count) % 40}).drop_duplicates()
    frame = frame.reset_index(drop=True)
    if frame["item"].nunique() < 10 or len(frame) < 40:
        return
    found = split(frame["user"].to_numpy(), frame["item"].to_numpy())
    rows = [getattr(found, name) for name in PARTS]
    told = [set(frame.loc[some].itertuples(index=False, name=None)) for some in rows]
    assert told == published(frame)
    assert sorted(np.concatenate(rows)) == list(range(len(frame))), "each interaction is in one part"


@pytest.fixture
def log() -> Log:
    draws = np.random.default_rng(3)
    pairs = np.unique(np.stack([draws.integers(0, 12, 900), draws.integers(1, 81, 900)], axis=1), axis=0)
    users, items = draws.permutation(pairs).T
    return Log(users, items, np.arange(1, 81), split(users, items))


def test_what_is_right_is_found_among_what_may_be_recommended(log: Log) -> None:
    right = torch.zeros(12, 81)
    for part in ("cold_test", "warm_test"):
        rows = getattr(log.parts, part)
        right[log.users[rows], log.items[rows]] = 1
    # Nobody is asked for what training has, however high it scores.
    had = log.parts.training
    right[log.users[had], log.items[had]] = 9
    found = read(lambda users: right[users], log, "test")
    for part in ("cold", "warm", "overall"):
        assert found[part][RECALL] == pytest.approx(1), "nobody has more than 20 of them"
        assert found[part][NDCG] == pytest.approx(1)
    wrong = read(lambda users: -right[users], log, "test")
    assert wrong["cold"][NDCG] < 0.9
    assert wrong["overall"][NDCG] < 0.5


def test_recall_and_ndcg_of_a_list_by_hand() -> None:
    """One user; cold items 3 and 4, of which 4 is asked for in the test and stands second among the cold."""
    users, items = np.zeros(25, np.int64), np.arange(1, 26)
    parts = split(users, items)
    log = Log(users, items, np.arange(1, 26), parts)
    asked = log.items[parts.cold_test]
    scores = torch.arange(26.0)[None]
    found = read(lambda _: scores, log, "test")["cold"]
    order = sorted(parts.cold_items, reverse=True)
    places = [order.index(item) for item in asked]
    gain = sum(1 / np.log2(place + 2) for place in places)
    assert found[RECALL] == 1
    assert found[NDCG] == pytest.approx(gain / sum(1 / np.log2(place + 2) for place in range(len(asked))))
