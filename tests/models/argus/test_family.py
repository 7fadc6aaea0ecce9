"""The family `argus`: it learns, tells everybody something finite, and a version answers as the model did."""

import doctest
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import models.argus
from models.argus.config import ArgusConfig
from models.argus.examples import ArgusExamples
from models.argus.model import Argus
from models.argus.predictions import predict
from models.argus.scoring import score_impressions
from models.artifact import Artifact, load_artifact, save_artifact
from models.columns import ACTIONS, ITEM_INDEX, SURFACE
from models.config.losses import InteractionLossConfig
from models.config.training import TrainingConfig
from models.evaluation.normalised_entropy import feedback_entropies, next_item_entropy, ratio_over_users
from models.families.family import NoVectors
from models.families.registry import family_of
from models.golden import Golden, check_golden
from models.interactions import Interactions
from models.manifest import GOLDEN, Manifest
from models.objectives.next_item_question import NextItemQuestion
from models.training.loop import fit
from models.training.task import Task
from models.vocabulary import Vocabulary
from tests.models.argus.worlds import ITEMS, argus, config, people

LEARN = TrainingConfig(
    epochs=6, batch_size=8, learning_rate=0.01, interactions=InteractionLossConfig(in_batch=64, uniform=64)
)


def predictable(users: int = 40) -> Interactions:
    """The item after i is i + 1, and even ones are liked."""
    made = people([8] * users)
    place = np.arange(8 * users) % 8
    items = 1 + (np.repeat(np.arange(users) * 3, 8) + place) % ITEMS
    return made.with_columns({ITEM_INDEX: items, ACTIONS: 1 + 2 * (items % 2 == 0)})


@dataclass(frozen=True)
class Held:
    histories: Interactions
    validation: Interactions


def trained(of: ArgusConfig, users: Interactions, training: TrainingConfig = LEARN) -> Argus:
    torch.manual_seed(0)
    return fit(Argus(of, ITEMS), users, training)


@pytest.mark.parametrize(("form", "most"), [("summed", 0.95), ("interleaved", 1.0)])
def test_it_learns_what_comes_next_and_what_comes_of_it(form: str, most: float) -> None:
    users = predictable()
    model = trained(config(form=form), users, LEARN.model_copy(update={"epochs": 15, "schedule": "cosine"}))
    others = predictable(10).take(np.arange(5, 10))
    held = Held(users, others)
    told = family_of(model.config).validate(model, held)
    assert told["next_item_ne"] < most
    assert told["feedback_ne"] < 0.7
    assert told["ne"] == pytest.approx((told["next_item_ne"] + told["feedback_ne"]) / 2)
    said = predict(model, ArgusExamples(others, model.config))
    assert feedback_entropies(said)[0] < 0.4


def test_each_half_can_be_learned_alone_and_only_what_is_told_has_weights() -> None:
    users = predictable(8)
    one_epoch = LEARN.model_copy(update={"epochs": 1})
    for more, told in (({"factors": ()}, {"ne", "next_item_ne"}), ({"next_item": False}, {"ne", "feedback_ne"})):
        model = trained(config(**more), users, one_epoch)
        assert set(family_of(model.config).validate(model, Held(users, users))) == told
    weights = LEARN.interactions.model_copy(update={"weights": {"fun": 1.0}})
    with pytest.raises(ValueError, match=r"weights of \['fun'\] are of no loss"):
        trained(config(), users, one_epoch.model_copy(update={"interactions": weights}))


@pytest.mark.parametrize("correction", ["none", "classic", "refined"])
def test_users_who_only_skip_and_a_factor_of_one_class_are_learned_from(correction: str) -> None:
    users = people([8, 1, 3])
    users = users.with_columns({ACTIONS: np.ones(12, np.int64)})
    loss = LEARN.interactions.model_copy(update={"correction": correction})
    model = trained(config(), users, LEARN.model_copy(update={"interactions": loss, "epochs": 2}))
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    told = family_of(model.config).validate(model, Held(users, users))
    assert all(np.isfinite(value) for value in told.values())
    assert family_of(model.config).validate(model, Held(users, people([0]))) == {}


def test_before_training_it_says_how_often_classes_occur() -> None:
    users = predictable()
    model = argus(config())
    torch.nn.init.zeros_(model.told[-1].bias)  # type: ignore[index,arg-type]
    family = family_of(model.config)
    family.begin(model, family.examples(model, users, LEARN))
    said = predict(model, ArgusExamples(users, model.config))
    for value in feedback_entropies(said):
        assert value == pytest.approx(1, abs=0.1)


