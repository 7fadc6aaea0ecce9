"""The simple models of a training set: tuned on its held-out users, fitted to all of it, written as versions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

from assets.resources import Storage
from assets.splits.settings import EvaluationSettings
from assets.splits.split import SplitRule, split
from assets.training import simple_models as module
from assets.training.dataset import write_training_set
from assets.training.set_assets import training_set
from assets.training.settings import TrainingSettings
from assets.training.simple_assets import simple_models
from assets.training.simple_models import Floor, HeldOutUsers, some_of
from assets.training.training_set import TrainingSetSettings
from assets.versions import artifact_of, versions_of
from models.artifact import load_artifact
from models.auto import read_section
from models.families.registry import fitted_families
from models.fitted.config import IalsConfig, ItemKnnConfig, PopularityConfig
from models.golden import Golden, check_golden
from models.interactions import Interactions
from models.manifest import GOLDEN, Manifest, new_version
from storage.lake import Lake
from tests.assets.training.test_set_assets import lake
from tests.interaction_logs import log_of

START = datetime(2026, 1, 1, tzinfo=UTC)
CUTOFF = START + timedelta(days=30)
USERS, ITEMS = 300, 40

__all__ = ["lake"]


def begun(family: str, **told: Any) -> Manifest:
    return Manifest(
        version=new_version(family), created=CUTOFF, cutoff=CUTOFF, data_end=CUTOFF, positive_actions=["click"], **told
    )


def ring(repeats: bool = False) -> pl.DataFrame:
    """Users walk on a ring of items; with `repeats` the last step of everybody goes back to the first item."""
    walks = [[(user + step) % ITEMS for step in range(6)] for user in range(USERS)]
    if repeats:
        walks = [[*walk[:-1], walk[0]] for walk in walks]
    hours = [[START + timedelta(hours=user % 500 + step) for step in range(6)] for user in range(USERS)]
    return pl.DataFrame(
        {"user_id": range(USERS), "item_ids": walks, "timestamps": hours, "actions": [[1] * 6] * USERS},
        schema_overrides={"timestamps": pl.List(pl.Datetime("ms", "UTC")), "actions": pl.List(pl.Int32)},
    )


def floor(folder: Path, log: pl.DataFrame, validation_users: int = 100) -> Floor:
    items = pl.Series("item_id", range(ITEMS))
    write_training_set(
        folder / "set",
        split(log_of(log, catalogue=items), SplitRule(CUTOFF, timedelta(days=1), 1, leave_one_out_users=0)),
        items.to_frame().with_columns(day=pl.lit(START.date())),
        None,
        half_life_days=7,
        cold_start=timedelta(0),
        validation_users=validation_users,
        seed=0,
    )
    return Floor(folder / "set", begun)


def test_what_is_left_to_the_data_is_what_does_best_on_held_out_users(tmp_path: Path) -> None:
    made = floor(tmp_path, ring())
    config, chosen, numbers = made.tuned(ItemKnnConfig(), ["shrinkage", "half_life_items"])
    assert isinstance(config, ItemKnnConfig)
    assert config.half_life_items < 50, "the next item of a walk is next to its last one"
    assert {name: choice.value for name, choice in chosen.items()} == {
        "shrinkage": config.shrinkage,
        "half_life_items": config.half_life_items,
    }
    assert "NDCG@10 of 100 held-out users is " in chosen["half_life_items"].reason
    held_out = HeldOutUsers.of(made.dataset)
    assert numbers == {module.VALIDATION: held_out.ndcg(config, made)}
    for other in (1.0, 5.0, 50.0):
        assert numbers[module.VALIDATION] >= held_out.ndcg(config.model_copy(update={"half_life_items": other}), made)


def test_what_is_written_by_hand_is_obeyed(tmp_path: Path) -> None:
    made = floor(tmp_path, ring())
    config, chosen, _ = made.tuned(ItemKnnConfig(shrinkage=3.5, half_life_items=77.0), ["shrinkage"])
    assert isinstance(config, ItemKnnConfig)
    assert config.half_life_items == 77.0
    assert set(chosen) == {"shrinkage"}


@pytest.mark.parametrize("log", [ring(repeats=True), ring().head(20)], ids=["nothing new", "few users"])
def test_without_users_to_judge_by_the_first_values_count_and_it_says_so(tmp_path: Path, log: pl.DataFrame) -> None:
    config, chosen, numbers = floor(tmp_path, log).tuned(IalsConfig(alpha=1.0), ["alpha"])
    assert isinstance(config, IalsConfig)
    assert config.alpha == module.TRIED["ials"]["alpha"][0]
    assert "too few to try other values on" in chosen["alpha"].reason
    assert numbers == {}


def test_trials_never_see_what_is_asked_for_and_versions_see_it(tmp_path: Path) -> None:
    made = floor(tmp_path, ring())
    seen = HeldOutUsers.of(made.dataset).training.offsets[-1]
    assert made.training.offsets[-1] == seen + 100 == 6 * USERS


def test_a_large_training_set_is_tried_on_some_of_its_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERACTIONS_TRIED", 1_000)
    everybody = Interactions.of([([1, 2], [0, 1])] * 5_000)
    some = some_of(everybody)
    assert 800 < some.offsets[-1] < 1_200
    assert np.array_equal(some.offsets, some_of(everybody).offsets)
    assert some_of(some) is not everybody


def test_every_family_is_written_as_a_version_that_answers(tmp_path: Path) -> None:
    made, store = floor(tmp_path, ring()), Lake(str(tmp_path / "lake"))
    versions = [made.write(store, config) for config in (PopularityConfig(), ItemKnnConfig(), IalsConfig(factors=8))]
    assert len({version.manifest.version for version in versions}) == 3
    for version in versions:
        assert version.folder == artifact_of(store, version.manifest.version)
        artifact = load_artifact(version.folder)
        check_golden(artifact, Golden.read(version.folder / GOLDEN))
        assert artifact.model.config == version.config
        assert artifact.manifest.training_metrics["seconds"] >= 0


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def made_by_the_asset(lake: Lake, instance: dg.DagsterInstance, training: TrainingSettings) -> dict[str, str]:
    result = dg.materialize(
        [training_set, simple_models],
        instance=instance,
        resources={
            "lake": Storage(root=lake.root, profile="shop"),
            "training": training,
            "set_settings": TrainingSetSettings.of(training, read_section(EvaluationSettings, {})),
        },
    )
    (made,) = result.asset_materializations_for_node("simple_models")
    return {name: str(entry.value) for name, entry in made.metadata.items()}


@pytest.mark.parametrize("family", ["item_knn", "ials"])
def test_one_that_cannot_be_fitted_takes_no_part_and_is_named(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    def fails(*_: Any) -> None:
        raise MemoryError("no memory is left")

    monkeypatch.setattr(fitted_families()[family], "fit", fails)
    training = read_section(TrainingSettings, {"positive_actions": ["click"], "use_content": False})
    told = made_by_the_asset(lake, instance, training)
    assert told[f"{family}_failed"] == "MemoryError: no memory is left"
    left = {"popularity", "item_knn", "ials"} - {family}
    assert {folder.parent.name for folder in versions_of(lake).values()} == left
    assert told["version"] in versions_of(lake)


def test_the_asset_writes_a_version_of_each_and_says_what_was_chosen(lake: Lake, instance: dg.DagsterInstance) -> None:
    training = read_section(
        TrainingSettings,
        {"positive_actions": ["click"], "use_content": False, "simple_models": {"item_knn": {"shrinkage": 3}}},
    )
    told = made_by_the_asset(lake, instance, training)
    folders = versions_of(lake)
    assert sorted(folder.parent.name for folder in folders.values()) == ["ials", "item_knn", "popularity"]
    assert all(version in told["versions"] for version in folders)
    assert "| training.simple_models.ials.alpha | 20.0 |" in told["chosen"]
    assert "simple_models.item_knn.shrinkage" not in told["chosen"]
    for folder in folders.values():
        artifact = load_artifact(folder)
        assert artifact.manifest.training_set == told["training_set"]
        assert artifact.manifest.profile == "shop"
    artifact = load_artifact(next(folder for folder in folders.values() if folder.parent.name == "item_knn"))
    assert artifact.model.config.shrinkage == 3
    assert "training.simple_models.item_knn.half_life_items" in artifact.manifest.chosen
