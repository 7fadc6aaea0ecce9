import numpy as np
import polars as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config import HstuConfig, ItemTowerConfig, ModelConfig
from models.families.registry import build
from models.recommender import Recommender
from models.vocabulary import Vocabulary
from models.warm_start import ID_TABLE, Parent, differences, start_from

CONFIG = ModelConfig(
    width=4, max_length=4, backbone=HstuConfig(layers=1, heads=1, head_dim=4), items=ItemTowerConfig(content_dim=2)
)
ITEMS = st.lists(st.tuples(st.integers(0, 15), st.booleans()), min_size=1, unique_by=lambda item: item[0])
"""(id, trained) in the order of their indices."""


def made(items: list[tuple[int, bool]]) -> Vocabulary:
    trained = np.array([index for index, (_, seen) in enumerate(items, 1) if seen][::-1], np.int64)
    return Vocabulary(pl.Series([item for item, _ in items]), trained, np.zeros(len(items) + 1, np.float32))


def model(vocabulary: Vocabulary, seed: int) -> Recommender:
    torch.manual_seed(seed)
    content = torch.randn(len(vocabulary) + 1, 2)
    built: Recommender = build(CONFIG, len(vocabulary), torch.from_numpy(vocabulary.trained), content)
    return built


@settings(max_examples=60, deadline=None)
@given(parent=ITEMS, items=ITEMS)
def test_rows_that_were_trained_are_kept_to_the_bit_and_new_ones_are_as_they_were_drawn(
    parent: list[tuple[int, bool]], items: list[tuple[int, bool]]
) -> None:
    before = made(parent)
    own = made(items).following(before)
    weights = {name: weight.clone() for name, weight in model(before, 1).state_dict().items()}
    fresh = model(own, 2).state_dict()[ID_TABLE].clone()
    started = model(own, 2)
    start_from(Parent(weights, before), started, own)
    state = started.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in state.items() if name != ID_TABLE)
    assert torch.equal(state[ID_TABLE][0], weights[ID_TABLE][0])
    theirs = before.ids(before.trained).to_list()
    for place, item in enumerate(own.ids(own.trained).to_list(), 1):
        expected = weights[ID_TABLE][theirs.index(item) + 1] if item in theirs else fresh[place]
        assert torch.equal(state[ID_TABLE][place], expected)
    assert sum(item in theirs for item in own.ids(own.trained)) == len(set(theirs) & {item for item, _ in items})


def test_differences_name_each_setting() -> None:
    own, theirs = {"width": 4, "backbone": {"layers": 1, "heads": 2}}, {"width": 4, "backbone": {"layers": 3}}
    assert differences(own, theirs) == ["backbone.heads is 2, not None", "backbone.layers is 1, not 3"]
    assert differences(own, own) == []
