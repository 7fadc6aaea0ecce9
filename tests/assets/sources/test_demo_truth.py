"""The demo world's oracle, and what makes a sequence model worth having."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.sources.demo_world.catalogue import Items
from assets.sources.demo_world.policy import Shelf, Surface, expected_clicks, propose, shelves
from assets.sources.demo_world.settings import DemoWorldSettings
from assets.sources.demo_world.source import DemoWorld
from assets.sources.demo_world.tastes import CLICK_PULL, after_clicks, transitions
from assets.sources.demo_world.words import STYLES, TOPICS

FIRST = date(2026, 1, 1)
LAST = FIRST + timedelta(days=13)
K = 10


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> DemoWorld:
    return DemoWorld(DemoWorldSettings(dirt=0), str(tmp_path_factory.mktemp("landing")), FIRST)


@pytest.fixture(scope="module")
def clicks(world: DemoWorld) -> pl.DataFrame:
    """Clicks in time order, with the item's topic and style."""
    days = [FIRST + timedelta(days=n) for n in range(14)]
    log = (
        pl.concat(world.read("events", world.land("events", days), days)).filter(pl.col("action") == "click").collect()
    )
    items = pl.concat(world.read("items", world.land("items", days), days)).select("item_id", "categories").collect()
    names = pl.col("categories").list
    topics = [t.name for t in TOPICS]
    return log.join(items, on="item_id", how="left", maintain_order="left").with_columns(
        topic=names.get(0).replace_strict(topics, range(len(topics)), return_dtype=pl.Int64)
    )


def _ids(world: DemoWorld) -> tuple[np.ndarray, np.ndarray]:
    items = world.settings.initial_items + 13 * world.settings.daily_items
    return np.arange(1, world.settings.users + 1), np.arange(1_000_001, 1_000_001 + items)


def _ndcg(scores: np.ndarray, history: pl.DataFrame, future: pl.DataFrame) -> float:
    """Mean NDCG@10 over users with a click in `future`; clicked items of `history` are left out of the ranking."""
    scores = scores.copy()
    scores[history["user_id"] - 1, history["item_id"] - 1_000_001] = -np.inf
    relevant = np.zeros(scores.shape, dtype=bool)
    relevant[future["user_id"] - 1, future["item_id"] - 1_000_001] = True
    users = np.flatnonzero(relevant.any(axis=1))
    top = np.argsort(-scores[users], axis=1, kind="stable")[:, :K]
    discount = 1 / np.log2(np.arange(2, K + 2))
    gain = (relevant[users[:, None], top] * discount).sum(axis=1)
    best = np.cumsum(discount)[np.minimum(relevant[users].sum(axis=1), K) - 1]
    return float((gain / best).mean())


def test_the_oracle_beats_popularity_by_far(world: DemoWorld, clicks: pl.DataFrame) -> None:
    users, items = _ids(world)
    history, future = clicks.filter(pl.col("day") < LAST), clicks.filter(pl.col("day") == LAST)
    weight = 0.5 ** ((13 - (history["day"] - FIRST).dt.total_days().to_numpy()) / 3)
    popularity = np.bincount(history["item_id"] - 1_000_001, weights=weight, minlength=len(items))
    oracle = _ndcg(world.expected_feedback(users, items, LAST), history, future)
    assert oracle > 0.1
    assert oracle > 3 * _ndcg(np.tile(popularity, (len(users), 1)), history, future)


def test_expected_clicks_add_up_to_those_that_happen(world: DemoWorld, clicks: pl.DataFrame) -> None:
    users, items = _ids(world)
    happened = clicks.filter(pl.col("day") == LAST)
    expected = world.expected_feedback(users, items, LAST)
    assert expected.sum() == pytest.approx(happened.height, rel=0.15)
    per_item = np.bincount(happened["item_id"] - 1_000_001, minlength=len(items))
    assert np.corrcoef(per_item, expected.sum(axis=0))[0, 1] > 0.6


