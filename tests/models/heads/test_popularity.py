from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pytest
import torch

from models.artifact import load_artifact, save_artifact
from models.batch import request_batch, training_batch
from models.columns import ID_MASKED
from models.config import HstuConfig, ItemTowerConfig, ModelConfig, SampledSoftmaxConfig
from models.families.registry import build
from models.golden import Golden, check_golden
from models.heads.popularity import SCALE, UNSEEN, PopularityHead
from models.inference import score, similar
from models.interactions import Interactions
from models.manifest import GOLDEN, Manifest
from models.next_items import NextItems
from models.objectives.next_item import NextItem
from models.recommender import Recommender
from models.training.task import Task
from models.vocabulary import Vocabulary

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CONFIG = ModelConfig(
    width=8,
    max_length=4,
    popularity=True,
    input_dropout=0.0,
    backbone=HstuConfig(layers=1, head_dim=4),
    items=ItemTowerConfig(content_dim=3),
)
POPULARITY = torch.tensor([0.0, 3e3, 1.0, 0.0, 9e6, 20.0])


def model(popularity: torch.Tensor = POPULARITY) -> Recommender:
    torch.manual_seed(0)
    content = torch.randn(len(popularity), 3)
    made: Recommender = build(CONFIG, len(popularity) - 1, content=content, popularity=popularity)
    return made.eval()


def logits(of: Recommender, state: torch.Tensor, items: list[int], unseen: tuple[int, ...] = ()) -> torch.Tensor:
    """What the head says of items, written out; those in `unseen` count as having no interaction."""
    vectors = of.items(torch.tensor(items))
    counts = (
        POPULARITY[items] / POPULARITY[POPULARITY > 0].mean() * ~torch.isin(torch.tensor(items), torch.tensor(unseen))
    )
    return SCALE * torch.cosine_similarity(state, vectors) + (counts + UNSEEN).log()


def test_before_training_everybody_gets_what_is_popular() -> None:
    counts = torch.ones(1001)
    counts[[0, 700]] = torch.tensor([0, 1e6])
    made = model(counts)
    histories = Interactions.of([([1, 2], [0, 1]), ([3, 3, 2], [0, 1, 2])])
    batch, _ = training_batch(histories, np.arange(2), 4)
    scores = made.queries(batch) @ made.retrieval_vectors(1000).T
    assert scores[:, 1:].argmax(1).tolist() == [699, 699]


def test_the_loss_is_that_of_the_logits_whatever_temperature_is_configured() -> None:
    histories = Interactions.of([([1, 2, 4, 5], [0, 1, 2, 3])]).with_columns(
        {ID_MASKED: np.array([False, False, False, True])}
    )
    batch, labels = training_batch(histories, np.arange(1), 4)
    made = model()
    task = Task(made, [NextItem(SampledSoftmaxConfig(negatives=500, shared=True, temperature=0.05))]).eval()
    loss, _ = task(NextItems(batch, labels), torch.Generator().manual_seed(1))

    drawn = torch.randint(1, 6, (500,), generator=_after_chance(batch.item_index.shape))
    states, terms = made(batch), []
    for place, label in enumerate(labels.item_index.tolist()):
        negatives = drawn[drawn != label].tolist()
        is_new = place == 2
        # The vector of an item whose ID is masked is the out-of-vocabulary one.
        own = logits(made, states[place], [label])
        if is_new:
            vector = made.items(torch.tensor([label]), torch.tensor([True]))
            own = SCALE * torch.cosine_similarity(states[place], vector) + torch.tensor(UNSEEN).log()
        every = torch.cat([own, logits(made, states[place], negatives)])
        terms.append(every.logsumexp(0) - every[0])
    torch.testing.assert_close(loss, torch.stack(terms).mean())


def _after_chance(shape: torch.Size) -> torch.Generator:
    """The generator of the loss, once it has drawn which IDs of the history are hidden."""
    generator = torch.Generator().manual_seed(1)
    torch.rand(shape, generator=generator)
    return generator


def test_a_version_answers_as_its_model_and_tells_alike_items_by_their_vectors_alone(tmp_path: Path) -> None:
    made = model()
    with torch.no_grad():
        cast(PopularityHead, made.head).weight.fill_(0.5)
    vocabulary = Vocabulary(pl.Series(list("abcde")), np.arange(1, 6), POPULARITY.numpy())
    manifest = Manifest(version="v1", created=NOW, cutoff=NOW, data_end=NOW, positive_actions=["view"])
    folder = save_artifact(tmp_path, manifest, made, vocabulary)
    kept = load_artifact(folder)
    check_golden(kept, Golden.read(folder / GOLDEN))
    asked = Interactions.of([([1, 2], [0, 1]), ([4], [0])])
    batch = request_batch(asked, np.array([9, 9]), CONFIG.max_length)
    expected = made.queries(batch) @ made.retrieval_vectors(5).T
    torch.testing.assert_close(score(kept, asked, np.array([9, 9]))[:, 1:], expected[:, 1:])
    vectors = torch.nn.functional.normalize(made.items(torch.arange(6)), dim=-1)
    alike = similar(kept, 4)
    torch.testing.assert_close(alike[[1, 2, 3, 5]], (vectors @ vectors[4])[[1, 2, 3, 5]])


def test_it_must_be_told_how_popular_items_are() -> None:
    with pytest.raises(ValueError, match="popularity"):
        build(CONFIG, 5, content=torch.randn(6, 3))
