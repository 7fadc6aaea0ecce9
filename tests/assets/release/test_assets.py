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
from models.evaluation.report import VersionEvaluation
from storage.lake import Lake
from storage.releases import Releases
from tests.assets.evaluation.worlds import write_version, write_world
from tests.measured import measured

EVALUATION = {"ks": [2, 5], "metric": "ndcg@2", "resamples": 100, "leave_one_out_users": 10}
NEVER, ALWAYS = {"metric": "ndcg@2", "margin": 2.0}, {"metric": "ndcg@2", "margin": 0.0}


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
    assert set(checks) == {"beats_popularity", "beats_item_knn", "content_helps_cold_items"}
    assert all(check.severity is dg.AssetCheckSeverity.WARN for check in checks.values())


def test_a_version_below_the_gate_is_rejected_and_can_be_promoted_by_hand(lake: Lake) -> None:
    write_version(lake, "one")
    result = materialize(lake, NEVER)
    shown = metadata(result, "release")
    (unmeasured,) = (c for c in result.get_asset_check_evaluations() if c.check_name == "content_helps_cold_items")
    assert not unmeasured.passed
    assert str(unmeasured.description).startswith("Not measured: the version has no ablation without content")
    assert unmeasured.metadata["measured"].value is False
    assert (shown["promoted"], shown["champion"]) == (False, "none")
    assert "one does not beat popularity on ndcg@2" in shown["reason"]
    assert releases(lake).champion() is None
    shown = metadata(materialize(lake, NEVER, release=ReleaseRun(force_reason="first launch")), "release")
    assert (shown["promoted"], shown["champion"]) == (True, "one")
    assert releases(lake).log()["reason"].to_list()[1] == "one was promoted by hand: first launch"


def test_a_second_run_on_the_champion_changes_nothing(lake: Lake) -> None:
    write_version(lake, "one")
    materialize(lake, NEVER, release=ReleaseRun(force_reason="first launch"))
    shown = metadata(materialize(lake, ALWAYS), "release")
    assert shown["reason"] == "one is the champion already."
    assert releases(lake).log().height == 1


def test_an_equal_version_does_not_replace_the_champion(lake: Lake) -> None:
    write_version(lake, "one", seed=1)
    materialize(lake, NEVER, release=ReleaseRun(force_reason="first launch"))
    write_version(lake, "two", seed=1)
    result = materialize(lake, ALWAYS, evaluation=EvaluationRun(version="two"), release=ReleaseRun(version="two"))
    shown = metadata(result, "release")
    assert metadata(result, "evaluation")["champion"] == "one"
    assert "two does not beat champion one" in shown["reason"]
    assert releases(lake).champion() == "one"


def test_a_run_evaluates_and_judges_the_version_that_it_trained_itself(lake: Lake) -> None:
    with dg.instance_for_test() as instance:
        result = materialize(lake, ALWAYS, instance, trained="mine")
        assert metadata(result, "evaluation")["version"] == "mine"
        assert metadata(result, "release")["version"] == "mine"
        write_version(lake, "newest", seed=3)
        assert metadata(materialize(lake, ALWAYS, instance), "evaluation")["version"] == "mine"
    assert metadata(materialize(lake, ALWAYS), "evaluation")["version"] == "newest"


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
        first = materialize(lake, ALWAYS, instance, trained="mine")
        materialize(lake, ALWAYS, instance, trained="later")
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
