"""The evaluation and release assets on a real Dagster instance and a small lake."""

from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from assets.evaluation.assets import EvaluationRun, evaluation
from assets.release.assets import ReleaseRun, release
from assets.release.settings import ReleaseSettings
from assets.resources import Storage
from assets.sources.settings import open_source
from assets.splits.settings import EvaluationSettings
from assets.versions import releases_of, version_in_question
from models.config.model import ModelConfig, SasrecConfig
from models.evaluation.report import VersionEvaluation
from storage.lake import Lake
from storage.releases import Releases
from tests.assets.evaluation.worlds import write_version, write_world
from tests.measured import measured

EVALUATION = {"ks": [2, 5], "metric": "ndcg@2", "resamples": 100, "leave_one_out_users": 10}
FEW = {"metric": "ndcg@2", "min_users": 1}
NEVER = {**FEW, "margin": 2.0}
SASREC = ModelConfig(width=8, max_length=8, backbone=SasrecConfig())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    write_world(lake)
    return lake


def materialize(
    lake: Lake, gate: dict, instance: dg.DagsterInstance | None = None, trained: str | None = None, **config: dg.Config
) -> dg.ExecuteInProcessResult:
    """Evaluation and release; before them, where `trained` is given, a training that makes that version and is then
    overtaken by another run's."""

    @dg.asset
    def hstu_model() -> dg.MaterializeResult:
        write_version(lake, str(trained), seed=1)
        write_version(lake, f"{trained}-of-another-run", seed=2)
        return dg.MaterializeResult(metadata={"version": str(trained)})

    return dg.materialize(
        [*([hstu_model] if trained else []), evaluation, release],
        instance=instance,
        resources={
            "lake": Storage(root=lake.root, id_type="int64"),
            "source": open_source(
                {"kind": "demo_world", "events": 1_000},
                landing=str(lake.folder("landing")),
                first_day=date(2026, 3, 1),
            ),
            "evaluation": EvaluationSettings.model_validate(EVALUATION),
            "release": ReleaseSettings.model_validate(gate),
        },
        run_config=dg.RunConfig(ops=config),
    )


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict:
    return {k: v.value for k, v in result.asset_materializations_for_node(asset)[0].metadata.items()}


def releases(lake: Lake) -> Releases:
    return releases_of(lake)


def test_the_evaluation_is_written_shown_and_checked(lake: Lake) -> None:
    folder = write_version(lake, "one")
    write_version(lake, "one", seed=4, folder="ablations")
    result = materialize(lake, NEVER)
    written = VersionEvaluation.read(folder)
    shown = metadata(result, "evaluation")
    assert shown["ndcg_at_2_overall"] == measured(written.report, "hstu", "ndcg@2").mean
    assert shown["ndcg_at_2_cold"] == measured(written.report, "hstu", "ndcg@2", "cold").mean
    assert "| oracle |" in shown["time_metrics"]
    assert shown["time_plot"].startswith("![ndcg@2 by scorer](data:image/png;base64,")
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    beats = {"beats_popularity", "beats_item_knn", "beats_ials"}
    assert set(checks) == beats | {"content_helps_cold_items", "keeps_up_with_training_from_scratch"}
    assert all(check.severity is dg.AssetCheckSeverity.WARN for check in checks.values())


def test_a_night_shows_who_took_part_and_what_became_of_them(lake: Lake) -> None:
    write_version(lake, "one")
    write_version(lake, "other", seed=3, shape=SASREC)
    result = materialize(lake, FEW)
    shown, log = metadata(result, "release"), releases(lake).log()
    (unmeasured,) = (c for c in result.get_asset_check_evaluations() if c.check_name == "content_helps_cold_items")
    assert not unmeasured.passed
    assert str(unmeasured.description).startswith("Not measured: the version has no ablation without content")
    assert unmeasured.metadata["measured"].value is False
    assert (shown["version"], shown["champion"]) == ("one", str(releases(lake).champion()))
    assert shown["family"] == {"one": "hstu", "other": "sasrec"}[shown["champion"]]
    header, _, *rows = shown["contestants"].splitlines()
    assert (
        header
        == "| contestant | version | family | ndcg@2 (time, 30 users) | ndcg@2 (leave_one_out, 10 users) | outcome |"
    )
    assert {row.split(" | ")[1] for row in rows} == {"one", "other"}
    assert log["action"].to_list() == (["promote"] if shown["promoted"] else ["reject", "promote"])
    assert shown["reason"] in log["reason"].to_list()


