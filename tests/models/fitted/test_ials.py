import numpy as np
import pytest
import torch
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse

from models.fitted import ials
from models.fitted.config import IalsConfig
from models.fitted.ials import IalsModel
from models.fitted.users_items import users_items
from models.golden import check_golden, golden_requests
from models.interactions import Interactions
from tests.models.fitted.worlds import CUTOFF_MS, fitted, some_interactions, vocabulary_of

ITEMS = 12


@pytest.mark.parametrize("at_once", [1, 1 << 24])
@pytest.mark.parametrize("alpha", [0.5, 1.0, 8.0])
def test_users_are_solved_for_as_the_library_does(alpha: float, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ials, "ENTRIES_AT_ONCE", at_once)
    config = IalsConfig(factors=5, alpha=alpha, regularisation=0.3, iterations=4)
    training = some_interactions(items=ITEMS)
    model = IalsModel.fit(config, training, vocabulary_of(training, ITEMS))
    solver = AlternatingLeastSquares(factors=5, alpha=alpha, regularization=0.3, num_threads=1)
    solver.item_factors = model.factors.numpy()
    others = some_interactions(items=ITEMS, seed=1)
    expected = solver.recalculate_user(np.arange(len(others)), sparse.csr_matrix(users_items(others, ITEMS)))
    torch.testing.assert_close(model.users(others), torch.from_numpy(expected), atol=1e-4, rtol=1e-3)


def test_it_is_the_same_whoever_fits_it_again_and_on_more_threads() -> None:
    training = some_interactions(items=ITEMS)
    vocabulary = vocabulary_of(training, ITEMS)
    once, again = (IalsModel.fit(IalsConfig(), training, vocabulary, threads) for threads in (1, 2))
    assert torch.equal(once.factors, again.factors)


def test_it_tells_two_tastes_apart() -> None:
    """Users choose some of items 1..5 or some of 6..10."""
    random = np.random.default_rng(0)
    tastes = [1 + 5 * (user % 2) + random.permutation(5)[:3] for user in range(60)]
    training = Interactions.of([(items, range(3)) for items in tastes])
    artifact = fitted(IalsConfig(factors=2), training, 10)
    scores = artifact.family.score(artifact, Interactions.of([([2, 3], [0, 1]), ([7], [0])]), np.array([5, 5]))
    assert set(scores[0].topk(5).indices.tolist()) == {1, 2, 3, 4, 5}
    assert set(scores[1].topk(5).indices.tolist()) == {6, 7, 8, 9, 10}
    assert set(artifact.family.similar(artifact, 1).topk(4).indices.tolist()) == {2, 3, 4, 5}


def test_what_nobody_chose_comes_behind_all_others_and_whom_it_cannot_read_gets_what_is_popular() -> None:
    training = some_interactions(items=ITEMS)
    artifact = fitted(IalsConfig(factors=4), training, ITEMS, unlisted=[ITEMS])
    histories = Interactions.of([([1, 2, 11], [0, 1, 2]), ([11], [0]), ([0], [5]), ([], [])])
    scores = artifact.family.score(artifact, histories, np.full(4, 9))
    trained = artifact.vocabulary.trained
    assert (scores[:, 11] < scores[:, trained].amin(1)).all()
    popular = np.argsort(-artifact.vocabulary.popularity[trained], kind="stable")
    for row in (2, 3):
        assert np.array_equal(np.argsort(-scores[row, trained].numpy(), kind="stable"), popular)
    assert scores[:, [0, ITEMS]].tolist() == [[-np.inf] * 2] * 4
    assert artifact.family.similar(artifact, 11).tolist() == [-np.inf] * (ITEMS + 1)


def test_every_user_of_a_batch_is_answered_as_if_alone() -> None:
    training = some_interactions(items=ITEMS)
    artifact = fitted(IalsConfig(factors=4), training, ITEMS)
    together = artifact.family.score(artifact, training, np.full(len(training), 1 << 50))
    for user in range(5):
        alone = artifact.family.score(artifact, training.take(np.array([user])), np.array([1 << 50]))
        torch.testing.assert_close(alone[0], together[user])


def test_users_items_has_each_item_once() -> None:
    matrix = users_items(Interactions.of([([2, 1, 2, 0], [0, 1, 2, 3]), ([], [])]), 3)
    assert isinstance(matrix, sparse.csr_array)
    assert matrix.toarray().tolist() == [[0, 1, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("training", [[[1]], [[1, 1, 1]], [list(range(1, 201))] * 3], ids=["one", "again", "alike"])
def test_users_can_be_solved_for_however_little_is_regularised(
    training: list[list[int]],
) -> None:
    interactions = Interactions.of([(items, [CUTOFF_MS - 1] * len(items)) for items in training])
    artifact = fitted(IalsConfig(regularisation=1e-6, alpha=1e4), interactions, 200)
    check_golden(artifact, golden_requests(artifact))
    assert not artifact.model.users(interactions).isnan().any()
