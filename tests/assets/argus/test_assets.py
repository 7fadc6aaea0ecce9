"""ARGUS on a real Dagster instance: trained on everything that happened, evaluated on what came after the cutoff."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from assets.argus.assets import argus_backbone, argus_evaluation, user_item_towers
from assets.argus.evaluate import FROZEN, GROWING, ITEM_RATE, ArgusEvaluation, evaluate_argus
from assets.argus.evaluate_towers import PRODUCTION, TOWERS, WITHOUT_DELAY, TowersEvaluation, evaluate_towers
from assets.argus.settings import ArgusSettings
from assets.ranking.assets import ranking_set
from assets.ranking.dataset import ASKED as ASKED_USERS
from assets.ranking.evaluate import NotEvaluated
from assets.ranking.ranking_set import RankingSetSettings
from assets.ranking.settings import RankingSettings
from assets.resources import RayCluster, Storage
from assets.splits.settings import EvaluationSettings
from assets.training.interaction_files import COLUMNS_READ, DECLARED, read_columns, read_interactions
from assets.training.settings import TrainingSettings
from assets.versions import newest_manifest
from models.artifact import load_artifact
from models.declared import DeclaredColumn
from models.manifest import EVALUATION
from storage.lake import Lake
from tests.assets.ranking.worlds import ITEMS, USERS, write_shop

ARGUS: dict[str, Any] = {
    "factors": [{"name": "clicked", "action": "click"}],
    "model": {
        "width": 16,
        "max_length": 16,
        "output_width": 8,
        "hidden": 16,
        "input_dropout": 0.0,
        "clock": ["hour"],
        "embedding": {"rows": 512, "dim": 4},
        "backbone": {"layers": 1, "heads": 2, "dropout": 0.0},
    },
    "optimisation": {
        "epochs": 20,
        "batch_size": 8,
        "learning_rate": 0.01,
        "schedule": "cosine",
        "interactions": {"in_batch": 32, "uniform": 32},
    },
}
LEARN_TOWERS: dict[str, Any] = {
    "scale": [{"factor": "clicked", "grade": 1}],
    "optimisation": {"epochs": 20, "batch_size": 8, "learning_rate": 0.01, "schedule": "cosine"},
}
RANKING = RankingSettings.model_validate({"use_content": False, "model": {"actions": ["click", "play"]}})
ASKED = EvaluationSettings.model_validate({"resamples": 100})
TRAINING = TrainingSettings(positive_actions=("click",))


def run(lake: Lake, instance: dg.DagsterInstance, *only: str, **argus: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [ranking_set, argus_backbone, user_item_towers, argus_evaluation],
        instance=instance,
        selection=dg.AssetSelection.assets(*only) if only else None,
        resources={
            "lake": Storage(root=lake.root),
            "training": TRAINING,
            "argus": ArgusSettings.model_validate({**ARGUS, "towers": LEARN_TOWERS, **argus}),
            "evaluation": ASKED,
            "ranking_set_settings": RankingSetSettings.of(RANKING, ASKED, TRAINING),
            "ray": RayCluster(mode="inline"),
        },
        raise_on_error=False,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lake, dg.DagsterInstance, dict[str, Any]]]:
    lake = Lake(str(tmp_path_factory.mktemp("shop") / "lake"))
    write_shop(lake)
    with dg.instance_for_test() as instance:
        result = run(lake, instance)
        assert result.success
        pages = {
            asset: result.asset_materializations_for_node(asset)[0].metadata
            for asset in ("argus_backbone", "user_item_towers", "argus_evaluation")
        }
        told = {asset: {name: entry.value for name, entry in page.items()} for asset, page in pages.items()}
        yield lake, instance, told


def folder_of(lake: Lake) -> Path:
    return next(lake.folder("artifacts/argus").glob("[!.]*"))


def test_it_learns_what_is_clicked_and_reports_it(made: tuple[Lake, dg.DagsterInstance, dict[str, Any]]) -> None:
    lake, _, told = made
    report = ArgusEvaluation.model_validate_json((folder_of(lake) / EVALUATION).read_text())
    assert (report.users, report.interactions) == (len(USERS), len(USERS) * 8)
    assert list(report.scorers) == [GROWING, FROZEN, ITEM_RATE]
    ours = report.scorers[GROWING]
    assert ours["clicked"]["ne"].mean < 0.7
    assert ours["clicked"]["auc"].mean > 0.9
    assert ours["next item"]["ne"].mean < 1
    assert report.scorers[FROZEN]["clicked"]["auc"].mean > 0.6
    assert "next item" not in report.scorers[ITEM_RATE]
    page = told["argus_evaluation"]
    assert page["clicked_ne"] == ours["clicked"]["ne"].mean
    assert page["plot"].startswith("![")
    assert "next item" in page["metrics"]
    assert report.positives["clicked"] > 0
    assert told["argus_backbone"]["factors"] == "clicked"
    assert told["argus_backbone"]["context_columns"] == "surface"


def test_a_version_tells_what_it_was_made_of(made: tuple[Lake, dg.DagsterInstance, dict[str, Any]]) -> None:
    lake, _, told = made
    artifact = load_artifact(folder_of(lake))
    config = artifact.model.config
    assert config.actions == ("click", "play", "impression")
    assert artifact.manifest.training_set == told["argus_backbone"]["training_set"]
    assert len(artifact.vocabulary.trained) == ITEMS
    mine = replace(lake, family="argus")
    assert newest_manifest(mine).version == artifact.version
    with pytest.raises(NotEvaluated, match=r"window_days is 3, .* materialize `ranking_set` and `argus_backbone`"):
        evaluate_argus(mine, artifact, EvaluationSettings(window_days=3))


def test_factors_that_are_not_there_are_refused_before_anything_is_trained(
    made: tuple[Lake, dg.DagsterInstance, dict[str, Any]],
) -> None:
    lake, instance, _ = made
    for factor, why in (
        ({"name": "buy", "action": "buy"}, "factor buy is of the action 'buy', not one of"),
        ({"name": "s", "column": "surface"}, "'surface', which is known at the request"),
    ):
        result = run(lake, instance, "argus_backbone", factors=[factor])
        (failure,) = (event for event in result.all_events if event.is_step_failure)
        assert why in str(failure.step_failure_data.error)
    assert len(list(lake.folder("artifacts/argus").glob("[!.]*"))) == 1


def test_what_follows_from_the_data_is_not_for_a_profile_to_say() -> None:
    with pytest.raises(ValueError, match=r"model\.actions is not for a profile to say"):
        ArgusSettings.model_validate({"model": {"actions": ["click"]}})
    names = [factor.name for factor in ArgusSettings().told(("click", "play"))]
    assert names == ["click", "play"]
    assert ArgusSettings(learn="next_item").told(("click",)) == ()


def towers_of(lake: Lake) -> list[Path]:
    return sorted(lake.folder("artifacts/argus_towers").glob("[!.]*"))


def test_the_towers_are_made_of_the_backbone_and_reported_with_their_delay(
    made: tuple[Lake, dg.DagsterInstance, dict[str, Any]],
) -> None:
    lake, _, told = made
    report = TowersEvaluation.model_validate_json((towers_of(lake)[0] / EVALUATION).read_text())
    page, trained = told["argus_evaluation"], told["user_item_towers"]
    assert trained["started_from"] == folder_of(lake).name
    assert (trained["delay_hours"], trained["scale"]) == (24.0, "clicked from class 1: 1")
    # Of two days, what was shown on the first has no state; nor has the first of the second, where it ended as late.
    learned = 8 * (len(USERS) - 2)
    assert trained["impressions"] + trained["without_state"] == 2 * learned
    assert learned - len(USERS) < trained["impressions"] <= learned
    assert (report.users, report.impressions, report.without_state) == (len(USERS), 8 * len(USERS), 0)
    assert list(report.scorers) == [TOWERS, WITHOUT_DELAY, ITEM_RATE]
    accuracy = report.pairs[TOWERS]["pair_accuracy"].mean
    assert accuracy > 0.9
    assert accuracy == pytest.approx(report.scorers[TOWERS]["clicked"]["pair_accuracy"].mean)
    theirs = report.pairs[ITEM_RATE]["pair_accuracy"].mean
    assert report.pairs[ITEM_RATE]["pair_uplift"].mean == pytest.approx(accuracy / theirs - 1)
    assert {"auc", "gauc", "ndcg@5"} <= set(report.scorers[TOWERS]["clicked"])
    assert (page["towers_version"], page["towers_delay_hours"]) == (report.version, 24.0)
    assert page["towers_pair_accuracy"] == accuracy
    assert "argus_towers, delay 0" in page["towers_metrics"]


def test_towers_from_scratch_and_what_does_not_fit(made: tuple[Lake, dg.DagsterInstance, dict[str, Any]]) -> None:
    lake, instance, _ = made
    few = {**LEARN_TOWERS, "optimisation": {"epochs": 1, "batch_size": 8}}
    result = run(lake, instance, "user_item_towers", towers={**few, "pretrained": False, "delay_hours": 0.0})
    page = result.asset_materializations_for_node("user_item_towers")[0].metadata
    assert page["started_from"].value == "scratch"
    assert load_artifact(towers_of(lake)[-1]).model.config.delay_hours == 0
    for towers, why in (
        ({**few, "scale": [{"factor": "buy", "grade": 1}]}, "the scale names the factor 'buy', not one of"),
        ({**few, "delay_hours": 9e4}, "no impression is left to learn from or to judge"),
    ):
        result = run(lake, instance, "user_item_towers", towers=towers)
        (failure,) = (event for event in result.all_events if event.is_step_failure)
        assert why in str(failure.step_failure_data.error)
    assert len(towers_of(lake)) == 2
    for name in ("surface", "score"):
        with pytest.raises(NotEvaluated, match=f"argus.towers.production is '{name}', which is no number"):
            evaluate_towers(replace(lake, family="argus_towers"), load_artifact(towers_of(lake)[0]), ASKED, name)


def test_a_window_without_impressions_that_have_a_state_is_refused(
    made: tuple[Lake, dg.DagsterInstance, dict[str, Any]],
) -> None:
    lake, _, _ = made
    artifact = load_artifact(towers_of(lake)[0])
    artifact.model.config = artifact.model.config.model_copy(update={"delay_hours": 9e4})
    why = r"in the 1 day\(s\) from 2026-01-03 no impression is left .* 192 impressions of users without a state"
    with pytest.raises(NotEvaluated, match=why):
        evaluate_towers(replace(lake, family="argus_towers"), artifact, ASKED)


def test_the_uplift_is_over_what_production_said(made: tuple[Lake, dg.DagsterInstance, dict[str, Any]]) -> None:
    lake, _, _ = made
    artifact, mine = load_artifact(towers_of(lake)[0]), replace(lake, family="argus_towers")
    folder = lake.folder("ranking_sets") / artifact.manifest.training_set
    column = {"score": DeclaredColumn(known="request", type="number")}
    stored = read_columns(folder).model_copy(update={"declared": column})
    (folder / COLUMNS_READ).write_text(stored.model_dump_json())
    clicked = (read_interactions(folder, ASKED_USERS).column("actions") & 1).astype(np.float32)
    said = np.where(np.random.default_rng(0).random(len(clicked)) < 0.3, np.nan, clicked).astype(np.float32)
    np.save(folder / f"{ASKED_USERS}.{DECLARED}0.npy", said)
    found = evaluate_towers(mine, artifact, ASKED, "score").pairs
    # Production is always right here, so the towers are worse by what they miss of the pairs of which it says anything.
    assert found[PRODUCTION]["pair_accuracy"].mean == 1
    assert -0.1 < found[PRODUCTION]["pair_uplift"].mean <= 0
    np.save(folder / f"{ASKED_USERS}.{DECLARED}0.npy", np.full(len(said), np.nan, np.float32))
    with pytest.raises(NotEvaluated, match="'score', of which no impression of the window has a number"):
        evaluate_towers(mine, artifact, ASKED, "score")