def test_a_version_below_the_gate_is_refused_and_can_be_promoted_by_hand_whatever_its_family(lake: Lake) -> None:
    write_version(lake, "one")
    materialize(lake, FEW)
    write_version(lake, "two", seed=1)
    shown = metadata(materialize(lake, NEVER), "release")
    assert (shown["promoted"], shown["champion"]) == (False, "one")
    assert "two is not released: in the mean it is not better by 2 than champion" in shown["refusal"]
    assert releases(lake).log()["action"].to_list() == ["promote", "reject"]
    write_version(lake, "three", seed=3, shape=SASREC)
    by_hand = ReleaseRun(version="three", force_reason="a campaign")
    shown = metadata(materialize(lake, NEVER, release=by_hand), "release")
    assert (shown["promoted"], shown["champion"], shown["family"]) == (True, "three", "sasrec")
    assert releases(lake).log()["reason"].to_list()[-1] == "three was promoted by hand: a campaign"


def test_a_second_run_on_the_champion_changes_nothing(lake: Lake) -> None:
    write_version(lake, "one")
    materialize(lake, NEVER, release=ReleaseRun(force_reason="first launch"))
    shown = metadata(materialize(lake, FEW), "release")
    assert shown["reason"].startswith("one (hstu) stays champion: nothing is clearly better than the champion one")
    assert releases(lake).log().height == 1


def test_an_equal_version_does_not_replace_the_champion(lake: Lake) -> None:
    write_version(lake, "one", seed=1)
    materialize(lake, NEVER, release=ReleaseRun(force_reason="first launch"))
    write_version(lake, "two", seed=1)
    result = materialize(lake, FEW, evaluation=EvaluationRun(version="two"), release=ReleaseRun(version="two"))
    assert metadata(result, "evaluation")["champion"] == "one"
    assert (
        "two is not released: in the mean it is not better by 0 than champion" in metadata(result, "release")["refusal"]
    )
    assert releases(lake).champion() == "one"


def test_a_run_evaluates_and_judges_the_version_that_it_trained_itself(lake: Lake) -> None:
    with dg.instance_for_test() as instance:
        result = materialize(lake, FEW, instance, trained="mine")
        assert metadata(result, "evaluation")["version"] == "mine"
        assert metadata(result, "release")["version"] == "mine"
        write_version(lake, "newest", seed=3)
        assert metadata(materialize(lake, FEW, instance), "evaluation")["version"] == "mine"
    assert metadata(materialize(lake, FEW), "evaluation")["version"] == "newest"


def test_what_is_judged_is_what_was_evaluated(lake: Lake) -> None:
    write_version(lake, "old")
    write_version(lake, "new")
    with dg.instance_for_test() as instance:
        result = materialize(lake, NEVER, instance, evaluation=EvaluationRun(version="old"))
        assert metadata(result, "release")["version"] == "old"
    with pytest.raises(ValueError, match="version new was not evaluated yet: materialize `evaluation` first"):
        materialize(lake, NEVER, evaluation=EvaluationRun(version="old"), release=ReleaseRun(version="new"))
    with pytest.raises(ValueError, match=r"version typo is not in .*, which holds new, old: name one of these"):
        materialize(lake, NEVER, evaluation=EvaluationRun(version="typo"))


def test_a_run_executed_again_goes_on_with_the_version_of_the_run_before_it(lake: Lake) -> None:
    @dg.asset
    def about(context: dg.AssetExecutionContext) -> None:
        context.log.info(version_in_question(context, lake, "hstu_model"))

    with dg.instance_for_test() as instance:
        first = materialize(lake, FEW, instance, trained="mine")
        materialize(lake, FEW, instance, trained="later")
        job = dg.Definitions(
            [about], executor=dg.in_process_executor, jobs=[dg.define_asset_job("again", "about")]
        ).resolve_job_def("again")
        told = []
        for parent in (first.run_id, None):
            run = instance.create_run_for_job(job, parent_run_id=parent, root_run_id=parent)
            assert execute_run(InMemoryJob(job), run, instance).success
            logs = instance.all_logs(run.run_id)
            told.append(next(entry.user_message for entry in logs if not entry.is_dagster_event))
    assert told == ["mine", "later"]
