from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch

from models.batch import request_batch
from models.cold_start import ColdRates, ColdTally, cold_share, too_new
from models.config.losses import SampledSoftmaxConfig
from models.config.model import HstuConfig, ItemTowerConfig, ModelConfig
from models.config.training import TrainingConfig
from models.families.registry import build
from models.frames import fit_recommender
from models.interactions import Interactions
from models.item_counts import NEVER
from models.training.loop import fit

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


def test_new_is_what_came_after_the_log_began_and_less_than_a_day_ago() -> None:
    log = Interactions.of([([1, 1, 2, 2, 2], [0, DAY_MS - 1, 2 * DAY_MS, 3 * DAY_MS - 1, 3 * DAY_MS])])
    first_seen = np.array([NEVER, 0, 2 * DAY_MS])
    assert too_new(log, first_seen, 0, DAY).tolist() == [False, False, True, True, False]
    assert not too_new(log, first_seen, 0, timedelta(0)).any()
    # The same log begun two days before knows that item 1 was new.
    assert too_new(log, first_seen, -2 * DAY_MS, DAY).tolist() == [True, True, True, True, False]


def test_the_rates_are_those_that_a_version_of_the_day_before_met() -> None:
    first_seen = np.array([NEVER, 0, 2 * DAY_MS, 3 * DAY_MS])
    tally = ColdTally(first_seen, 0, 3 * DAY_MS, DAY)
    tally.add(Interactions.of([([1, 1, 2, 1], [0, 1, 2 * DAY_MS, 2 * DAY_MS])]))
    tally.add(Interactions.of([([1, 1], [0, 1]), ([2, 2], [2 * DAY_MS, 2 * DAY_MS + 1])]))
    # Who did nothing on the last day was not there; of the six events of the others three are of item 2.
    assert tally.rates() == ColdRates(events=3 / 6, positives=3 / 4)


def test_nothing_is_measured_where_no_version_could_have_been_made() -> None:
    tally = ColdTally(np.array([NEVER, 5]), 5, DAY_MS, DAY)
    tally.add(Interactions.of([([1, 1], [5, 6])]))
    assert tally.rates() == ColdRates(0.0, 0.0)
    assert ColdTally(np.array([NEVER]), 0, 2 * DAY_MS, DAY).rates() == ColdRates(0.0, 0.0)


def places_of_new_items(masking: float) -> float:
    """Two halves of a shop, users who keep to one: the mean place of their half's four new items among all 48."""
    draws = np.random.default_rng(0)
    half = np.arange(49) % 2
    trained = np.arange(1, 41)
    walks = [draws.choice(trained[half[trained] == user % 2], 10, replace=False) for user in range(160)]
    log = Interactions.of([(walk, range(10)) for walk in walks])
    content = np.eye(2, dtype=np.float32)[half] + draws.normal(0, 0.1, (49, 2)).astype(np.float32)
    content[0] = 0
    loss = SampledSoftmaxConfig(negatives=32, shared=True, cold_negatives=masking, label_masking=masking)
    training = TrainingConfig(epochs=12, batch_size=16, learning_rate=1e-2, loss=loss)
    backbone = HstuConfig(layers=1, heads=1, head_dim=8)
    config = ModelConfig(width=8, max_length=10, items=ItemTowerConfig(content_dim=2), backbone=backbone)
    torch.manual_seed(0)
    model = fit(build(config, 48, torch.from_numpy(trained), torch.from_numpy(content)), log, training)
    with torch.no_grad():
        batch = request_batch(log, np.full(160, 10), 10)
        scores = (model.queries(batch) @ model.retrieval_vectors(48).T)[:, 1:]
    places = scores.argsort(dim=1, descending=True).argsort(dim=1)
    own = [places[user, np.flatnonzero(half[41:] == user % 2) + 40].float().mean() for user in range(160)]
    return float(torch.stack(own).mean())


def test_what_was_never_learned_without_its_id_is_told_worse_without_one() -> None:
    assert places_of_new_items(0.2) < places_of_new_items(0.0) - 3
