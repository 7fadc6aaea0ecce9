"""The balance of personal and popular, fitted to users whom training did not see."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import models.calibration.balance as module
from models.batch import request_batch
from models.calibration.balance import HeldOutChoices, calibrate, calibrated
from models.config.model import ItemTowerConfig, ModelConfig
from models.families.registry import build
from models.heads.popularity import PopularityHead
from models.interactions import Interactions
from models.popularity import PopularityOverTime
from models.recommender import Recommender

ITEMS, USERS = 60, 300
COUNTS = np.concatenate([[0.0], 1000 / np.arange(1, ITEMS + 1)])[None].astype(np.float32)
POPULARITY = PopularityOverTime(np.array([0]), COUNTS)


def model(popularity: bool = True) -> Recommender:
    """One that is sure of itself, and knows nothing: it was never trained."""
    torch.manual_seed(0)
    config = ModelConfig(width=8, max_length=8, popularity=popularity, items=ItemTowerConfig())
    made: Recommender = build(config, ITEMS, popularity=POPULARITY)
    with torch.no_grad():
        made.items.ids.weight.mul_(50)
    return made


def choices(by_model: Recommender | None = None, users: int = USERS) -> HeldOutChoices:
    """What users chose by popularity alone; or by what `by_model` says of them, whom popularity does not matter to."""
    draw = np.random.default_rng(1)
    histories = Interactions.of([([int(draw.integers(1, ITEMS + 1))], [0]) for _ in range(users)])
    times = np.full(users, 10)
    chances = np.repeat(COUNTS[:, 1:] / COUNTS.sum(), users, axis=0)
    if by_model is not None:
        with torch.no_grad():
            directions = torch.nn.functional.normalize(by_model.states(request_batch(histories, times, 8)), dim=1)
            chances = (4 * directions @ by_model.items(torch.arange(1, ITEMS + 1)).T).softmax(1).double().numpy()
    chances[np.arange(users), histories.item_index - 1] = 0
    targets = [int(draw.choice(ITEMS, p=some / some.sum())) + 1 for some in chances]
    return HeldOutChoices(histories, np.array(targets), times, np.zeros(users, bool))


def balance(of: Recommender) -> dict[str, float]:
    assert isinstance(of.head, PopularityHead)
    return {name: number.item() for name, number in of.head.balance.named_parameters()}


def loss(of: Recommender, held_out: HeldOutChoices) -> float:
    assert isinstance(of.head, PopularityHead)
    return float(module._look(of, of.head, held_out)[0].loss(of.head.balance, torch.tensor(-20.0)))


def test_what_does_not_hold_for_others_counts_for_less() -> None:
    made = model().eval()
    before, unfitted = balance(made), loss(made, choices())
    calibrate(made, choices())
    after = balance(made)
    assert after["log_scale"] < before["log_scale"] - 1
    assert loss(made, choices()) < unfitted - 0.5
    assert after["popularity"] == pytest.approx(1, abs=0.3)


def test_where_popularity_does_not_matter_it_counts_for_less() -> None:
    made = model().eval()
    held_out = choices(by_model=made)
    calibrate(made, held_out)
    assert balance(made)["popularity"] < 0.3
    assert balance(made)["log_scale"] == pytest.approx(np.log(4), abs=0.25)


def test_choices_that_nobody_could_foresee_do_not_flatten_what_is_known_of_the_others() -> None:
    by_popularity, draw = choices(), np.random.default_rng(2)
    at_random = draw.integers(1, ITEMS + 1, USERS)
    at_random = np.where(at_random == by_popularity.histories.item_index, by_popularity.targets, at_random)
    targets = np.where(draw.random(USERS) < 0.6, at_random, by_popularity.targets)
    made = model().eval()
    calibrate(made, replace(by_popularity, targets=targets))
    assert balance(made)["popularity"] > 0.7


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_new_items_count_as_much_as_new_ones_were_chosen(share: float) -> None:
    torch.manual_seed(0)
    config = ModelConfig(width=8, max_length=8, popularity=True, items=ItemTowerConfig(content_dim=4))
    trained, content = torch.arange(1, ITEMS - 9), torch.randn(ITEMS + 1, 4)
    made: Recommender = build(config, ITEMS, trained, content, POPULARITY)
    held_out = choices()
    seen = np.flatnonzero((held_out.targets < ITEMS - 9) & (held_out.histories.item_index < ITEMS - 9))
    held_out = HeldOutChoices(
        held_out.histories.take(seen),
        held_out.targets[seen],
        held_out.times[seen],
        np.arange(len(seen)) < share * len(seen),
    )
    calibrate(made.eval(), held_out)
    before, after = balance(model())["new"], balance(made)["new"]
    assert (after > before + 0.3) == bool(share)
    assert (after < before) == (not share)


def test_few_users_move_it_little() -> None:
    some, many = model().eval(), model().eval()
    calibrate(some, choices(users=2))
    calibrate(many, choices())
    moved = [abs(balance(of)["log_scale"] - balance(model())["log_scale"]) for of in (some, many)]
    assert moved[0] < moved[1] / 2


def test_measuring_leaves_the_model_as_it_was_to_the_bit_and_in_its_mode() -> None:
    made = model().train()
    before = {name: weight.clone() for name, weight in made.state_dict().items()}
    with calibrated(made, choices()) as held_out_loss:
        assert held_out_loss is not None
        assert loss(made, choices()) - 0.1 < held_out_loss <= loss(made, choices()) + 1e-5
        within = balance(made)
    assert within != balance(made)
    assert made.training
    assert all(torch.equal(weight, before[name]) for name, weight in made.state_dict().items())
    assert all(weight.grad is None for weight in made.parameters())


def test_of_many_items_some_are_drawn_and_what_was_chosen_is_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made = model().eval()
    calibrate(made, choices())
    monkeypatch.setattr(module, "CANDIDATES", ITEMS // 2)
    drawn = model().eval()
    calibrate(drawn, choices())
    assert balance(drawn)["log_scale"] == pytest.approx(balance(made)["log_scale"], abs=0.7)


def test_a_head_without_popularity_has_none() -> None:
    made = model(popularity=False)
    with calibrated(made, choices()) as held_out_loss:
        assert held_out_loss is None
    before = {name: weight.clone() for name, weight in made.state_dict().items()}
    calibrate(made, choices())
    assert all(torch.equal(weight, before[name]) for name, weight in made.state_dict().items())