def test_a_uniform_guess_of_the_next_item_is_as_good_as_frequencies_where_all_are_alike() -> None:
    users = people([8] * 50)
    model = argus(config())
    with torch.no_grad():
        assert model.next_item is not None
        assert model.next_item.log_temperature is not None
        model.next_item.log_temperature.fill_(np.log(100.0))
    question = NextItemQuestion(InteractionLossConfig(), np.ones(ITEMS + 1), "cpu")
    said = predict(model, ArgusExamples(users, model.config), question=question)
    assert len(said.next_item) == 400
    assert next_item_entropy(said) == pytest.approx(1, abs=0.01)
    # The loss of who holds all items equally likely, however few negatives tell it.
    assert said.unigram.mean() == pytest.approx(np.log(ITEMS), abs=0.15)
    measure = ratio_over_users(said.next_users, said.next_item, said.unigram, 100, 0)
    assert measure is not None
    assert (measure.low or 0) <= measure.mean <= (measure.high or 0)
    assert ratio_over_users(said.next_users, said.next_item, 0 * said.unigram, 100, 0) is None


def test_impressions_are_told_as_in_a_frozen_window_wherever_they_stand() -> None:
    of, users = config(), people([9, 0, 12, 4])
    model, histories = argus(of), people([9, 0, 12, 4])
    shown = users.with_columns({"timestamp": users.timestamps + 10**9})
    said = score_impressions(model, histories, shown)
    assert {name: part.shape for name, part in said.items()} == {"like": (25, 2), "played": (25, 3)}
    for part in said.values():
        np.testing.assert_allclose(part.sum(1), 1, atol=1e-5)
    blind = shown.with_columns({ACTIONS: np.zeros(25, np.int64)})
    np.testing.assert_array_equal(score_impressions(model, histories, blind)["like"], said["like"])
    one = score_impressions(model, histories.take(np.array([2])), shown.take(np.array([2])))
    np.testing.assert_allclose(one["like"], said["like"][9:21], atol=1e-5)
    with pytest.raises(ValueError, match="user 0 is shown something before the history has ended"):
        score_impressions(model, histories, users.with_columns({"timestamp": users.timestamps - 10**9}))
    with pytest.raises(ValueError, match="histories of 4 users, and impressions of 1"):
        score_impressions(model, histories, users.take(np.array([0])))
    with pytest.raises(ValueError, match="hold no surface"):
        score_impressions(model, histories, shown.only())


