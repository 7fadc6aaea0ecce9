import numpy as np
import polars as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.config.model import HstuConfig, ItemTowerConfig, ModelConfig
from models.config.training import TrainingConfig
from models.families.registry import build
from models.new_rows import NEIGHBOURS, rows_of_new
from models.recommender import Recommender
from models.training.optimizer import begin_with, make_optimizer, named_state
from models.vocabulary import Vocabulary
from models.warm_start import ID_TABLE, Parent, differences, optimizer_state, start_from

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
def test_rows_that_were_trained_are_kept_to_the_bit_and_new_ones_begin_near_those_that_are_like_them(
    parent: list[tuple[int, bool]], items: list[tuple[int, bool]]
) -> None:
    before = made(parent)
    own = made(items).following(before)
    weights = {name: weight.clone() for name, weight in model(before, 1).state_dict().items()}
    started = model(own, 2)
    drawn = started.state_dict()[ID_TABLE].clone()
    start_from(Parent(weights, before), started, own)
    state = started.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in state.items() if name != ID_TABLE)
    assert torch.equal(state[ID_TABLE][0], weights[ID_TABLE][0])
    theirs = before.ids(before.trained).to_list()
    content = started.items.content[started.items.trained_items]
    known = [place for place, item in enumerate(own.ids(own.trained).to_list(), 1) if item in theirs]
    for place, item in enumerate(own.ids(own.trained).to_list(), 1):
        if item in theirs:
            assert torch.equal(state[ID_TABLE][place], weights[ID_TABLE][theirs.index(item) + 1])
        else:
            expected = begun(content[place], content[known], state[ID_TABLE][known], drawn[place])
            torch.testing.assert_close(state[ID_TABLE][place], expected)
    assert sum(item in theirs for item in own.ids(own.trained)) == len(set(theirs) & {item for item, _ in items})


def begun(own: Tensor, content: Tensor, rows: Tensor, drawn: Tensor) -> Tensor:
    """The row of one new item, item by item."""
    likeness = [
        (float(torch.cosine_similarity(own, other, dim=0)), row) for other, row in zip(content, rows, strict=True)
    ]
    nearest = sorted(likeness, key=lambda pair: -pair[0])[:NEIGHBOURS]
    near = [(max(0.0, alike), row) for alike, row in nearest]
    total = sum(alike for alike, _ in near)
    if not total:
        return rows.mean(0) + drawn if len(rows) else drawn
    return torch.stack([alike / total * row for alike, row in near]).sum(0)


def test_items_without_content_begin_in_the_middle_and_apart_from_each_other() -> None:
    rows, content = torch.randn(5, 3), torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1], [0, 0]])
    noise = 0.02 * torch.randn(4, 3)
    new = torch.tensor([[0.0, 0], [0, 0], [2, 0], [-1, -1]])
    found = rows_of_new(rows, content, new, noise)
    middle = [(rows.mean(0) + noise[place]).tolist() for place in (0, 1, 3)]
    torch.testing.assert_close(found[[0, 1, 3]], torch.tensor(middle))
    torch.testing.assert_close(found[2], rows[:2].mean(0))
    assert torch.equal(rows_of_new(rows[:0], content[:0], new, noise), noise), "nothing was trained"
    torch.testing.assert_close(rows_of_new(rows, 0 * content, new, noise), rows.mean(0) + noise)


def test_the_optimiser_goes_on_where_the_parent_ended_and_begins_anew_for_new_items() -> None:
    before, after = made([(1, True), (2, True)]), made([(2, True), (3, True), (1, True)])
    theirs = model(before, 1)
    optimizer = make_optimizer(theirs, TrainingConfig())
    for parameter in theirs.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    kept = named_state(theirs, optimizer, optimizer.state_dict()["state"])
    vocabulary = after.following(before)
    own = model(vocabulary, 2)
    parent = Parent(theirs.state_dict(), before, kept)
    start_from(parent, own, vocabulary)
    fresh = make_optimizer(own, TrainingConfig(learning_rates={"encoder": 0.5}))
    begin_with(own, fresh, optimizer_state(parent, own, vocabulary))
    for name, parameter in own.named_parameters():
        state = fresh.state[parameter]
        assert float(state["step"]) == 1
        for moment in ("exp_avg", "exp_avg_sq"):
            if name == ID_TABLE:
                assert torch.equal(state[moment][:3], kept[f"{name}.{moment}"])
                assert not state[moment][3:].any()
            else:
                assert torch.equal(state[moment], kept[f"{name}.{moment}"])
    begin_with(own, fresh, {})
    assert not fresh.state_dict()["state"], "a version without it begins anew"


def test_differences_name_each_setting() -> None:
    own, theirs = {"width": 4, "backbone": {"layers": 1, "heads": 2}}, {"width": 4, "backbone": {"layers": 3}}
    assert differences(own, theirs) == ["backbone.heads is 2, not None", "backbone.layers is 1, not 3"]
    assert differences(own, own) == []
