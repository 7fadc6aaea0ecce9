import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.batch import training_batch
from models.columns import ID_MASKED
from models.config.losses import SampledSoftmaxConfig
from models.config.model import ItemTowerConfig, ModelConfig
from models.families.registry import build
from models.interactions import Interactions
from models.items import ItemTower
from models.next_items import NextItems
from models.objectives.next_item import NextItem
from models.popularity import DAY_MS, PopularityOverTime
from models.training.task import Task

CONFIG = ModelConfig(width=8, max_length=8, input_dropout=0.0, items=ItemTowerConfig(content_dim=3, id_masking=0.3))
MANY = 10_000


@given(trained=st.lists(st.integers(1, 20), unique=True), masked=st.booleans())
def test_an_item_is_its_row_of_the_table_or_the_shared_vector_and_its_content(trained: list[int], masked: bool) -> None:
    content = torch.randn(21, 3)
    tower = ItemTower(CONFIG.items, 4, 20, torch.tensor(trained, dtype=torch.int64), content)
    assert tower.projection is not None
    assert tower.ids.weight.shape == (len(trained) + 1, 4)
    assert [item for item, can in enumerate(tower.can_be_trained.tolist()) if can] == sorted(trained)
    found = tower(torch.arange(21), torch.full((21,), masked))
    for item in range(21):
        place = trained.index(item) + 1 if item in trained and not masked else 0
        expected = (tower.ids.weight[place] + tower.projection(content[item])) * (item > 0)
        torch.testing.assert_close(found[item], expected)


@settings(max_examples=20, deadline=None)
@given(
    indices=st.lists(st.integers(1, MANY), unique=True, min_size=12, max_size=12),
    source=st.sampled_from(["uniform", "in_batch"]),
    shared=st.booleans(),
    correction=st.sampled_from(["none", "logq"]),
)
def test_where_the_trained_items_stand_in_the_catalogue_changes_no_loss_and_only_they_are_drawn(
    indices: list[int], source: str, shared: bool, correction: str
) -> None:
    """Twelve items of a catalogue of ten thousand train as twelve items do."""
    loss = SampledSoftmaxConfig.model_validate(
        {"negatives": 40, "source": source, "shared": shared, "correction": correction, "cold_negatives": 0.2}
    )
    few = torch.randn(13, 3)
    # Of what was not trained nothing may be looked at: it would show.
    many = torch.full((MANY + 1, 3), 1e30)
    many[torch.tensor([0, *indices])] = few
    walks = [([1, 5, 9, 12, 3], [0, 1, 2, 3, 4]), ([2, 2, 7], [0, 0, 9])]
    found = []
    for items, trained, content in ((12, range(1, 13), few), (MANY, indices, many)):
        torch.manual_seed(0)
        model = build(CONFIG, items, torch.tensor(list(trained)), content)
        histories = Interactions.of([([trained[item - 1] for item in walk], times) for walk, times in walks])
        batch, labels = training_batch(histories, torch.arange(2).numpy(), 8)
        task = Task(model, [NextItem(loss)])
        value, _ = task(NextItems(batch, labels), torch.Generator().manual_seed(4))
        value.backward()
        found.append((value, model.items.ids.weight.grad, model.items.projection.weight.grad))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


@given(first=st.integers(1, 20), second=st.integers(1, 20))
def test_what_has_no_id_is_told_by_its_content_alone(first: int, second: int) -> None:
    tower = ItemTower(CONFIG.items, 4, 20, torch.zeros(0, dtype=torch.int64), torch.ones(21, 3)).eval()
    assert torch.equal(tower(torch.tensor([first])), tower(torch.tensor([second])))


@pytest.mark.parametrize("hide_new", [True, False])
def test_what_was_new_is_hidden_among_the_labels_and_if_asked_for_in_the_history(hide_new: bool) -> None:
    items = ItemTowerConfig(content_dim=3, hide_new=hide_new)
    model = build(CONFIG.model_copy(update={"items": items}), 3, None, torch.ones(4, 3))
    marks = np.array([True, False, True])
    log = Interactions.of([([1, 2, 3], [0, 1, 2])]).with_columns({ID_MASKED: marks})
    view = model.view(NextItems(*training_batch(log, np.arange(1), 8)), torch.Generator().manual_seed(0))
    assert view.id_masked.tolist() == [hide_new, False]
    assert view.label_masked.tolist() == [False, True]


