from dataclasses import replace

import numpy as np
import pytest

from models.artifact import Artifact, load_artifact, save_artifact
from models.golden import check_golden, golden_requests
from models.inference import score, similar
from models.interactions import Interactions
from models.recommend import recommend
from models.request_time import LONGEST_SILENCE_MS, request_time
from tests.models.test_artifact import manifest, model, vocabulary


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return load_artifact(save_artifact(tmp_path_factory.mktemp("version"), manifest(), model(), vocabulary()))


def everything(artifact: Artifact, users: int) -> np.ndarray:
    return np.ones((users, len(artifact.vocabulary) + 1), bool)


def test_lists_are_the_highest_scores_and_popularity_where_nothing_is_known(artifact: Artifact) -> None:
    users = Interactions.of([([1, 2], [10, 20]), ([], []), ([0], [5])])
    best = recommend(artifact, users, np.array([30, 30, 30]), everything(artifact, 3), 3)
    assert best.by_model.tolist() == [True, False, False]
    scores = score(artifact, users, np.array([30, 30, 30]))[0]
    assert best.items[0].tolist() == scores.topk(3).indices.tolist()
    assert best.scores[0].tolist() == pytest.approx(scores.topk(3).values.tolist(), abs=1e-6)
    popularity = artifact.vocabulary.popularity
    expected = sorted(range(1, len(popularity)), key=lambda row: (-popularity[row], row))[:3]
    assert best.items[1].tolist() == best.items[2].tolist() == expected


def test_a_request_before_the_last_interaction_is_taken_at_its_time(artifact: Artifact) -> None:
    users = Interactions.of([([1, 2], [10, 20])])
    early, at_it = (recommend(artifact, users, np.array([t]), everything(artifact, 1), 5) for t in (3, 20))
    assert np.array_equal(early.scores, at_it.scores)


def test_what_is_not_allowed_is_not_listed_and_short_lists_end_with_zeros(artifact: Artifact) -> None:
    allowed = everything(artifact, 1)
    allowed[0, 2:] = False
    best = recommend(artifact, Interactions.of([([2], [1])]), np.array([2]), allowed, 3)
    assert best.items.tolist() == [[1, 0, 0]]


def test_what_the_vocabulary_does_not_know_is_never_listed(artifact: Artifact) -> None:
    known = replace(artifact.vocabulary, unlisted=np.array([6]))
    strange = replace(artifact, vocabulary=known)
    users = Interactions.of([([1, 2], [10, 20]), ([], [])])
    asked = np.array([30, 30]), everything(artifact, 2), 7
    before, after = recommend(artifact, users, *asked), recommend(strange, users, *asked)
    for user in range(2):
        assert sorted(before.items[user]) == [1, 2, 3, 4, 5, 6, 7]
        assert after.items[user].tolist() == [*(item for item in before.items[user] if item != 6), 0]
    assert similar(strange, 1)[[0, 1, 6]].tolist() == [-np.inf] * 3
    golden = golden_requests(strange)
    check_golden(strange, golden)
    assert 6 not in golden.items
    assert 6 not in golden.histories.item_index


def test_a_model_that_fails_raises_unless_someone_is_told(artifact: Artifact) -> None:
    users = Interactions.of([([99], [1])])
    told: list[Exception] = []
    with pytest.raises(ValueError, match="item index 99"):
        recommend(artifact, users, np.array([2]), everything(artifact, 1), 3)
    best = recommend(artifact, users, np.array([2]), everything(artifact, 1), 3, told.append)
    assert len(told) == 1
    assert not best.by_model[0]
    assert (best.items > 0).all()


def test_requests_without_a_time_come_now_but_not_long_after_the_newest_interaction() -> None:
    assert request_time(7, now=100, newest=50) == 7
    assert request_time(None, now=100, newest=None) == 100
    assert request_time(None, now=100, newest=50) == 100
    assert request_time(None, now=10 * LONGEST_SILENCE_MS, newest=50) == 50 + LONGEST_SILENCE_MS
