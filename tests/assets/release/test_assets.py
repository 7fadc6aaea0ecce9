"""The evaluation and release assets on a real Dagster instance and a small lake."""

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from assets.evaluation.assets import EvaluationRun, evaluation
from assets.evaluation.settings import EvaluationSettings
from assets.lake import Lake
from assets.release.assets import ReleaseRun, release
from assets.release.gate import GateSettings
from assets.resources import Storage
from assets.sources.settings import open_source
from models.evaluation.report import VersionEvaluation
from serving.releases import Releases
from tests.assets.evaluation.worlds import write_version, write_world

EVALUATION = {"ks": [2, 5], "metric": "ndcg@2", "resamples": 100, "leave_one_out_users": 10}
NEVER, ALWAYS = {"metric": "ndcg@2", "margin": 2.0}, {"metric": "ndcg@2", "margin": 0.0}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    write_world(lake)
    return lake


def materialize(lake: Lake, gate: dict, **config: dg.Config) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [evaluation, release],
        resources={
            "lake": Storage(root=lake.root, id_type="int64"),
            "source": open_source(
                {"kind": "demo_world", "events": 1_000},
                landing=str(lake.folder("landing")),
                first_day=date(2026, 3, 1),
            ),
            "evaluation": EvaluationSettings.model_validate(EVALUATION),
            "gate": GateSettings.model_validate(gate),
        },
        run_config=dg.RunConfig(ops=config),
    )


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict:
    return {k: v.value for k, v in result.asset_materializations_for_node(asset)[0].metadata.items()}


def releases(lake: Lake) -> Releases:
    return Releases(lake.uri("releases"))


def test_the_evaluation_is_written_shown_and_checked(lake):
    folder = write_version(lake, "one")
    write_version(lake, "one", seed=4, folder="ablations")
    result = materialize(lake, NEVER)
    written = VersionEvaluation.read(folder)
    shown = metadata(result, "evaluation")
    assert shown["ndcg_at_2_overall"] == written.report.measure("hstu", "ndcg@2").mean
    assert shown["ndcg_at_2_cold"] == written.report.measure("hstu", "ndcg@2", "cold").mean
    assert "| oracle |" in shown["time_metrics"]
    assert shown["time_plot"].startswith("![ndcg@2 by scorer](data:image/png;base64,")
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert set(checks) == {"beats_popularity", "beats_item_knn", "content_helps_cold_items"}
    assert all(check.severity is dg.AssetCheckSeverity.WARN for check in checks.values())


def test_a_version_below_the_gate_is_rejected_and_can_be_promoted_by_hand(lake):
    write_version(lake, "one")
    shown = metadata(materialize(lake, NEVER), "release")
    assert (shown["promoted"], shown["champion"]) == (False, "none")
    assert "one does not beat popularity on ndcg@2" in shown["reason"]
    assert releases(lake).champion() is None
    shown = metadata(materialize(lake, NEVER, release=ReleaseRun(force_reason="first launch")), "release")
    assert (shown["promoted"], shown["champion"]) == (True, "one")
    assert releases(lake).log()["reason"].to_list()[1] == "one was promoted by hand: first launch"


def test_a_second_run_on_the_champion_changes_nothing(lake):
    write_version(lake, "one")
    materialize(lake, NEVER, release=ReleaseRun(force_reason="first launch"))
    shown = metadata(materialize(lake, ALWAYS), "release")
    assert shown["reason"] == "one is the champion already."
    assert releases(lake).log().height == 1


def test_an_equal_version_does_not_replace_the_champion(lake):
    write_version(lake, "one", seed=1)
    materialize(lake, NEVER, release=ReleaseRun(force_reason="first launch"))
    write_version(lake, "two", seed=1)
    result = materialize(lake, ALWAYS, evaluation=EvaluationRun(version="two"), release=ReleaseRun(version="two"))
    shown = metadata(result, "release")
    assert metadata(result, "evaluation")["champion"] == "one"
    assert "two does not beat champion one" in shown["reason"]
    assert releases(lake).champion() == "one"
