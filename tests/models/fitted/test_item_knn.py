import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.fitted import item_knn
from models.fitted.config import ItemKnnConfig
from models.fitted.item_knn import ItemKnnModel
from models.fitted.popularity import DAY_MS
from models.interactions import Interactions
from tests.models.fitted.worlds import CUTOFF_MS, fitted, vocabulary_of


def model(training: Interactions, items: int, **settings: float) -> ItemKnnModel:
    return ItemKnnModel.fit(ItemKnnConfig.model_validate(settings), training, vocabulary_of(training, items))


def test_item_knn_is_the_shrunk_cosine_over_users() -> None:
    training = Interactions.of([([1, 2], [0, 1]), ([1, 2, 3], [0, 1, 2]), ([1, 1], [0, 1])])
    similarities = model(training, 4, neighbours=4, shrinkage=1.0).table.toarray()
    assert similarities[1, 2] == pytest.approx(2 / (math.sqrt(3 * 2) + 1))
    assert similarities[1, 3] == pytest.approx(1 / (math.sqrt(3 * 1) + 1))
    assert similarities[2, 3] == pytest.approx(1 / (math.sqrt(2 * 1) + 1))
    assert np.diag(similarities).tolist() == [0] * 5
    assert similarities[4].tolist() == [0] * 5


def test_where_choices_repeat_an_item_is_its_own_neighbour_and_not_like_itself() -> None:
    training = Interactions.of([([1, 2], [0, 1]), ([1, 2, 3], [0, 1, 2]), ([1, 1], [0, 1])])
    similarities = model(training, 4, neighbours=4, shrinkage=1.0, repeats=True).table.toarray()
    assert np.diag(similarities)[1:4] == pytest.approx([3 / (3 + 1), 2 / (2 + 1), 1 / (1 + 1)])
    artifact = fitted(ItemKnnConfig(repeats=True), training, 4)
    assert artifact.family.similar(artifact, 1)[1] == -math.inf


def test_it_fits_interactions_that_lie_in_a_read_only_file_and_leaves_them_as_they_are() -> None:
    unsorted = Interactions.of([([3, 1, 2, 1], [0, 1, 2, 3]), ([2, 1], [0, 1])])
    before = unsorted.item_index.tolist()
    once = model(unsorted, 3, shrinkage=0.0)
    assert unsorted.item_index.tolist() == before
    for array in (unsorted.offsets, *unsorted.columns.values()):
        array.flags.writeable = False
    assert model(unsorted, 3, shrinkage=0.0).table.toarray() == pytest.approx(once.table.toarray())


def test_it_keeps_the_nearest_and_weighs_recent_items_more() -> None:
    training = Interactions.of([([1, 2], [0, 1]), ([1, 2, 3], [0, 1, 2]), ([3, 4], [0, CUTOFF_MS - DAY_MS])])
    knn = model(training, 4, neighbours=1, shrinkage=0.0, half_life_items=1.0)
    assert np.count_nonzero(knn.table.toarray(), axis=1).tolist() == [0, 1, 1, 1, 1]
    scores = knn(Interactions.of([([1, 2, 4], [0, 1, 2])]))[0].tolist()
    nearest_of_1, nearest_of_2, nearest_of_4 = 2 / math.sqrt(2 * 2), 2 / math.sqrt(2 * 2), 1 / math.sqrt(2 * 1)
    assert scores[1:4] == pytest.approx([0.5 * nearest_of_2, 0.25 * nearest_of_1, nearest_of_4])
    assert scores[4] == 0, "4 is no neighbour, but the most popular of those that are not"


def test_what_is_like_nothing_in_the_history_follows_by_popularity_and_what_nobody_chose_comes_last() -> None:
    newer, older = CUTOFF_MS - DAY_MS, CUTOFF_MS - 9 * DAY_MS
    training = Interactions.of([([1, 2], [older, older]), ([3], [newer]), ([3], [newer]), ([4], [newer])])
    artifact = fitted(ItemKnnConfig(), training, 6, unlisted=[6])
    histories = Interactions.of([([1], [5]), ([0], [5]), ([], [])])
    scores = artifact.family.score(artifact, histories, np.full(3, 9))
    assert scores[0].argsort(descending=True)[:5].tolist() == [2, 3, 4, 1, 5], "1 and 2 are older than 4"
    assert scores[1].argsort(descending=True)[:2].tolist() == [3, 4]
    assert scores[1].tolist() == scores[2].tolist()
    assert scores[:, 5].tolist() == [-1.0] * 3
    assert scores[:, [0, 6]].tolist() == [[-np.inf] * 2] * 3


def test_its_neighbours_are_what_it_calls_similar() -> None:
    training = Interactions.of([([1, 2], [0, 1]), ([1, 2, 3], [0, 1, 2]), ([4], [0])])
    artifact = fitted(ItemKnnConfig(shrinkage=0), training, 4)
    assert artifact.family.similar(artifact, 1).tolist() == pytest.approx(
        [-np.inf, -np.inf, 1.0, 1 / math.sqrt(2), -np.inf]
    )
    with pytest.raises(ValueError, match="item index 5 is not an item"):
        artifact.family.similar(artifact, 5)


@given(st.lists(st.lists(st.integers(0, 6), max_size=6), min_size=1, max_size=6), st.integers(1, 6), st.integers(1, 50))
def test_it_equals_a_dense_computation(users: list[list[int]], neighbours: int, at_once: int) -> None:
    training = Interactions.of([(rows, range(len(rows))) for rows in users])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_knn, "PAIRS_AT_ONCE", at_once)
        kept = model(training, 6, neighbours=neighbours, shrinkage=2.0).table.toarray()
    chosen = np.array([[row in rows for row in range(7)] for rows in users], float)
    chosen[:, 0] = 0
    both = chosen.T @ chosen
    dense = both / (np.sqrt(np.outer(both.diagonal(), both.diagonal())) + 2.0)
    np.fill_diagonal(dense, 0)
    largest = -np.sort(-dense, axis=1)[:, :neighbours]
    assert np.allclose(-np.sort(-kept, axis=1)[:, :neighbours], largest, atol=1e-6)
    assert np.allclose(kept[kept > 0], dense[kept > 0])
    assert (np.count_nonzero(kept, axis=1) <= neighbours).all()