def test_an_item_without_an_id_embedding_is_not_trained_on() -> None:
    model = build(CONFIG, 5, torch.tensor([4, 2]), torch.randn(6, 3))
    data = Interactions.of([([4, 2], [0, 1]), ([0, 2, 3], [0, 1, 2])])
    with pytest.raises(ValueError, match="interaction 2 of user 1 has item index 3"):
        data.among(model.items.can_be_trained)
    assert data.where(data.item_index != 3).among(model.items.can_be_trained).item_index.tolist() == [4, 2, 0, 2]


@pytest.mark.parametrize(("trained", "named"), [([1, 3, 1], "1 is twice"), ([0], "index 0"), ([5], "only items 1..4")])
def test_trained_items_that_are_none_are_refused(trained: list[int], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ItemTower(ItemTowerConfig(), 4, 4, torch.tensor(trained))


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
def test_content_that_is_not_finite_names_the_item(number: float) -> None:
    content = torch.ones(5, 3)
    ItemTower(ItemTowerConfig(content_dim=3), 4, 4, torch.tensor([1, 2]), content)
    content[3, 1] = number
    with pytest.raises(ValueError, match="the content embedding of item index 3 is not finite"):
        ItemTower(ItemTowerConfig(content_dim=3), 4, 4, torch.tensor([1, 2]), content)


def test_content_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="2 wide, but the model is configured for 3"):
        ItemTower(ItemTowerConfig(content_dim=3), 4, 4, torch.tensor([1, 2]), torch.ones(5, 2))


GATED = ItemTowerConfig.model_validate(
    {"content_dim": 3, "gate": "age", "modalities": {"text": {"width": 2}, "image": {"width": 1}}}
)


@given(days=st.lists(st.floats(0, 1e5, width=32), min_size=6, max_size=6), masked=st.booleans())
def test_a_gate_weighs_id_and_each_modality_by_age_and_what_has_no_id_counts_as_new(
    days: list[float], masked: bool
) -> None:
    content, ages, trained = torch.randn(7, 3), torch.tensor([0.0, *days]), torch.tensor([1, 2, 3])
    tower = ItemTower(GATED, 4, 6, trained, content, ages)
    plain = ItemTower(ItemTowerConfig(content_dim=3), 4, 6, trained, content)
    plain.load_state_dict({name: tower.state_dict()[name] for name in plain.state_dict()})
    every = torch.arange(7)
    hidden = torch.full((7,), masked)
    torch.testing.assert_close(tower(every, hidden), plain(every, hidden), msg="it begins at one")
    assert tower.gate is not None
    assert tower.projection is not None
    torch.nn.init.normal_(tower.gate.level)
    torch.nn.init.normal_(tower.gate.slope)
    found = tower(every, hidden)
    for item in range(1, 7):
        place = item if item in (1, 2, 3) and not masked else 0
        of_id, of_text, of_image = tower.gate(ages[item] * (place > 0))
        parts = torch.cat([content[item, :2] * of_text, content[item, 2:] * of_image])
        torch.testing.assert_close(found[item], tower.ids.weight[place] * of_id + tower.projection(parts))
    assert not found[0].any()
    assert found.isfinite().all()


def test_the_gate_learns_from_every_modality_and_starts_as_a_model_without_one_does() -> None:
    popularity = PopularityOverTime(np.array([0, 10 * DAY_MS]), np.array([[0, 1, 0, 0], [0, 2, 1, 0]], np.float32))
    assert popularity.ages().tolist() == [0, 10, 0, 0]
    content = torch.randn(4, 3)
    losses = []
    for tower in (GATED, GATED.model_copy(update={"gate": "none"})):
        torch.manual_seed(0)
        model = build(CONFIG.model_copy(update={"items": tower}), 3, torch.tensor([1, 2]), content, popularity)
        assert model.items.ages.tolist() == ([0, 10, 0, 0] if tower.gate == "age" else [0] * 4)
        batch, labels = training_batch(Interactions.of([([1, 2, 1], [0, 1, 2])]), np.arange(1), 8)
        value, _ = Task(model, [NextItem(SampledSoftmaxConfig(negatives=4))])(
            NextItems(batch, labels), torch.Generator().manual_seed(1)
        )
        value.backward()
        losses.append(value)
        if model.items.gate is not None:
            assert (model.items.gate.level.grad != 0).all()
            assert (model.items.gate.slope.grad != 0).all()
    torch.testing.assert_close(*losses)


def test_a_gate_needs_content() -> None:
    with pytest.raises(ValueError, match="set it to none where content_dim is 0"):
        ItemTowerConfig(gate="age")
    with pytest.raises(ValueError, match="the modalities are 2 wide together, but content_dim is 3"):
        ItemTowerConfig.model_validate({"content_dim": 3, "modalities": {"text": {"width": 2}}})
