"""The projected head: what is trained, kept and served is compared in the small dimension, and is the same."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import models.calibration.balance as calibration
from models.artifact import Artifact, load_artifact, save_artifact
from models.batch import request_batch, training_batch
from models.calibration.balance import HeldOutChoices
from models.config.losses import SampledSoftmaxConfig
from models.config.model import ItemTowerConfig, ModelConfig
from models.families.registry import build
from models.golden import Golden, check_golden
from models.heads.popularity import PopularityHead
from models.heads.projection import Projection
from models.inference import score, similar
from models.interactions import Interactions
from models.manifest import GOLDEN
from models.next_items import NextItems
from models.objectives.next_item import NextItem
from models.popularity import PopularityOverTime
from models.recommender import Recommender
from models.space import built_otherwise
from models.training.task import Task
from models.vocabulary import Vocabulary
from tests.models.gradients import gradient
from tests.models.test_artifact import manifest

ITEMS, NARROW, LATER = 9, 3, 10**9
COUNTS = np.array([[0, *range(1, ITEMS + 1)]], np.float32)
VOCABULARY = Vocabulary(pl.Series(range(1, ITEMS + 1)), np.arange(1, ITEMS), COUNTS[0])
BACKBONES: list[dict[str, Any]] = [
    {"name": "hstu_research", "layers": 1, "head_dim": 4},
    {"name": "sasrec", "layers": 1, "heads": 2},
    {"name": "ligr", "layers": 1, "heads": 2},
]


def model(popularity: bool, backbone: int = 0, narrow: int = NARROW) -> Recommender:
    """Item 9 is new, and known by its content alone."""
    torch.manual_seed(0)
    config = ModelConfig.model_validate(
        {
            "width": 8,
            "max_length": 4,
            "input_dropout": 0.0,
            "popularity": popularity,
            "decoding_width": narrow,
            "backbone": {**BACKBONES[backbone], "dropout": 0.0},
            "items": ItemTowerConfig(content_dim=2),
        }
    )
    known = PopularityOverTime(np.array([0]), COUNTS) if popularity else None
    made: Recommender = build(config, ITEMS, torch.arange(1, ITEMS), torch.randn(ITEMS + 1, 2), known)
    torch.nn.init.normal_(made.items.ids.weight)
    return made.eval()


def projection_of(made: Recommender) -> Projection:
    assert made.head.projection is not None
    return made.head.projection


def written_out(made: Recommender, state: Tensor) -> Tensor:
    """(ITEMS + 1,) scores of all items for one user."""
    projection = projection_of(made)
    down = projection.states.weight
    direction = F.normalize(down @ (state * state.sigmoid()), dim=0)
    points = made.items.table(torch.arange(ITEMS + 1)) @ projection.items.weight.T
    if not isinstance(made.head, PopularityHead):
        return F.normalize(points, dim=1) @ direction
    balance = made.head.balance
    popularity = torch.where(made.items.places == 0, balance.new, made.head.log_popularity[-1])
    return balance.log_scale.exp() * points @ direction + balance.popularity * popularity


@settings(max_examples=25, deadline=None)
@given(
    popularity=st.booleans(),
    backbone=st.integers(0, len(BACKBONES) - 1),
    history=st.lists(st.integers(1, ITEMS), min_size=1, max_size=6),
)
def test_what_is_served_is_what_training_compares(popularity: bool, backbone: int, history: list[int]) -> None:
    made = model(popularity, backbone)
    users = Interactions.of([(history, list(range(len(history)))), ([], [])])
    times = np.array([LATER, LATER])
    with torch.no_grad():
        state = made.states(request_batch(users, times, 4))[0]
        table = made.retrieval_vectors(ITEMS)
        queries = made.queries(request_batch(users, times, 4))
    assert table.shape[1] == queries.shape[1] == NARROW + popularity
    assert not table[0, :NARROW].any()
    assert not queries[1, :NARROW].any(), "of nobody nothing is known"
    artifact = Artifact.of(manifest(), made, VOCABULARY)
    served = score(artifact, users, times)[0]
    torch.testing.assert_close(served[1:], written_out(made, state)[1:], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("popularity", [True, False])
def test_the_full_softmax_is_that_of_the_scores_that_are_served(popularity: bool) -> None:
    made = model(popularity)
    loss = SampledSoftmaxConfig(source="all", temperature=0.5).over(made.items.trained)
    batch, labels = training_batch(Interactions.of([([1, 2, 8, 3], [0, 1, 2, 3])]), np.arange(1), 4)
    found, _ = Task(made, [NextItem(loss)]).eval()(NextItems(batch, labels), torch.Generator())
    logits = torch.stack([written_out(made, state)[1:ITEMS] for state in made(batch)])
    expected = F.cross_entropy(logits if popularity else logits / 0.5, labels.item_index - 1)
    torch.testing.assert_close(found, expected)
    found.backward()
    for part in (projection_of(made).states, projection_of(made).items):
        assert gradient(part.weight).abs().sum() > 0


@pytest.mark.parametrize("popularity", [True, False])
def test_a_version_keeps_the_small_table_and_answers_as_before(popularity: bool, tmp_path: Path) -> None:
    made = model(popularity)
    folder = save_artifact(tmp_path, manifest(), made, VOCABULARY)
    kept = load_artifact(folder)
    check_golden(kept, Golden.read(folder / GOLDEN))
    assert kept.model.config.decoding_width == NARROW
    assert kept.item_vectors.shape == (ITEMS + 1, 8)
    assert torch.equal(kept.retrieval_vectors, made.retrieval_vectors(ITEMS))
    points = F.normalize(made.items.table(torch.arange(ITEMS + 1)) @ projection_of(made).items.weight.T, dim=1)
    torch.testing.assert_close(similar(kept, 2)[3:], (points @ points[2])[3:])


def test_calibration_sees_a_new_item_as_it_will_be_scored() -> None:
    made = model(popularity=True)
    assert isinstance(made.head, PopularityHead)
    asked = Interactions.of([([1, 2], [0, 1]), ([3], [0])])
    held_out = HeldOutChoices(asked, np.array([4, 5]), np.array([LATER, LATER]), np.array([True, False]))
    seen, _ = calibration._look(made, made.head, held_out)
    with torch.no_grad():
        states = made.states(request_batch(asked, held_out.times, 4))
        hidden = made.items(torch.tensor([4]), torch.tensor([True]))
        hidden = torch.cat([hidden, made.items(torch.tensor([5]))]) @ projection_of(made).items.weight.T
        expected = (F.normalize(projection_of(made).queries(states), dim=1) * hidden).sum(1)
    torch.testing.assert_close(seen.cosines.gather(1, seen.chosen[:, None])[:, 0], expected)


def test_without_it_nothing_is_there_that_was_not() -> None:
    plain = model(popularity=True, narrow=0)
    assert plain.head.projection is None
    assert not [name for name in plain.state_dict() if name.startswith("head.projection")]
    assert plain.retrieval_vectors(ITEMS).shape[1] == 8 + 1


def test_another_width_is_another_model_and_both_are_named() -> None:
    assert built_otherwise(ModelConfig(decoding_width=8), ModelConfig()) == ["decoding_width is 8, not 0"]


@given(width=st.integers(1, 200), narrow=st.integers(1, 30), seed=st.integers(0, 9))
def test_nothing_stays_nothing_and_the_rest_keeps_about_its_length(width: int, narrow: int, seed: int) -> None:
    torch.manual_seed(seed)
    projection = Projection(width, narrow)
    assert not projection.queries(torch.zeros(2, width)).any()
    assert not projection.items(torch.zeros(2, width)).any()
    lengths = projection.items(torch.eye(width)).square().sum(1)
    assert 0.05 < lengths.mean() < 3 + 20 / (width * narrow)


def test_one_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="decoding_width 1 leaves directions no room"):
        ModelConfig(decoding_width=1)
