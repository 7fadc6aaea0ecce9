from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pytest
import torch

from models.artifact import Artifact, load_artifact, save_artifact
from models.batch import request_batch, training_batch
from models.columns import ID_MASKED, REPEATED
from models.config.losses import SampledSoftmaxConfig
from models.config.model import HstuConfig, ItemTowerConfig, ModelConfig
from models.families.registry import build
from models.golden import Golden, check_golden
from models.heads.balance import SCALE, UNSEEN
from models.heads.popularity import PopularityHead
from models.inference import score, similar
from models.interactions import Interactions
from models.manifest import GOLDEN, Manifest
from models.next_items import NextItems
from models.objectives.next_item import NextItem
from models.popularity import PopularityOverTime
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
COUNTS = np.array([[0, 5, 0, 0, 1, 0], [0, 3e3, 1, 0, 9e6, 20]], np.float32)
POPULARITY = PopularityOverTime(np.array([2, 100]), COUNTS)
"""Until 100 ms as it was at 2 ms, then as it was at 100 ms."""


def model(popularity: PopularityOverTime = POPULARITY) -> Recommender:
    torch.manual_seed(0)
    items = popularity.counts.shape[1]
    made: Recommender = build(CONFIG, items - 1, content=torch.randn(items, 3), popularity=popularity)
    return made.eval()


def logits(of: Recommender, state: torch.Tensor, items: list[int], moment: int) -> torch.Tensor:
    """What the head says of items at a moment, written out."""
    counts = torch.from_numpy(COUNTS[moment])
    popularity = counts[items] / counts[counts > 0].mean()
    head = cast(PopularityHead, of.head)
    direction = torch.nn.functional.normalize(state, dim=0)
    return SCALE * of.items(torch.tensor(items)) @ direction + head.balance.popularity * (popularity + UNSEEN).log()


def test_before_training_everybody_gets_what_is_popular() -> None:
    counts = np.ones((1, 1001), np.float32)
    counts[0, [0, 700]] = 0, 1e6
    made = model(PopularityOverTime(np.array([5]), counts))
    histories = Interactions.of([([1, 2], [0, 1]), ([3, 3, 2], [0, 1, 2])])
    batch, _ = training_batch(histories, np.arange(2), 4)
    scores = made.queries(batch) @ made.retrieval_vectors(1000).T
    assert scores[:, 1:].argmax(1).tolist() == [699, 699]


@pytest.mark.parametrize("shared", [True, False])
def test_the_loss_is_that_of_the_logits_of_the_time_of_each_choice(shared: bool) -> None:
    histories = Interactions.of([([1, 2, 4, 5], [0, 1, 2, 100])]).with_columns(
        {ID_MASKED: np.array([False, False, False, True])}
    )
    batch, labels = training_batch(histories, np.arange(1), 4)
    made = model()
    with torch.no_grad():
        cast(PopularityHead, made.head).balance.new.fill_(0.7)
    config = SampledSoftmaxConfig(negatives=500, shared=shared, positions_per_draw=1 if shared else 3, temperature=0.05)
    task = Task(made, [NextItem(config)]).eval()
    loss, _ = task(NextItems(batch, labels), torch.Generator().manual_seed(1))

    drawn = torch.randint(1, 6, (500,), generator=_after_chance(batch.item_index.shape))
    states, terms = made(batch), []
    head = cast(PopularityHead, made.head)
    for place, (label, moment) in enumerate(zip([2, 4, 5], [0, 0, 1], strict=True)):
        negatives = drawn[drawn != label].tolist()
        own = logits(made, states[place], [label], moment)
        if place == 2:
            # An item whose ID is masked has the out-of-vocabulary vector, and the popularity of new items.
            vector = made.items(torch.tensor([label]), torch.tensor([True]))
            direction = torch.nn.functional.normalize(states[place], dim=0)
            own = SCALE * vector @ direction + head.balance.popularity * head.balance.new
        every = torch.cat([own, logits(made, states[place], negatives, moment)])
        terms.append(every.logsumexp(0) - every[0])
    torch.testing.assert_close(loss, torch.stack(terms).mean())

    numbers = [head.balance.popularity, head.balance.new]
    by_popularity, by_new = torch.autograd.grad(torch.stack(terms).mean(), numbers, retain_graph=True)
    loss.backward()
    assert head.balance.popularity.grad is not None
    torch.testing.assert_close(head.balance.popularity.grad, by_popularity, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(head.balance.new.grad, by_new, rtol=1e-4, atol=1e-5)


def test_what_a_user_had_chosen_before_is_not_learned() -> None:
    histories = Interactions.of([([1, 2, 1, 4], [0, 1, 2, 3])])
    marked = histories.with_columns({REPEATED: histories.repeated()})
    batch, labels = training_batch(marked, np.arange(1), 4)
    made, config = model(), SampledSoftmaxConfig(negatives=50, shared=True)
    loss, _ = Task(made, [NextItem(config)]).eval()(NextItems(batch, labels), torch.Generator().manual_seed(1))
    drawn = torch.randint(1, 6, (50,), generator=_after_chance(batch.item_index.shape))
    terms = []
    for place, label in ((0, 2), (2, 4)):
        every = logits(made, made(batch)[place], [label, *drawn[drawn != label].tolist()], 0)
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
        cast(PopularityHead, made.head).balance.popularity.fill_(0.5)
    vocabulary = Vocabulary(pl.Series(list("abcde")), np.arange(1, 6), COUNTS[-1])
    manifest = Manifest(version="v1", created=NOW, cutoff=NOW, data_end=NOW, positive_actions=["view"])
    folder = save_artifact(tmp_path, manifest, made, vocabulary)
    kept = load_artifact(folder)
    check_golden(kept, Golden.read(folder / GOLDEN))
    asked = Interactions.of([([1, 2], [0, 1]), ([4], [0])])
    batch = request_batch(asked, np.array([100, 100]), CONFIG.max_length)
    expected = made.queries(batch) @ made.retrieval_vectors(5).T
    torch.testing.assert_close(score(kept, asked, np.array([100, 100]))[:, 1:], expected[:, 1:])
    vectors = torch.nn.functional.normalize(made.items(torch.arange(6)), dim=-1)
    alike = similar(kept, 4)
    torch.testing.assert_close(alike[[1, 2, 3, 5]], (vectors @ vectors[4])[[1, 2, 3, 5]])


def test_an_answer_about_the_past_goes_by_what_was_popular_then() -> None:
    made = model()
    asked = Interactions.of([([3], [0]), ([3], [0])])
    vocabulary = Vocabulary(pl.Series(list("abcde")), np.arange(1, 6), COUNTS[-1])
    manifest = Manifest(version="v1", created=NOW, cutoff=NOW, data_end=NOW, positive_actions=["view"])
    artifact = Artifact.of(manifest, made, vocabulary)
    then, now = score(artifact, asked, np.array([50, 100]))
    assert (int(then[1:].argmax()) + 1, int(now[1:].argmax()) + 1) == (1, 4)
    batch = request_batch(asked, np.array([50, 100]), CONFIG.max_length)
    with torch.no_grad():
        states = made(batch)
        torch.testing.assert_close(then[1:], logits(made, states[0], [1, 2, 3, 4, 5], 0))
        torch.testing.assert_close(now[1:], logits(made, states[1], [1, 2, 3, 4, 5], 1))
