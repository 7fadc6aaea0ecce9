from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models.cold_start import cold_share
from models.config import HstuConfig, ModelConfig, TrainingConfig
from models.frames import fit_recommender

DAY = timedelta(days=1)
DAY_MS = DAY // timedelta(milliseconds=1)


def test_items_that_came_within_the_last_day_and_those_nobody_chose_are_cold() -> None:
    first_seen = np.array([0, DAY_MS, 2 * DAY_MS - 1, 2 * DAY_MS, 3 * DAY_MS - 1])
    assert cold_share(first_seen, 5, 3 * DAY_MS, DAY) == pytest.approx(2 / 5)
    assert cold_share(first_seen, 10, 3 * DAY_MS, DAY) == pytest.approx(7 / 10)


def test_a_short_log_has_no_old_items_so_those_without_interaction_count() -> None:
    assert cold_share(np.array([5, 6]), 4, DAY_MS, DAY) == pytest.approx(1 / 2)
    assert cold_share(np.array([5, 6]), 2, DAY_MS, DAY) == 0
    assert cold_share(np.array([], np.int64), 0, DAY_MS, DAY) == 0


def test_content_of_items_to_come_changes_nothing_that_a_notebook_trains() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [(user, (user + step) % 5, start + timedelta(hours=12 * step)) for user in range(4) for step in range(5)]
    log = pl.DataFrame(rows, ["user_id", "item_id", "timestamp"], orient="row")
    vectors = pl.DataFrame({"item_id": range(5), "vector": [[float(item), 1.0] for item in range(5)]})
    future = pl.concat([vectors, pl.DataFrame({"item_id": range(5, 50), "vector": [[0.5, 0.5]] * 45})])
    model = ModelConfig(width=8, max_length=4, backbone=HstuConfig(layers=1, heads=1, head_dim=8))
    now, then = (fit_recommender(log, TrainingConfig(epochs=1), model, content) for content in (vectors, future))
    assert now.manifest.training == then.manifest.training
    assert np.array_equal(now.item_vectors[:6], then.item_vectors[:6])
