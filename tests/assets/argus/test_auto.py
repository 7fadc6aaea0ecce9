"""Settings of ARGUS that follow the data: each fits, is obeyed where it is written, and stands in the version."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.argus.auto import LONGEST, Log, best_half_life, choose_backbone, choose_towers
from assets.argus.settings import CLIP_NORM, ArgusSettings
from assets.splits.auto import HALF_LIVES_DAYS
from assets.training.auto import EPOCHS, LEAST_STEPS, SHORTEST
from models.auto import read_section, value_at
from models.columns import ITEM_INDEX, TIMESTAMP
from models.interactions import Interactions
from models.popularity import DAY_MS

SHOP = Log(lengths=np.full(1_900, 70), judges=200, half_life_days=1.0)
NOT_READ = "optimisation.loss."
"""What the other families learn by."""


@given(
    st.builds(
        Log,
        lengths=st.lists(st.integers(1, 10**5), min_size=1, max_size=50).map(np.array),
        judges=st.integers(0, 500),
        half_life_days=st.sampled_from(HALF_LIVES_DAYS),
    ),
    st.integers(1, 100),
    st.booleans(),
    st.sampled_from(["both", "next_item", "feedback"]),
    st.sampled_from([{}, {"batch_size": 1}, {"tokens_per_step": 4096}]),
)
def test_whatever_the_data_say_each_value_fits_its_field_and_has_a_reason(
    found: Log, workers: int, release: bool, learn: str, optimisation: dict[str, Any]
) -> None:
    settings = read_section(ArgusSettings, {"release": release, "learn": learn, "optimisation": optimisation})
    backbone, chosen = choose_backbone(settings, found, workers)
    towers, chosen_of_towers = choose_towers(settings, found, backbone.model.max_length, workers)
    left = {path for path in settings.left_to_data if NOT_READ not in path}
    assert set(chosen) | set(chosen_of_towers) == left
    assert not set(chosen) & set(chosen_of_towers)
    for made, choices in ((backbone, chosen), (towers, chosen_of_towers)):
        assert type(made).model_validate(made.model_dump()) == made
        assert {path: value_at(made, path) for path in choices} == {path: one.value for path, one in choices.items()}
        assert all(choice.reason[-1] == "." for choice in choices.values())
    assert SHORTEST <= backbone.model.max_length <= LONGEST
    assert backbone.model.popularity == (release and learn != "feedback")


def test_the_steps_are_of_chunks_as_long_as_most_histories() -> None:
    backbone, chosen = choose_backbone(read_section(ArgusSettings, {"release": True}), SHOP, 2)
    assert (backbone.model.max_length, backbone.optimisation.batch_size) == (128, 16)
    assert backbone.optimisation.epochs == EPOCHS
    assert chosen["optimisation.epochs"].reason == (
        "1,900 chunks of histories make 60 steps an epoch, so 20 epochs are about 1,200 steps."
    )
    short = read_section(ArgusSettings, {"model": {"max_length": 10}})
    assert choose_backbone(short, SHOP, 1)[0].optimisation.epochs == 10
    assert not choose_backbone(short, SHOP, 1)[0].model.popularity


def test_what_is_written_is_obeyed_and_other_rules_go_by_it() -> None:
    written = {
        "release": True,
        "model": {"popularity": False, "id_masking": 0.3},
        "optimisation": {"epochs": 3, "learning_rate": 0.01, "batch_size": "auto"},
        "towers": {"optimisation": {"batch_size": 60}},
    }
    settings = read_section(ArgusSettings, written)
    made, chosen = choose_backbone(settings, SHOP, 1)
    assert (made.model.popularity, made.model.id_masking) == (False, 0.3)
    assert (made.optimisation.epochs, made.optimisation.learning_rate, made.optimisation.clip_norm) == (
        3,
        0.01,
        CLIP_NORM,
    )
    assert made.optimisation.batch_size == 32
    assert not {"model.popularity", "optimisation.epochs"} & set(chosen)
    assert "not read" in chosen["model.popularity_half_life_days"].reason
    towers, _ = choose_towers(settings, SHOP, 128, 1)
    assert towers.towers.optimisation.epochs == LEAST_STEPS // 32 == 31
    assert towers.towers.optimisation.clip_norm == CLIP_NORM
    assert towers.optimisation.epochs == 3


def log_of(items: np.ndarray, per_day: int) -> Interactions:
    """One user; so many a day."""
    times = np.arange(len(items)) * (DAY_MS // per_day)
    return Interactions(np.array([0, len(items)]), {ITEM_INDEX: items, TIMESTAMP: times})


@pytest.mark.parametrize(("changes", "expected"), [(2, (1.0, 3.0)), (1_000, HALF_LIVES_DAYS[2:])])
def test_popularity_is_forgotten_as_fast_as_fashions_change(changes: int, expected: tuple[float, ...]) -> None:
    random, per_day = np.random.default_rng(0), 60
    fashions = random.permutation(np.arange(1, 21))
    days = np.arange(40 * per_day) // per_day
    favourite = fashions[days // changes % len(fashions)]
    items = np.where(random.random(len(days)) < 0.7, favourite, random.integers(1, 21, len(days)))
    assert best_half_life(log_of(items, per_day), 20, HALF_LIVES_DAYS) in expected
    empty = Interactions(np.array([0, 0]), {ITEM_INDEX: np.zeros(0, np.int64), TIMESTAMP: np.zeros(0, np.int64)})
    assert best_half_life(empty, 20, HALF_LIVES_DAYS) == HALF_LIVES_DAYS[0]
