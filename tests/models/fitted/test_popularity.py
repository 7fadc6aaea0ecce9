import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.fitted.config import PopularityConfig
from models.fitted.popularity import DAY_MS, PopularityModel
from models.interactions import Interactions
from tests.models.fitted.worlds import CUTOFF_MS, fitted

DAY_10 = 10 * DAY_MS


def model(training: Interactions, items: int, half_life_days: float) -> PopularityModel:
    return PopularityModel.fit(PopularityConfig(half_life_days=half_life_days), training, items)


def test_popularity_halves_with_every_half_life() -> None:
    training = Interactions.of(
        [([1, 2, 2], [DAY_10, DAY_10 + DAY_MS, DAY_10 + 2 * DAY_MS]), ([1, 0], [DAY_10, DAY_10])]
    )
    scores = model(training, 3, 2.0)(np.array([13 * DAY_MS]))[0]
    newest = 12
    assert scores[1:].tolist() == pytest.approx([2 * 0.5 ** ((newest - 10) / 2), 0.5**0.5 + 1, 0])


def test_popularity_answers_with_the_days_before_the_request() -> None:
    popularity = model(Interactions.of([([1, 2], [DAY_10, DAY_10 + DAY_MS])]), 2, 1.0)
    times = np.array([DAY_10 + 4_000 * DAY_MS, DAY_10 + 5, DAY_10 + DAY_MS + 5])
    years_later, during_day_10, during_day_11 = popularity(times)[:, 1:].tolist()
    assert during_day_10 == [0, 0]
    assert during_day_11 == [1, 0]
    assert years_later == [0.5, 1]


entries = st.tuples(st.integers(0, 5), st.integers(0, 40_000))


@given(
    st.lists(st.lists(entries, max_size=6), min_size=1, max_size=6),
    st.lists(st.integers(-1, 50_000), min_size=1, max_size=5),
    st.sampled_from([0.5, 3.0, 200.0]),
)
def test_it_equals_a_dense_computation(
    users: list[list[tuple[int, int]]], asked: list[int], half_life_days: float
) -> None:
    training = Interactions.of(
        [([item for item, _ in rows], sorted(day * DAY_MS for _, day in rows)) for rows in users]
    )
    scores = model(training, 5, half_life_days)(np.array(asked) * DAY_MS).numpy()
    known = training.known()
    for row, day in enumerate(asked):
        before = known.timestamps // DAY_MS < day
        days, items = known.timestamps[before] // DAY_MS, known.item_index[before]
        weights = 0.5 ** ((days.max(initial=0) - days) / half_life_days)
        assert scores[row] == pytest.approx(np.bincount(items, weights, 6), rel=1e-5)


def test_thousands_of_days_and_items_are_never_held_as_a_table_of_both() -> None:
    random = np.random.default_rng(0)
    days, items = 5_000, 100_000
    times = np.sort(random.integers(0, days * DAY_MS, 20_000))
    popularity = model(Interactions.of([(random.integers(1, items + 1, 20_000), times)]), items, 7.0)
    assert sum(buffer.numel() for buffer in popularity.buffers()) < 100_000
    assert popularity(np.linspace(0, days * DAY_MS, 16).astype(np.int64)).shape == (16, items + 1)


def test_from_the_cutoff_on_it_is_the_popularity_of_the_endpoint_whoever_asks() -> None:
    training = Interactions.of([([1, 2], [CUTOFF_MS - 40 * DAY_MS, CUTOFF_MS - 1])])
    artifact = fitted(PopularityConfig(half_life_days=2.0), training, 4, unlisted=[4])
    histories = Interactions.of([([], []), ([1], [CUTOFF_MS]), ([2], [0])])
    scores = artifact.family.score(artifact, histories, np.array([CUTOFF_MS, CUTOFF_MS + 5, CUTOFF_MS - 2 * DAY_MS]))
    assert torch.equal(scores[0], scores[1])
    assert scores[0, 1:4].tolist() == artifact.vocabulary.popularity[1:4].tolist()
    assert scores[2, 1:4].tolist() == [1, 0, 0], "item 2 was chosen after that request"
    assert scores[:, [0, 4]].tolist() == [[-torch.inf] * 2] * 3
