import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.baselines import DAY_MS, ItemKnn, Popularity
from models.interactions import Interactions
from tests.models.evaluation.worlds import make_cases

DAY_10 = 10 * DAY_MS


def test_popularity_halves_with_every_half_life() -> None:
    training = Interactions.of(
        [([1, 2, 2], [DAY_10, DAY_10 + DAY_MS, DAY_10 + 2 * DAY_MS]), ([1, 0], [DAY_10, DAY_10])]
    )
    cases = make_cases([([], [3])], request_time=13 * DAY_MS)
    scores = Popularity.fit(training, items=3, half_life_days=2.0).score(cases)
    newest = 12
    assert scores[0, 1:] == pytest.approx([2 * 0.5 ** ((newest - 10) / 2), 0.5**0.5 + 1, 0])


def test_popularity_answers_with_the_days_before_the_request() -> None:
    training = Interactions.of([([1, 2], [DAY_10, DAY_10 + DAY_MS])])
    popularity = Popularity.fit(training, items=2, half_life_days=1.0)
    during_day_10, during_day_11, years_later = (
        popularity.score(make_cases([([], [1])], request_time=time))[0, 1:].tolist()
        for time in (DAY_10 + 5, DAY_10 + DAY_MS + 5, DAY_10 + 4_000 * DAY_MS)
    )
    assert during_day_10 == [0, 0]
    assert during_day_11 == [1, 0]
    assert years_later == [0.5, 1]


def test_item_knn_is_the_shrunk_cosine_over_users() -> None:
    training = Interactions.of([([1, 2], [0, 1]), ([1, 2, 3], [0, 1, 2]), ([1, 1], [0, 1])])
    knn = ItemKnn.fit(training, items=4, neighbours=4, shrinkage=1.0)
    similarities = knn.similarities.toarray()
    assert similarities[1, 2] == pytest.approx(2 / (math.sqrt(3 * 2) + 1))
    assert similarities[1, 3] == pytest.approx(1 / (math.sqrt(3 * 1) + 1))
    assert similarities[2, 3] == pytest.approx(1 / (math.sqrt(2 * 1) + 1))
    assert np.diag(similarities).tolist() == [0] * 5
    assert similarities[4].tolist() == [0] * 5


def test_baselines_fit_interactions_that_lie_in_a_read_only_file_and_leave_them_as_they_are() -> None:
    unsorted = Interactions.of([([3, 1, 2, 1], [0, 1, 2, 3]), ([2, 1], [0, 1])])
    before = unsorted.item_index.tolist()
    fitted = ItemKnn.fit(unsorted, items=3, shrinkage=0.0)
    assert unsorted.item_index.tolist() == before
    for array in (unsorted.offsets, *unsorted.columns.values()):
        array.flags.writeable = False
    assert ItemKnn.fit(unsorted, items=3, shrinkage=0.0).similarities.toarray() == pytest.approx(
        fitted.similarities.toarray()
    )
    Popularity.fit(unsorted, items=3, half_life_days=1.0)


def test_item_knn_keeps_the_nearest_and_weighs_recent_items_more() -> None:
    training = Interactions.of([([1, 2], [0, 1]), ([1, 2, 3], [0, 1, 2]), ([3, 4], [0, 1])])
    knn = ItemKnn.fit(training, items=4, neighbours=1, shrinkage=0.0, half_life_items=1.0)
    assert np.count_nonzero(knn.similarities.toarray(), axis=1).tolist() == [0, 1, 1, 1, 1]
    scores = knn.score(make_cases([([1, 0, 4], [2])]))
    nearest_of_1, nearest_of_4 = 2 / math.sqrt(2 * 2), 1 / math.sqrt(2 * 1)
    assert scores[0].tolist() == pytest.approx([0, 0, 0.25 * nearest_of_1, nearest_of_4, 0])


@given(st.lists(st.lists(st.integers(0, 6), max_size=6), min_size=1, max_size=6), st.integers(1, 6))
def test_item_knn_equals_a_dense_computation(users: list[list[int]], neighbours: int) -> None:
    training = Interactions.of([(rows, range(len(rows))) for rows in users])
    knn = ItemKnn.fit(training, items=6, neighbours=neighbours, shrinkage=2.0)
    chosen = np.array([[row in rows for row in range(7)] for rows in users], float)
    chosen[:, 0] = 0
    both = chosen.T @ chosen
    dense = both / (np.sqrt(np.outer(both.diagonal(), both.diagonal())) + 2.0)
    np.fill_diagonal(dense, 0)
    kept = knn.similarities.toarray()
    largest = -np.sort(-dense, axis=1)[:, :neighbours]
    assert np.allclose(-np.sort(-kept, axis=1)[:, :neighbours], largest, atol=1e-6)
    assert np.allclose(kept[kept > 0], dense[kept > 0])