@pytest.mark.parametrize("popularity", [False, True])
@pytest.mark.parametrize("form", ["summed", "interleaved"])
def test_a_version_answers_as_the_model_did(form: str, popularity: bool, tmp_path: Path) -> None:
    content = torch.randn(ITEMS + 1, 3)
    of = config(form=form, items={"content_dim": 3}, item_id=False, popularity=popularity)
    torch.manual_seed(0)
    model = Argus(of, ITEMS, torch.arange(1, ITEMS), content).eval()
    family_of(of).begin(model, ArgusExamples(people([9, 4]), of))
    vocabulary = replace(
        Vocabulary.untrained(pl.Series([f"i{n}" for n in range(1, ITEMS + 1)])), trained=np.arange(1, ITEMS)
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    manifest = Manifest(version="v1", created=now, cutoff=now, data_end=now, positive_actions=["impression"])
    users, shown = people([5, 3]), people([2, 2], seed=4)
    shown = shown.with_columns({"timestamp": shown.timestamps + 10**9})
    before = score_impressions(model, users, shown)
    loaded = load_artifact(save_artifact(tmp_path, manifest, model, vocabulary))
    check_golden(loaded, Golden.read(tmp_path / "argus" / "v1" / GOLDEN))
    for name, part in score_impressions(loaded.model, users, shown).items():
        np.testing.assert_allclose(part, before[name], atol=1e-6)
    scores = loaded.family.score(loaded, users, shown.timestamps[[1, 3]])
    assert scores.shape == (2, ITEMS + 1)
    assert scores[:, 0].isneginf().all()
    assert scores[:, 1:].isfinite().all()


def test_an_item_without_id_has_its_content_and_one_without_either_is_refused() -> None:
    content = torch.randn(ITEMS + 1, 3)
    model = Argus(config(items={"content_dim": 3}), ITEMS, torch.arange(1, 5), content)
    vectors = model.items(torch.arange(ITEMS + 1))
    assert len(vectors[5:].unique(dim=0)) == ITEMS - 4
    without = Argus(config(), ITEMS, torch.arange(1, 5)).items(torch.arange(ITEMS + 1))
    assert len(without[5:].unique(dim=0)) == 1
    with pytest.raises(ValueError, match="an item without ID"):
        Argus(config(item_id=False), ITEMS)
    with pytest.raises(ValueError, match="content embeddings are 3 wide"):
        Argus(config(), ITEMS, None, content)


@pytest.mark.parametrize("popularity", [False, True])
@pytest.mark.parametrize("form", ["summed", "interleaved"])
def test_every_weight_takes_part_or_several_workers_would_wait_for_its_gradient(form: str, popularity: bool) -> None:
    model = argus(config(form=form, popularity=popularity)).train()
    objectives = family_of(model.config).objectives(model, LEARN)
    batch = ArgusExamples(people([8, 5]), model.config).batch(np.arange(2))
    loss, _ = Task(model, objectives)(batch, torch.Generator().manual_seed(0))
    loss.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_a_row_over_the_limit_is_named() -> None:
    model = argus(config(max_length=4))
    with pytest.raises(ValueError, match="row 0 has 6 interactions, the model takes 4"):
        model(ArgusExamples(people([6]), config()).batch(np.array([0])))


def test_the_example_of_the_package() -> None:
    failed, tried = doctest.testmod(models.argus)
    assert (failed, tried > 0) == (0, True)


def test_one_may_learn_of_what_has_a_surface_alone_from_everything_before() -> None:
    users, of = people([8, 5, 7]), config(quality={"folds": 2})
    model, family = argus(of), family_of(of)
    told = {"interactions": {"where": SURFACE, "weights": {"next_item": 0.0}}}
    examples = family.examples(model, users, TrainingConfig.model_validate(told))
    assert isinstance(examples, ArgusExamples)
    assert examples.asked.tolist() == np.flatnonzero(users.column(SURFACE) >= 0).tolist()
    family.begin(model, examples)
    everything = argus(of)
    family.begin(everything, ArgusExamples(users, of))
    assert model.quality is not None
    assert everything.quality is not None
    assert torch.equal(model.quality.of_fold, everything.quality.of_fold)
    assert model.next_item is not None
    weight = model.next_item.item.weight.clone()
    fit(model, users, TrainingConfig.model_validate({**told, "epochs": 1, "batch_size": 2, "weight_decay": 0.0}))
    assert torch.equal(model.next_item.item.weight, weight)
    with pytest.raises(ValueError, match="none of the interactions is asked about"):
        fit(model, users.with_columns({SURFACE: np.full(20, -1)}), TrainingConfig.model_validate(told))
    with pytest.raises(ValueError, match="hold no shelf"):
        fit(model, users, TrainingConfig.model_validate({"interactions": {"where": "shelf"}}))


@pytest.mark.parametrize("form", ["summed", "interleaved"])
def test_a_users_vector_finds_the_next_item(form: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    manifest = Manifest(version="v1", created=now, cutoff=now, data_end=now, positive_actions=["like"])
    vocabulary = Vocabulary(
        pl.Series(range(1, ITEMS + 1)), np.arange(1, ITEMS + 1), np.ones(ITEMS + 1, dtype=np.float32)
    )
    artifact = Artifact.of(manifest, argus(config(form=form, factors=())), vocabulary)
    users = people([5, 0, 8, 1])
    asked = np.full(4, users.timestamps.max() + 60_000)
    vectors = artifact.family.user_vectors(artifact, users, asked)
    torch.testing.assert_close(vectors.norm(dim=1), torch.tensor([1.0, 0.0, 1.0, 1.0]))
    logits = vectors @ artifact.retrieval_vectors[1:].T / artifact.model.next_item.temperature.detach()
    scores = artifact.family.score(artifact, users, asked)[:, 1:]
    some = torch.tensor([0, 2, 3])
    torch.testing.assert_close(logits.log_softmax(1)[some], scores[some], rtol=1e-4, atol=1e-4)
    with pytest.raises(NoVectors, match="tells no next item"):
        artifact.family.encoder_of(config(next_item=False))
