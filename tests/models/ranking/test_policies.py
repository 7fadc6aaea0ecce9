"""What greedy and softmax would have chosen, against each question asked by itself."""

import numpy as np
import pytest
import torch

from models.columns import ACTIONS, STARTED
from models.interactions import Interactions
from models.ranking import policies
from models.ranking.examples import RankingExamples
from models.ranking.policies import GREEDY, POLICIES, SOFTMAX, choices
from models.ranking.ranker import Ranker
from tests.models.ranking.worlds import ITEMS, MINUTE, config, ranker

CONFIG = config()
SHOWN = 1 << len(CONFIG.actions)


def _examples(users: int = 4, each: int = 12) -> RankingExamples:
    random = np.random.default_rng(0)
    times = [(np.arange(each) * 20 * MINUTE).tolist() for _ in range(users)]
    packed = Interactions.of([(random.integers(1, ITEMS + 1, each).tolist(), of) for of in times])
    masks = random.integers(0, 8, users * each) | SHOWN
    return RankingExamples(packed.with_columns({STARTED: packed.timestamps, ACTIONS: masks}), CONFIG)


def _places(examples: RankingExamples) -> np.ndarray:
    return np.where(np.arange(len(examples.items)) % 3 == 0, -1, 7)


@pytest.fixture(scope="module")
def model() -> Ranker:
    return ranker(CONFIG)


@pytest.mark.parametrize("at_once", [1, 64, 1 << 16])
def test_choices_are_those_of_each_question_by_itself(
    model: Ranker, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "TOKENS_AT_ONCE", at_once)
    examples = _examples()
    places, rows = _places(examples), np.arange(1, len(examples.items), 2)
    found = choices(model, examples, rows, places, temperature=0.7)
    for place, row in enumerate(rows.tolist()):
        options = np.unique(examples.items[places == places[row]])
        with torch.no_grad():
            logits = model(examples.requests(examples.numbers[[row]], [options]))
        shown = int(np.flatnonzero(options == examples.items[row])[0])
        softmax, said = torch.softmax(logits / 0.7, dim=0), torch.sigmoid(logits)
        greedy = (logits == logits.max(dim=0).values).double()
        assert found.predicted[place] == pytest.approx(said[shown].numpy())
        for name, chances in ((SOFTMAX, softmax), (GREEDY, greedy)):
            assert found.probabilities[name][place] == pytest.approx(chances[shown].numpy())
            assert found.expected[name][place] == pytest.approx((chances * said).sum(dim=0).numpy())


def test_a_cold_softmax_is_greedy_and_a_hot_one_is_random(model: Ranker) -> None:
    examples = _examples()
    rows, places = np.arange(len(examples.items)), _places(examples)
    cold, hot = (choices(model, examples, rows, places, temperature) for temperature in (1e-6, 1e6))
    assert cold.probabilities[SOFTMAX] == pytest.approx(cold.probabilities[GREEDY])
    counts = {place: len(np.unique(examples.items[places == place])) for place in (-1, 7)}
    assert hot.probabilities[SOFTMAX][:, 0] == pytest.approx([1 / counts[place] for place in places.tolist()], rel=1e-3)


def test_equal_logits_share_what_is_greedy() -> None:
    found = policies.Choices.empty(2, 1)
    found.put(np.array([0, 1]), np.array([0, 2]), np.array([[1.0], [1.0], [-1.0]]), 1.0)
    assert found.probabilities[GREEDY][:, 0].tolist() == [0.5, 0]


def test_the_mode_of_the_model_stays(model: Ranker) -> None:
    examples = _examples()
    for mode in (True, False):
        model.train(mode)
        choices(model, examples, np.arange(3), _places(examples), 1.0)
        assert model.training is mode
    assert POLICIES == (GREEDY, SOFTMAX)
