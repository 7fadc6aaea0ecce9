"""The ranker's assets on a real Dagster instance: its set, its training, its report, and what each refuses."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.privacy.forget import forget
from assets.privacy.person import Person
from assets.ranking.assets import has_something_to_ask, ranker_evaluation, ranker_model, ranking_set
from assets.ranking.evaluate import NotEvaluated, RankingEvaluation, evaluate_ranker
from assets.ranking.ranking_set import RankingSetSettings
from assets.ranking.settings import RankingSettings
from assets.resources import RayCluster, Storage
from assets.splits.settings import EvaluationSettings
from assets.training.settings import TrainingSettings
from assets.versions import list_sets, newest_manifest
from models.artifact import load_artifact
from models.manifest import EVALUATION, read_manifest
from serving.loaded import LoadError, load_release
from serving.settings import ReleaseConfig, SequencesVersion, TableVersion
from storage.lake import Lake
from tests.assets.ranking.worlds import ITEMS, USERS, shown, write_shop
from tests.assets.sequences.test_build import put, update

FAMILY = "hstu_dlrm_v3"
RANKING: dict[str, Any] = {
    "use_content": False,
    "model": {
        "width": 16,
        "max_length": 16,
        "actions": ["click", "play"],
        "hidden": 16,
        "head_hidden": 16,
        "input_dropout": 0.0,
        "backbone": {"layers": 1, "heads": 1, "head_dim": 16, "dropout": 0.0},
    },
    "optimisation": {"epochs": 5, "batch_size": 16, "learning_rate": 0.01, "schedule": "cosine"},
}
EVALUATION_SETTINGS: dict[str, Any] = {"resamples": 100}


@dataclass
class Shop:
    """A lake, an instance, and how assets are materialized on them."""

    lake: Lake
    instance: dg.DagsterInstance

    def run(self, *only: str, evaluation: dict[str, Any] | None = None, **ranking: Any) -> dg.ExecuteInProcessResult:
        asked = EvaluationSettings.model_validate({**EVALUATION_SETTINGS, **(evaluation or {})})
        section = RankingSettings.model_validate({**RANKING, **ranking})
        training = TrainingSettings(positive_actions=("click",))
        return dg.materialize(
            [ranking_set, has_something_to_ask, ranker_model, ranker_evaluation],
            instance=self.instance,
            selection=dg.AssetSelection.assets(*only) if only else None,
            resources={
                "lake": Storage(root=self.lake.root),
                "training": training,
                "ranking": section,
                "evaluation": asked,
                "ranking_set_settings": RankingSetSettings.of(section, asked, training),
                "ray": RayCluster(mode="inline"),
            },
            raise_on_error=False,
        )

    @property
    def rankers(self) -> Lake:
        return replace(self.lake, family=FAMILY)

    def versions(self) -> list[Path]:
        return sorted(self.lake.folder(f"artifacts/{FAMILY}").glob("[!.]*"))


def told(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    return {name: entry.value for name, entry in result.asset_materializations_for_node(asset)[0].metadata.items()}


def why(result: dg.ExecuteInProcessResult) -> str:
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    return str(failure.step_failure_data.error)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, dg.ExecuteInProcessResult]]:
    """A shop with a ranker that was trained and evaluated; tests that change it copy it."""
    lake = Lake(str(tmp_path_factory.mktemp("shop") / "lake"))
    write_shop(lake)
    with dg.instance_for_test() as instance:
        shop = Shop(lake, instance)
        result = shop.run()
        assert result.success
        yield shop, result


@pytest.fixture
def shop(made: tuple[Shop, dg.ExecuteInProcessResult], tmp_path: Path) -> Iterator[Shop]:
    """A copy of it with a history of its own."""
    shutil.copytree(made[0].lake.root, tmp_path / "lake")
    with dg.instance_for_test() as instance:
        yield Shop(Lake(str(tmp_path / "lake")), instance)


def test_the_set_tells_what_was_shown(made: tuple[Shop, dg.ExecuteInProcessResult]) -> None:
    page = told(made[1], "ranking_set")
    learned = len(USERS) - page["validation_users"]
    assert (page["users"], page["shown"]) == (learned, learned * 2 * 8)
    assert (page["shown_after_cutoff"], page["users_after_cutoff"]) == (len(USERS) * 8, len(USERS))
    assert (page["items_trained"], page["items_without_id"]) == (ITEMS, 1)
    assert page["lengths"].startswith("![")


def test_it_learns_what_was_clicked_and_says_how_much_better_that_is_than_counting(
    made: tuple[Shop, dg.ExecuteInProcessResult],
) -> None:
    page = told(made[1], "ranker_evaluation")
    report = RankingEvaluation.model_validate_json((made[0].versions()[0] / EVALUATION).read_text())
    assert list(report.scorers) == ["ranker", "item_quality", "item_rate", "base_rate"]
    assert (report.users, report.shown) == (len(USERS), len(USERS) * 8)
    assert report.taken["click"] == pytest.approx(0.5, abs=0.1)
    ours, base = report.scorers["ranker"], report.scorers["base_rate"]
    for action in ("click", "play"):
        assert ours[action]["ne"].mean < 0.5 < base[action]["ne"].mean
        assert ours[action]["auc"].mean > 0.9
        assert base[action]["auc"].mean == pytest.approx(0.5)
        assert page[f"{action}_ne"] == ours[action]["ne"].mean
    for scorer in report.scorers:
        assert f"| {scorer} |" in page["metrics"].replace("\\_", "_")
    for picture in ("plot", "reliability"):
        assert page[picture].startswith("![")


def test_the_report_compares_orders_slices_and_calibration(made: tuple[Shop, dg.ExecuteInProcessResult]) -> None:
    page = told(made[1], "ranker_evaluation")
    report = RankingEvaluation.model_validate_json((made[0].versions()[0] / EVALUATION).read_text())
    ours, base = report.scorers["ranker"]["click"], report.differences["base_rate"]["click"]
    # What says the same of everything has half of the pairs right.
    assert base["pair_accuracy"].mean == pytest.approx(ours["pair_accuracy"].mean - 0.5)
    assert base["pair_uplift"].mean == pytest.approx(2 * ours["pair_accuracy"].mean - 1)
    assert page["click_ndcg_at_5"] == ours["ndcg@5"].mean > report.scorers["base_rate"]["click"]["ndcg@5"].mean
    assert "| click | item" in page["differences"]
    # All is shown on one surface, to users with sixteen interactions, and one day after the items' first.
    everything = report.scorers["ranker"]["click"]["gauc"]
    for name in ("surface home", "history 16-63", "item's age 1-6 days"):
        assert report.slices[name]["ranker"]["click"]["gauc"] == everything
        assert name in page["slices"]
    assert sum(one.shown for one in report.reliability["click"]) == report.shown


def test_its_manifest_names_the_set_and_the_report_reads_that_one(shop: Shop) -> None:
    folder = shop.versions()[0]
    (name,) = list_sets(shop.lake.folder("ranking_sets"))
    assert read_manifest(folder).training_set == name
    artifact, asked = load_artifact(folder), EvaluationSettings.model_validate(EVALUATION_SETTINGS)
    before = evaluate_ranker(shop.rankers, artifact, asked)
    put(shop.lake, shown(3), 3)
    update(shop.lake)
    assert shop.run("ranking_set").success
    assert len(list_sets(shop.lake.folder("ranking_sets"))) == 2
    assert evaluate_ranker(shop.rankers, artifact, asked) == before
    with pytest.raises(NotEvaluated, match=r"evaluation.window_days is 2, .* made with 1; materialize `ranking_set`"):
        evaluate_ranker(shop.rankers, artifact, EvaluationSettings(window_days=2))


def test_a_log_that_shows_nothing_after_the_cutoff_stops_the_run_before_the_model(shop: Shop) -> None:
    put(shop.lake, shown(3).filter(action="click"), 3)
    update(shop.lake)
    result = shop.run()
    assert not result.success
    assert not result.asset_materializations_for_node("ranker_model")
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert "from 2026-01-04 nothing was shown: materialize more days" in str(check.description)


def test_forgetting_somebody_takes_the_sets_and_says_what_to_do(shop: Shop) -> None:
    assert shop.run("ranking_set").success
    assert forget(shop.lake, Person("u03", "string"), "asked for").training_sets == 1
    assert "materialize `ranking_set` again" in why(shop.run("ranker_model"))
    with pytest.raises(NotEvaluated, match="materialize `ranking_set` and `ranker_model` for a version that can"):
        evaluate_ranker(shop.rankers, load_artifact(shop.versions()[0]), EvaluationSettings())


def test_a_set_of_other_actions_is_refused(shop: Shop) -> None:
    assert shop.run("ranking_set").success
    refused = why(shop.run("ranker_model", model={**RANKING["model"], "actions": ["click"]}))
    assert "ranking.actions is ('click',), but the training set was made with ('click', 'play')" in refused


def test_what_is_missing_is_named_by_the_asset_that_makes_it(shop: Shop) -> None:
    shutil.rmtree(shop.versions()[0])
    with pytest.raises(ValueError, match="materialize `ranker_model` first"):
        newest_manifest(shop.rankers)
    with pytest.raises(ValueError, match="materialize `hstu_model` first"):
        newest_manifest(shop.lake)


def test_a_ranker_is_refused_by_the_endpoint(made: tuple[Shop, dg.ExecuteInProcessResult]) -> None:
    shop, _ = made
    folder, table = shop.versions()[0], shop.lake.uri("items")
    release = ReleaseConfig(
        version=folder.name,
        artifact=folder,
        sequences=SequencesVersion(root=shop.lake.root, version=0),
        items=TableVersion(uri=table, version=0),
    )
    with pytest.raises(LoadError, match="of the family hstu_dlrm_v3, which ranks given items: deploy a version of one"):
        load_release(release)


def test_what_is_shown_is_no_answer() -> None:
    with pytest.raises(ValueError, match=r"exposure 'click' is among model\.actions"):
        RankingSettings.model_validate({"exposure": "click", "model": {"actions": ["click"]}})
    assert json.loads(RankingSettings().model_dump_json())["exposure"] == "impression"
