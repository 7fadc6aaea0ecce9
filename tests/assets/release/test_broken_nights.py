"""Nights on which something breaks still end in the best version that answers: popularity at worst."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from assets.evaluation.assets import evaluation
from assets.release.assets import release
from assets.release.settings import ReleaseSettings
from assets.resources import RayCluster, Storage
from assets.sources.settings import open_source
from assets.splits.settings import EvaluationSettings
from assets.training.assets import hstu_model, hstu_without_content
from assets.training.blend_assets import blended_model
from assets.training.set_assets import training_set
from assets.training.settings import TrainingSettings
from assets.training.simple_assets import simple_models
from assets.training.training_set import TrainingSetSettings
from assets.versions import releases_of
from models.auto import read_section
from models.evaluation.cases import EvaluationCases
from models.evaluation.model_scorer import ModelScorer
from models.evaluation.report import VersionEvaluation
from models.recommender import Recommender
from storage.lake import Lake
from tests.assets.evaluation.test_evaluate_version import BROKEN
from tests.assets.evaluation.worlds import fit_simple_models, write_version, write_world
from tests.assets.sequences.test_build import events, put, update
from tests.assets.training.test_set_assets import ITEMS, write_catalogue

EVALUATION = {"ks": [2, 5], "metric": "ndcg@2", "resamples": 100, "leave_one_out_users": 10}


def told(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    return {name: entry.value for name, entry in result.asset_materializations_for_node(asset)[0].metadata.items()}


def night(lake: Lake, damage: Callable[[Path], None]) -> dg.ExecuteInProcessResult:
    """Evaluation and release of a night whose trained version suffers that."""

    @dg.asset(name="hstu_model")
    def trained() -> dg.MaterializeResult:
        folder = write_version(lake, "new")
        fit_simple_models(lake, folder)
        damage(folder)
        return dg.MaterializeResult(metadata={"version": "new"})

    source = {"kind": "demo_world", "events": 1_000}
    return dg.materialize(
        [trained, evaluation, release],
        resources={
            "lake": Storage(root=lake.root, id_type="int64"),
            "source": open_source(source, landing=str(lake.folder("landing")), first_day=date(2026, 3, 1)),
            "evaluation": EvaluationSettings.model_validate(EVALUATION),
            "release": ReleaseSettings(metric="ndcg@2", min_users=1),
        },
    )


@pytest.mark.parametrize("damage", ["half the weights", "not finite", "shuffled"])
def test_a_trained_version_that_does_not_answer_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    lake = Lake(str(tmp_path))
    write_world(lake)
    result = night(lake, BROKEN[damage])
    _is_refused(lake, result, "version new cannot answer: ")


def test_a_trained_version_that_fails_while_it_scores_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(str(tmp_path))
    write_world(lake)
    scored = ModelScorer.score

    def fails(self: ModelScorer, cases: EvaluationCases) -> np.ndarray:
        if self.name == "hstu":
            return np.full((len(cases), len(self.vocabulary) + 1), np.nan)
        return scored(self, cases)

    monkeypatch.setattr(ModelScorer, "score", fails)
    _is_refused(lake, night(lake, lambda folder: None), "scorer 'hstu' gave NaN for user ")


def _is_refused(lake: Lake, result: dg.ExecuteInProcessResult, why: str) -> None:
    shown, log = told(result, "release"), releases_of(lake).log()
    champion = releases_of(lake).champion()
    assert champion in ("new-popularity", "new-item_knn", "new-ials")
    (rejected,) = log.filter(action="reject").rows(named=True)
    assert rejected["version"] == "new"
    assert rejected["reason"].startswith(f"new is not released: {why}")
    assert shown["refusal"] == rejected["reason"]
    written = VersionEvaluation.read(lake.folder("artifacts/popularity") / "new-popularity")
    assert written.broken_candidate is not None
    assert (written.broken_candidate.version, written.version) == ("new", "new-popularity")
    assert set(written.contestants) == {"popularity", "item_knn", "ials"}
    (check,) = (c for c in result.get_asset_check_evaluations() if c.check_name == "beats_popularity")
    assert not check.metadata["measured"].value


def three_days(folder: Path, user: Callable[[int, int], str]) -> Lake:
    """A lake of twenty clicks a day; `user` says whose the n-th of a day is."""
    lake = Lake(str(folder / "lake"))
    for day in range(3):
        rows = [
            (user(day, n), ITEMS[n % len(ITEMS)], 86_400 * day + n, "click", None, None, None, n) for n in range(20)
        ]
        put(lake, events(rows, day), day)
        update(lake)
    write_catalogue(lake)
    return lake


def trained_night(lake: Lake, instance: dg.DagsterInstance, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
    """A night from the training set to the release."""
    training = read_section(TrainingSettings, {"positive_actions": ["click"], "use_content": False})
    asked = read_section(EvaluationSettings, {})
    return dg.materialize(
        [training_set, hstu_model, hstu_without_content, simple_models, blended_model, evaluation, release],
        instance=instance,
        raise_on_error=raise_on_error,
        resources={
            "lake": Storage(root=lake.root),
            "source": open_source({"kind": "files", "events": {"path": "unread.csv"}}, "", date(2026, 1, 1)),
            "training": training,
            "set_settings": TrainingSetSettings.of(training, asked),
            "evaluation": asked,
            "release": ReleaseSettings(),
            "ray": RayCluster(mode="inline"),
        },
    )


def test_where_training_fails_the_first_night_ends_in_a_simple_model_and_a_later_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = three_days(tmp_path, lambda day, n: f"u{n}")

    def fails(*arguments: Any) -> None:
        raise MemoryError("no memory is left")

    monkeypatch.setattr(Recommender, "view", fails)
    with dg.instance_for_test() as instance:
        first = trained_night(lake, instance)
        assert told(first, "hstu_model")["skipped"].endswith("no memory is left")
        assert told(first, "blended_model")["skipped"].endswith("no memory is left")
        champion = releases_of(lake).champion()
        assert champion == told(first, "simple_models")["version"]
        later = trained_night(lake, instance, raise_on_error=False)
        assert not later.success
        assert releases_of(lake).champion() == champion


def test_where_nobody_has_two_interactions_popularity_is_released_and_nothing_is_trained(tmp_path: Path) -> None:
    lake = three_days(tmp_path, lambda day, n: f"u{day}-{n}")
    with dg.instance_for_test() as instance:
        for _ in range(2):
            result = trained_night(lake, instance)
            assert told(result, "hstu_model")["skipped"].startswith("none of 40 users has two interactions")
            newest = told(result, "simple_models")["version"]
            assert told(result, "evaluation")["version"] == newest
            # Popularity that was counted anew knows more, and nothing is known against it.
            assert releases_of(lake).champion() == newest
            assert told(result, "release")["family"] == "popularity"