def test_recent_clicks_tell_more_than_all_clicks(clicks: pl.DataFrame) -> None:
    """The topics of a user's last request, guessed from the requests before: by their last five clicks, and by all."""
    hits = {"recent": 0, "all": 0}
    ordered = clicks.sort("user_id", "timestamp").group_by("user_id", maintain_order=True).agg("topic", "request_id")
    for topics, requests in ordered.select("topic", "request_id").iter_rows():
        old = len(topics) - requests.count(requests[-1])
        if old < 15:
            continue
        before = np.eye(len(TOPICS))[topics[:old]]
        hits["all"] += topics[old:].count(before.mean(axis=0).argmax())
        hits["recent"] += topics[old:].count(before[-5:].mean(axis=0).argmax())
    assert hits["all"] > 100
    assert hits["recent"] > 1.15 * hits["all"]


def test_unknown_and_unavailable_ids_get_nothing(world: DemoWorld) -> None:
    new = 1_000_001 + world.settings.initial_items
    rates = world.expected_feedback(np.array(["1", "999999"]), np.array(["1000001", str(new), "5"]), FIRST)
    assert rates.dtype == np.float32
    assert rates[0, 0] > 0
    assert np.count_nonzero(rates) == 1
    assert world.expected_feedback(np.array([1]), np.array([new]), FIRST + timedelta(days=1)).item() > 0


def test_clicked_items_are_expected_no_more(world: DemoWorld, clicks: pl.DataFrame) -> None:
    yesterday = clicks.filter(pl.col("day") == LAST - timedelta(days=1)).head(20)
    lives = world.expected_feedback(yesterday["user_id"].to_numpy(), yesterday["item_id"].to_numpy(), LAST)
    # One life in 28 starts anew on that day.
    assert np.count_nonzero(np.diag(lives)) <= 3


def test_an_order_of_users_and_items_changes_nothing_but_the_order(world: DemoWorld, tmp_path: Path) -> None:
    chunked = DemoWorld(DemoWorldSettings(events=10_000, users_per_file=30), str(tmp_path), FIRST)
    users, items = np.array([100, 3, 31, 30]), np.array([1_000_050, 1_000_001])
    rates = chunked.expected_feedback(users, items, FIRST + timedelta(days=2))
    one = chunked.expected_feedback(users[1:2], items[::-1], FIRST + timedelta(days=2))
    np.testing.assert_array_equal(rates[1, ::-1], one[0])


def test_a_click_pulls_the_mood_by_its_share_towards_the_transition() -> None:
    pull = transitions(7)
    np.testing.assert_allclose(pull.sum(axis=1), 1, rtol=1e-6)
    mood = np.zeros((2, len(TOPICS)), dtype=np.float32)
    mood[:, 0] = 1
    moved = after_clicks(mood, np.array([[3, 5], [3, 5]]), np.array([[True, False], [False, False]]), pull)
    np.testing.assert_allclose(moved[0], (1 - CLICK_PULL) * mood[0] + CLICK_PULL * pull[3], rtol=1e-6)
    np.testing.assert_array_equal(moved[1], mood[1])


def test_slots_follow_the_weights_of_the_surface() -> None:
    """Weights 1, 2 and 3, two of them in one cell, for a user without any preference."""
    items = Items(
        topic=np.array([4, 0, 4]), style=np.array([1, 0, 1]), quality=np.log([1.0, 2.0, 3.0]), born=np.zeros(3)
    )
    shelf = Shelf(Surface("plain", 1.0, interest=0.0, style=0.0, quality=1.0, novelty=0.0), items, day=0)
    nobody, plain = np.zeros((4_000, len(TOPICS))), np.zeros((4_000, len(STYLES)))
    drawn = propose([shelf], np.zeros(4_000, dtype=int), nobody, plain, np.random.default_rng(0).random((4_000, 5, 2)))
    np.testing.assert_allclose(np.bincount(drawn.ravel()) / drawn.size, np.array([1, 2, 3]) / 6, atol=0.015)


def test_expected_clicks_are_shares_of_requests() -> None:
    draw = np.random.default_rng(3)
    items = Items(draw.integers(20, size=50), draw.integers(6, size=50), draw.standard_normal(50), np.zeros(50))
    rates = expected_clicks(shelves(items, 3), items, draw.dirichlet(np.ones(20), 7), draw.standard_normal((7, 6)))
    assert rates.shape == (7, 50)
    assert ((rates > 0) & (rates < 1)).all()
