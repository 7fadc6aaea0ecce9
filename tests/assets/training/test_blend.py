"""The blend of a trained model and item-kNN: its weight, its version, and when there is none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import torch

from assets.evaluation.evaluate_version import questions_of
from assets.resources import RayCluster, Storage
from assets.splits.settings import EvaluationSettings
from assets.training.assets import hstu_model
from assets.training.blend import WEIGHTS, choose_weight
from assets.training.blend_assets import blended_model
from assets.training.set_assets import training_set
from assets.training.settings import TrainingSettings
from assets.training.simple_assets import simple_models
from assets.training.training_set import TrainingSetSettings
from assets.versions import artifact_of, made_of_set, newest_champion_of_family, releases_of
from models.artifact import Artifact, load_artifact
from models.auto import read_section
from models.config.model import ModelConfig
from models.evaluation.model_scorer import ModelScorer
from models.families.family import NoVectors
from models.families.item_knn import ItemKnn
from models.families.registry import build
from models.fitted.config import ItemKnnConfig
from models.golden import Golden, check_golden
from models.interactions import Interactions
from models.manifest import GOLDEN, MODEL_CARD
from storage.lake import Lake
from tests.assets.training.test_set_assets import lake
from tests.assets.training.test_simple_models import begun, floor, ring

__all__ = ["lake"]


def untrained(folder: Path, users: int) -> tuple[Artifact, Any]:
    """A model that knows nothing, and the walks on a ring whose next item item-kNN knows well."""
    dataset = floor(folder, ring().head(users)).dataset
    torch.manual_seed(0)
    shape = ModelConfig(width=8, max_length=8)
    model = build(shape, len(dataset.vocabulary), torch.from_numpy(dataset.vocabulary.trained))
    return Artifact.of(begun("hstu"), model, dataset.vocabulary), dataset


def test_what_held_out_users_gain_by_is_the_weight(tmp_path: Path) -> None:
    model, dataset = untrained(tmp_path, users=300)
    knows = ItemKnn().fit(ItemKnnConfig(half_life_items=1.0), dataset.histories, dataset.vocabulary)
    choice = choose_weight(model, knows, dataset)
    assert choice.value in WEIGHTS
    assert choice.reason.startswith("NDCG@10 of 100 held-out users is ")
    # The walk of one user tells nothing of what others do next.
    alone = dataset.histories.take(np.arange(1))
    assert choose_weight(model, ItemKnn().fit(ItemKnnConfig(), alone, dataset.vocabulary), dataset).value == 0


def test_few_held_out_users_tell_nothing(tmp_path: Path) -> None:
    model, dataset = untrained(tmp_path, users=20)
    choice = choose_weight(model, ItemKnn().fit(ItemKnnConfig(), dataset.histories, dataset.vocabulary), dataset)
    assert choice.value == 0
    assert "too few to tell" in choice.reason


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def night(lake: Lake, instance: dg.DagsterInstance, **training: Any) -> dict[str, Any]:
    """What `blended_model` says on a night of four assets."""
    values = {
        "positive_actions": ["click"],
        "use_content": False,
        "model": {"width": 8, "max_length": 16, "backbone": {"layers": 1, "heads": 1, "head_dim": 8}},
        "optimisation": {"epochs": 1},
        **training,
    }
    settings = read_section(TrainingSettings, values)
    result = dg.materialize(
        [training_set, simple_models, hstu_model, blended_model],
        instance=instance,
        resources={
            "lake": Storage(root=lake.root, profile="shop"),
            "training": settings,
            "set_settings": TrainingSetSettings.of(settings, read_section(EvaluationSettings, {})),
            "ray": RayCluster(mode="inline"),
        },
    )
    (made,) = result.asset_materializations_for_node("blended_model")
    return {name: entry.value for name, entry in made.metadata.items()}


def test_a_weight_by_hand_makes_a_version_that_answers_by_both_parts(lake: Lake, instance: dg.DagsterInstance) -> None:
    told = night(lake, instance, blend={"weight": 0.25})
    made = made_of_set(lake, told["training_set"])
    assert set(made) == {"popularity", "item_knn", "ials", "hstu", "blend"}
    folder = artifact_of(lake, told["version"])
    assert folder == made["blend"]
    check_golden(load_artifact(folder), Golden.read(folder / GOLDEN))
    blend, hstu = load_artifact(folder), load_artifact(made["hstu"])
    assert blend.manifest.parts == {"hstu": hstu.version, "item_knn": made["item_knn"].name}
    assert all(version in (folder / MODEL_CARD).read_text() for version in blend.manifest.parts.values())
    assert torch.equal(blend.family.similar(blend, 1), hstu.family.similar(hstu, 1))
    somebody = Interactions.of([([1, 2], [0, 1000])]), np.array([2000])
    vectors = [artifact.family.user_vectors(artifact, *somebody) for artifact in (blend, hstu)]
    assert torch.equal(*vectors)
    assert blend.family.encoder_of(blend.model.config) == hstu.model.config
    item_knn = load_artifact(made["item_knn"])
    with pytest.raises(NoVectors, match="family item_knn has no vectors"):
        item_knn.family.user_vectors(item_knn, *somebody)
    for cases in questions_of(lake, blend).cases.values():
        scores = {
            family: ModelScorer(family, load_artifact(of), blend.vocabulary).score(cases) for family, of in made.items()
        }
        assert np.isfinite(scores["blend"]).any()
        assert not np.allclose(scores["blend"], scores["hstu"])


def test_a_warm_start_goes_on_from_the_model_of_a_blend(lake: Lake, instance: dg.DagsterInstance) -> None:
    told = night(lake, instance, blend={"weight": 0.5})
    releases_of(lake).promote(told["version"], "better")
    releases_of(lake).served(told["version"])
    assert newest_champion_of_family(lake) == told["hstu"]


@pytest.mark.parametrize(
    ("training", "why"),
    [
        ({"blend": {"weight": 0}}, "the profile gives item-kNN no weight"),
        ({}, "users could be held out, too few to tell"),
    ],
)
def test_where_it_does_not_pay_there_is_no_blend_and_it_says_why(
    lake: Lake, instance: dg.DagsterInstance, training: dict[str, Any], why: str
) -> None:
    told = night(lake, instance, **training)
    assert why in told["skipped"]
    assert "blend" not in made_of_set(lake, told["training_set"])


def test_a_blend_that_fails_is_left_out_and_the_night_goes_on(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise OSError("no space is left")

    monkeypatch.setattr("models.artifact.load_artifact", fails)
    assert night(lake, instance, blend={"weight": 0.5})["skipped"] == "it failed: OSError: no space is left"
