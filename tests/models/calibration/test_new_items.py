"""How popular new items are, by what everybody chose while no version had an ID for them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import models.calibration.new_items as module
from models.arrivals import Arrivals
from models.calibration.askers import Askers
from models.calibration.balance import HeldOutChoices, calibrate, calibrated
from models.calibration.new_items import popularity_of_new
from models.config.model import ItemTowerConfig, ModelConfig
from models.families.registry import build
from models.heads.popularity import PopularityHead
from models.interactions import Interactions
from models.popularity import PopularityOverTime
from models.recommender import Recommender

ITEMS, OLD, USERS, NIGHT = 40, 25, 30, 1000
COUNTS = np.concatenate([[0.0], 100 / np.arange(1, OLD + 1), np.zeros(ITEMS - OLD)])[None].astype(np.float32)
NEVER = np.iinfo(np.int64).max
END = 10 * NIGHT


def model() -> Recommender:
    """Items up to `OLD` have an ID, all but the last one content."""
    torch.manual_seed(0)
    config = ModelConfig(width=8, max_length=8, popularity=True, items=ItemTowerConfig(content_dim=4))
    content = torch.randn(ITEMS + 1, 4)
    content[ITEMS] = 0
    trained = torch.arange(1, OLD + 1)
    made: Recommender = build(config, ITEMS, trained, content, PopularityOverTime(np.array([0]), COUNTS))
    return made.eval()


def arrivals(of_new: list[int], choices: int = 1000) -> Arrivals:
    """Items after the twentieth came in the last night and those before it, three a night, and some were chosen."""
    first = np.full(ITEMS + 1, NEVER)
    first[1:21] = 0
    first[21 : OLD + 1] = [END - 1, END - 2, END - NIGHT - 1, END - NIGHT - 2, END - 2 * NIGHT - 1]
    there = np.full(ITEMS + 1, NEVER)
    there[OLD + 1 :] = END - NIGHT // 2
    return Arrivals(there, first, END, NIGHT, np.full(len(of_new), choices), np.array(of_new))


def askers(of: Recommender) -> Askers:
    draw = np.random.default_rng(1)
    histories = Interactions.of([([int(draw.integers(1, 21))], [0]) for _ in range(USERS)])
    with torch.no_grad():
        return Askers.of(of, histories, np.full(USERS, END), repeats=False)


def level(of: Recommender, came: Arrivals, optimism: float = 0.0) -> float | None:
    found = popularity_of_new(of, of.head.balance, askers(of), came, optimism)  # type: ignore[arg-type]
    return None if found is None else found.item()


def expected(of: Recommender, came: Arrivals, night: int, new: float) -> float:
    """Choices of new items by the model's own scores, one user and one item at a time."""
    head, asking, total = of.head, askers(of), 0.0
    assert isinstance(head, PopularityHead)
    start, end = came.end_ms - (night + 1) * came.reach_ms, came.end_ms - night * came.reach_ms
    for user in range(USERS):
        weights = {True: 0.0, False: 0.0}
        for item in range(1, ITEMS + 1):
            chosen, there = int(came.first_chosen[item]), int(came.there_from[item])
            is_new = chosen >= start
            if item == ITEMS or item in asking.histories.item_index[user : user + 1] or min(chosen, there) >= end:
                continue
            index = torch.tensor([item])
            with torch.no_grad():
                vector = of.items(index, torch.tensor([is_new]))
                personal = head.balance.personal(asking.evidence)[user]
                cosine = (head.direction(asking.states[user : user + 1]) @ head.point(vector).T).squeeze()
                popularity = new if is_new else float(head.log_popularity[-1][item])
                weights[is_new] += float((personal * cosine + head.balance.popularity * popularity).exp())
        total += weights[True] / (weights[True] + weights[False])
    return float(came.choices[night] * total / USERS)


@pytest.mark.parametrize("of_new", [[100], [60, 200], [0, 30, 400]])
def test_as_many_choices_of_new_items_are_expected_as_there_were(of_new: list[int]) -> None:
    made, came = model(), arrivals(of_new)
    new = level(made, came)
    assert new is not None
    together = sum(expected(made, came, night, new) for night in range(len(of_new)))
    assert together == pytest.approx(sum(of_new), rel=1e-3)


def test_optimism_counts_how_nights_differ() -> None:
    made, steady, unsteady = model(), arrivals([100, 100, 100]), arrivals([20, 100, 180])
    for came in (steady, unsteady):
        levels = [level(made, came, optimism) for optimism in (0.0, 1.0, 2.0)]
        assert levels == sorted(levels, key=lambda one: one or 0.0)
    by_one = [(level(made, came, 1.0) or 0.0) - (level(made, came) or 0.0) for came in (steady, unsteady)]
    assert 0 < by_one[0] < by_one[1]


def test_what_hardly_anybody_chose_tells_nothing_nor_does_a_popularity_without_weight() -> None:
    made = model()
    assert level(made, arrivals([])) is None
    assert level(made, arrivals([10, 9])) is None
    assert isinstance(made.head, PopularityHead)
    with torch.no_grad():
        made.head.balance.popularity.fill_(0.01)
    assert level(made, arrivals([100])) is None


@given(st.integers(0, 1000))
def test_the_level_is_finite_whatever_the_share(of_new: int) -> None:
    new = level(model(), arrivals([of_new]), 2.0)
    assert (new is None) == (of_new < module.TOO_FEW)
    assert new is None or module.LOWEST <= new <= module.HIGHEST


def test_of_many_items_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    made, came = model(), arrivals([100])
    whole = level(made, came)
    monkeypatch.setattr(module, "CANDIDATES", 12)
    assert level(made, came) == pytest.approx(whole, abs=1.0)


def test_calibration_takes_it_from_the_log_and_measuring_leaves_the_model_as_it_was() -> None:
    made, came = model(), arrivals([100, 80])
    assert isinstance(made.head, PopularityHead)
    histories = askers(made).histories
    targets = np.where(histories.item_index == 1, 2, 1)
    held_out = HeldOutChoices(histories, targets, np.full(USERS, END), np.zeros(USERS, bool), arrivals=came)
    before = made.head.balance.new.item()
    with calibrated(made, held_out):
        within = made.head.balance.new.item()
    assert made.head.balance.new.item() == before != within
    calibrate(made, held_out)
    assert made.head.balance.new.item() == within == level(made, came)
    calibrate(made, replace(held_out, arrivals=None))
    assert made.head.balance.new.item() != within
