"""The training set as an asset: whole or not at all, the same to all who read it, judged before it is trained on."""

import json
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets.evaluation.evaluate_version import EvaluationError, evaluate_version
from assets.privacy.forget import forget
from assets.privacy.person import Person
from assets.resources import Storage
from assets.splits.auto import cutoff_day
from assets.splits.settings import CutoffSettings, EvaluationSettings
from assets.training import training_set as making
from assets.training.dataset import read_dataset, read_held_out
from assets.training.set_assets import has_evaluation_cases, training_set
from assets.training.set_store import read_record
from assets.training.settings import TrainingSettings
from assets.training.training_set import (
    TrainingSetRecord,
    TrainingSetSettings,
    evaluation_of,
    make_training_set,
    require_made_by,
    without_cases,
)
from assets.versions import list_sets, training_set_in_question
from models.auto import read_section
from models.columns import DAY, ITEM_ID
from storage.lake import Lake
from storage.schema import ITEMS_TABLE, items_schema
from tests.assets.evaluation.worlds import CUTOFF, write_version, write_world
from tests.assets.sequences.test_build import FIRST, events, put, update

USERS = [f"u{n}" for n in range(12)]
ITEMS = [f"i{n}" for n in range(9)]
DAY_SECONDS = 86_400


def day(number: int, users: Sequence[str] = USERS) -> pl.DataFrame:
    """Each user clicks two items a day, on every day others."""
    rows = [
        (
            user,
            ITEMS[(2 * number + k + n) % len(ITEMS)],
            DAY_SECONDS * number + 60 * n + k,
            "click",
            None,
            None,
            None,
            n,
        )
        for n, user in enumerate(users)
        for k in range(2)
    ]
    return events(rows, number)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three days of clicks and their catalogue."""
    lake = Lake(str(tmp_path / "lake"))
    for number in range(3):
        put(lake, day(number), number)
        update(lake)
    write_catalogue(lake)
    return lake


def write_catalogue(lake: Lake) -> None:
    schema = items_schema("string")
    catalogue = pl.DataFrame({ITEM_ID: ITEMS}).with_columns(pl.lit(FIRST).alias(DAY))
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in catalogue.columns]
    lake.overwrite(ITEMS_TABLE, catalogue.with_columns(missing).select(pl.col(n).cast(t) for n, t in schema.items()))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


TRAINING = {"positive_actions": ["click"], "use_content": False, "validation_users": 3}


@dg.asset(deps=[training_set])
def hstu_model(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Storage]) -> dg.MaterializeResult[None]:
    """Stands for the model: it says what it would be trained on."""
    return dg.MaterializeResult(metadata={"trained_on": training_set_in_question(context, lake.open()).name})


def from_data(training: dict[str, Any] | None = None, **evaluation: Any) -> TrainingSetSettings:
    """As a profile has them that writes this and leaves the rest to the data."""
    return TrainingSetSettings.of(
        read_section(TrainingSettings, {"positive_actions": ["click"], "use_content": False, **(training or {})}),
        read_section(EvaluationSettings, evaluation),
    )


def settings(**evaluation: Any) -> TrainingSetSettings:
    return TrainingSetSettings.of(
        TrainingSettings.model_validate(TRAINING), EvaluationSettings.model_validate(evaluation)
    )


def run(
    lake: Lake, instance: dg.DagsterInstance, only: Sequence[str] | None = None, auto: bool = False, **evaluation: Any
) -> dg.ExecuteInProcessResult:
    """Args:
    auto: Whether the data say what `evaluation` leaves out.
    """
    read = partial(read_section, EvaluationSettings) if auto else EvaluationSettings.model_validate
    return dg.materialize(
        [training_set, has_evaluation_cases, hstu_model],
        instance=instance,
        selection=dg.AssetSelection.assets(*only) if only else None,
        resources={
            "lake": Storage(root=lake.root),
            "evaluation": read(evaluation),
            "set_settings": (from_data if auto else settings)(**evaluation),
        },
        raise_on_error=False,
    )


def told(result: dg.ExecuteInProcessResult, asset: str = "training_set") -> dict[str, Any]:
    return {name: entry.value for name, entry in result.asset_materializations_for_node(asset)[0].metadata.items()}


def test_the_page_shows_what_it_came_to(lake: Lake, instance: dg.DagsterInstance) -> None:
    result = run(lake, instance, leave_one_out_users=4)
    shown = told(result)
    (name,) = list_sets(lake.folder("training_sets"))
    record = read_record(Path(shown["folder"]), TrainingSetRecord)
    held_out = read_held_out(Path(shown["folder"]))
    assert (shown["training_set"], record.name) == (name, name)
    assert shown["dagster/row_count"] == record.interactions == 4 * len(USERS) - 4 - 3
    assert (shown["users"], shown["validation_users"], shown["items_trained"]) == (len(USERS), 3, len(ITEMS))
    assert (shown["cases_time"], shown["cases_leave_one_out"]) == (len(held_out.cases["time"]), 4)
    assert (shown["first_interaction"][:10], shown["cutoff"][:10]) == ("2026-01-01", "2026-01-03")
    for picture in ("over_time", "lengths"):
        assert "data:image/png;base64," in shown[picture]
    assert record.table_versions.keys() == {"events", "items", "sequences"}
    assert told(result, "hstu_model")["trained_on"] == name


def test_what_is_the_same_once_more_is_no_other_set_and_leaves_what_follows_as_it_is(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    def version() -> str:
        event = instance.get_latest_materialization_event(dg.AssetKey("training_set"))
        assert event is not None
        assert event.asset_materialization is not None
        return str((event.asset_materialization.tags or {})["dagster/data_version"])

    first, before = told(run(lake, instance)), version()
    assert told(run(lake, instance))["training_set"] == first["training_set"]
    # The same rows in a newer version of the table: another origin, the same to learn from.
    put(lake, day(2), 2)
    update(lake)
    again = told(run(lake, instance))
    assert again["training_set"] != first["training_set"]
    assert version() == before
    run(lake, instance, leave_one_out_users=2)
    assert version() != before


def test_a_run_reads_its_own_set_and_a_later_one_the_last(lake: Lake, instance: dg.DagsterInstance) -> None:
    first = told(run(lake, instance))["training_set"]
    put(lake, day(3), 3)
    update(lake)
    second = run(lake, instance)
    assert told(second)["training_set"] != first
    assert told(second, "hstu_model")["trained_on"] == told(second)["training_set"]
    assert told(run(lake, instance, only=["hstu_model"]), "hstu_model")["trained_on"] == told(second)["training_set"]


def test_a_log_that_nobody_can_be_judged_on_is_told_before_the_model_and_stops_nothing(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    put(lake, events([("new", ITEMS[0], 3 * DAY_SECONDS, "click", None, None, None, 0)], 3), 3)
    update(lake)
    for held_out, decides in ((0, "popularity alone"), (4, "leave_one_out")):
        result = run(lake, instance, leave_one_out_users=held_out)
        assert result.success
        assert result.asset_materializations_for_node("hstu_model")
        (check,) = result.get_asset_check_evaluations()
        assert (check.passed, check.blocking, check.severity) == (False, False, dg.AssetCheckSeverity.WARN)
        told = str(check.description).replace("\\", "")
        assert "2026-01-04" in told
        assert "materialize more days or widen `evaluation.window_days`" in told
        assert told.endswith(f"Until then {decides} decides what is released")
    # Two days at the end hold cases again.
    (check,) = run(lake, instance, window_days=2).get_asset_check_evaluations()
    assert check.passed


def test_the_first_day_of_a_log_alone_is_trained_on_and_judged_by_leave_one_out(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    put(lake, day(0), 0)
    update(lake)
    write_catalogue(lake)
    result = run(lake, instance, auto=True)
    assert result.success
    shown = told(result)
    assert (shown["users"], shown["cutoff"][:10], shown["cases_time"]) == (len(USERS), "2026-01-02", 0)
    assert shown["cases_leave_one_out"] > 0
    assert "| evaluation.window_days | 0 | there is nothing before the last day, so that none" in shown["chosen"]
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    by_hand = run(lake, instance, window_days=1)
    assert not by_hand.success
    (failure,) = by_hand.get_step_failure_events()
    assert "nothing to train on; materialize more days, or leave `evaluation.window_days`" in str(
        failure.step_failure_data.error
    )


def test_each_protocol_without_cases_says_what_to_do(lake: Lake, instance: dg.DagsterInstance) -> None:
    run(lake, instance, leave_one_out_users=0)
    (name,) = list_sets(lake.folder("training_sets"))
    record = read_record(lake.folder("training_sets") / name, TrainingSetRecord)
    assert without_cases(record, "time") is None
    assert "evaluation.leave_one_out_users is 0" in str(without_cases(record, "leave_one_out"))


def test_one_that_cannot_be_written_whole_is_not_there_at_all(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(making, "record_of", dies)
    assert not run(lake, instance).success
    assert list(lake.folder("training_sets").iterdir()) == []
    assert list(lake.folder("staging").glob("*-*")) == []


def test_another_setting_than_it_was_made_by_is_named(lake: Lake, instance: dg.DagsterInstance) -> None:
    run(lake, instance)
    (name,) = list_sets(lake.folder("training_sets"))
    record = read_record(lake.folder("training_sets") / name, TrainingSetRecord)
    require_made_by(record, settings())
    with pytest.raises(ValueError, match=r"evaluation.window_days is 3, .* made with 1: materialize `training_set`"):
        require_made_by(record, settings(window_days=3))


def test_what_is_left_to_the_data_is_chosen_when_the_set_is_made_and_read_from_its_record(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    asked = from_data({"cold_start_hours": 5}, max_users=7)
    resources = {
        "lake": Storage(root=lake.root),
        "evaluation": read_section(EvaluationSettings, {"max_users": 7}),
        "set_settings": asked,
    }
    result = dg.materialize([training_set, has_evaluation_cases], instance=instance, resources=resources)
    record = read_record(Path(told(result)["folder"]), TrainingSetRecord)
    assert set(record.chosen) == {
        "evaluation.window_days",
        "evaluation.repeats",
        "evaluation.leave_one_out_users",
        "training.validation_users",
        "training.popularity_half_life_days",
    }
    made = record.settings
    # A tenth of the twelve users, and an eighth of them, rounded up.
    assert (made.evaluation.leave_one_out_users, made.training.validation_users) == (2, 2)
    assert (made.training.cold_start_hours, made.evaluation.max_users) == (5, 7)
    assert "| evaluation.leave_one_out_users | 2 | 12 users have two positives" in told(result)["chosen"]
    assert read_dataset(Path(told(result)["folder"])).validation_targets.shape == (2,)
    require_made_by(record, asked)
    with pytest.raises(ValueError, match=r"training.validation_users is 2, but .* made with 'auto': materialize"):
        require_made_by(record, from_data({"cold_start_hours": 5, "validation_users": 2}, max_users=7))
    found = evaluation_of(record, read_section(EvaluationSettings, {"max_users": 7}))
    assert (found.primary_protocol, found.window_days) == ("time", 1)
    by_hand = read_section(EvaluationSettings, {"primary_protocol": "leave_one_out"})
    assert evaluation_of(record, by_hand).primary_protocol == "leave_one_out"


def test_content_is_described_as_it_was_where_the_set_will_be_cut(lake: Lake) -> None:
    for asked in (from_data(), from_data(window_days=2), from_data(cutoff="2026-01-02")):
        record = make_training_set(lake, asked)
        split = CutoffSettings(positive_actions=("click",), split=asked.evaluation)
        assert cutoff_day(lake, split) == record.cutoff.date()


def test_after_forgetting_a_model_waits_for_a_new_set(lake: Lake, instance: dg.DagsterInstance) -> None:
    first = told(run(lake, instance))["training_set"]
    forget(lake, Person("u3", "string"), "asked for")
    assert list_sets(lake.folder("training_sets")) == []
    refused = run(lake, instance, only=["hstu_model"])
    (failure,) = (event for event in refused.all_events if event.is_step_failure)
    assert first in str(failure.step_failure_data.error)
    assert "materialize `training_set` again" in str(failure.step_failure_data.error)
    shown = told(run(lake, instance))
    assert shown["users"] == len(USERS) - 1


def test_a_version_is_asked_what_its_own_set_holds_whatever_was_made_since(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    write_world(lake)
    asked = EvaluationSettings(ks=(2, 5), metric="ndcg@2", resamples=100, leave_one_out_users=10)
    folder = write_version(lake, "one")
    before = evaluate_version(lake, folder, asked)
    write_version(lake, "two", cutoff=CUTOFF.replace(day=9))
    sets = list_sets(lake.folder("training_sets"))
    assert (len(sets), json.loads((folder / "manifest.json").read_text())["training_set"]) == (2, sets[0])
    assert evaluate_version(lake, folder, asked).report.scorers == before.report.scorers
    shutil.rmtree(lake.folder("training_sets") / sets[0])
    with pytest.raises(EvaluationError, match=f"{sets[0]} is not in .* materialize `training_set` and `hstu_model`"):
        evaluate_version(lake, folder, asked)
